package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"holdfast/netaddr"
)

// all is the key of getaddrmaninfo for all networks together.
const allBooks = "all_networks"

// bookCount is how many addresses are known of a network.
type bookCount struct {
	New   int `json:"new"`
	Tried int `json:"tried"`
	Total int `json:"total"`
}

func newAddr() *cobra.Command {
	cmd, f := control("addr", "Show the address book",
		`Addr tells how many addresses are known: new are those that were heard of, tried those
that were reached.`)
	cmd.RunE = f.run(func(ctx context.Context, c *client, _ []string) error {
		return ask(ctx, c, c.printBook, "getaddrmaninfo")
	})

	var network string
	var limit int
	list := f.sub(cmd, "list", "List known addresses, drawn at random", func(ctx context.Context, c *client, _ []string) error {
		params := []any{limit}
		if network != "" {
			params = append(params, network)
		}
		return ask(ctx, c, c.printAddresses, "getnodeaddresses", params...)
	})
	list.Flags().StringVar(&network, "network", "", "only those of this `network`: ipv4, ipv6, onion, i2p or cjdns")
	list.Flags().IntVarP(&limit, "limit", "n", 20, "at most this `number`; 0 means all")
	_ = list.RegisterFlagCompletionFunc("network", cobra.FixedCompletions(networksOfBook(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there

	var tried bool
	add := f.sub(cmd, "add ADDRESS", "Put an address into the book", func(ctx context.Context, c *client, args []string) error {
		host, port, err := c.hostPort(args[0])
		if err != nil {
			return err
		}
		return ask(ctx, c, func(r struct {
			Success bool   `json:"success"`
			Error   string `json:"error"`
		},
		) error {
			if !r.Success {
				return errors.New("the book does not take it: " + plain(r.Error))
			}
			_, err := fmt.Fprintln(c.out, "Known from now on: "+plain(args[0]))
			return err
		}, "addpeeraddress", host, port, tried)
	})
	add.Flags().BoolVar(&tried, "tried", false, "as one that was reached")
	return cmd
}

// networksOfBook are the names of the networks that addresses are of.
func networksOfBook() (names []string) {
	for _, n := range netaddr.Networks() {
		names = append(names, n.String())
	}
	return names
}

// hostPort splits an address; the network's port is that of one without.
func (c *client) hostPort(text string) (host string, port uint16, err error) {
	host, number, err := net.SplitHostPort(withPort(text, int(c.port)))
	if err != nil {
		return "", 0, usagef("%q is not host:port", text)
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return "", 0, usagef("%q: port %q is not a number from 1 to 65535", text, number)
	}
	return host, uint16(n), nil
}

func (c *client) printBook(book map[string]bookCount) error {
	names := slices.DeleteFunc(networksOfBook(), func(n string) bool { return book[n].Total == 0 })
	names = append(names, allBooks)
	rows := make([][]string, len(names))
	for i, n := range names {
		x := book[n]
		if n == allBooks {
			n = "all"
		}
		rows[i] = []string{n, strconv.Itoa(x.New), strconv.Itoa(x.Tried), strconv.Itoa(x.Total)}
	}
	return writeTable(c.out, []column{
		{title: "NETWORK"}, {title: "NEW", right: true}, {title: "TRIED", right: true}, {title: "TOTAL", right: true},
	}, rows, nil)
}

// address is one of getnodeaddresses.
type address struct {
	Time     int64  `json:"time"`
	Services uint64 `json:"services"`
	Address  string `json:"address"`
	Port     uint16 `json:"port"`
	Network  string `json:"network"`
}

func (c *client) printAddresses(list []address) error {
	now := time.Now()
	rows := make([][]string, len(list))
	for i, a := range list {
		rows[i] = []string{
			net.JoinHostPort(a.Address, strconv.Itoa(int(a.Port))), a.Network,
			sinceText(now, a.Time), fmt.Sprintf("%#x", a.Services),
		}
	}
	return writeTable(c.out, []column{
		{title: "ADDRESS"}, {title: "NETWORK"}, {title: "SEEN AGO", right: true}, {title: "SERVICES", right: true},
	}, rows, nil)
}
