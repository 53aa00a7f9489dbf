package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// netInfo is what is shown of getnetworkinfo.
type netInfo struct {
	SubVersion string `json:"subversion"`
	Active     bool   `json:"networkactive"`
	In         int    `json:"connections_in"`
	Out        int    `json:"connections_out"`

	// Target is how many automatic outbound peers there should be. A daemon that does
	// not tell it has none.
	Target *int `json:"outbound_target"`

	Networks []struct {
		Name      string `json:"name"`
		Reachable bool   `json:"reachable"`
		Proxy     string `json:"proxy"`
	} `json:"networks"`
	Local []struct {
		Address string `json:"address"`
		Port    uint16 `json:"port"`
	} `json:"localaddresses"`
	Warnings []string `json:"warnings"`
}

// totals is what is shown of getnettotals.
type totals struct {
	Received uint64 `json:"totalbytesrecv"`
	Sent     uint64 `json:"totalbytessent"`
}

func newNet() *cobra.Command {
	cmd, f := control("net", "Show the state of networking, switch it off and on",
		`Net tells whether networking is on, how many connections there are, what went over the
wire since the start, which networks are reached and how, and what is wrong. With --json it
prints {"getnetworkinfo": ..., "getnettotals": ..., "uptime": ...}.`)
	cmd.RunE = f.run(func(ctx context.Context, c *client, _ []string) error { return c.showNet(ctx) })
	f.sub(cmd, "on", "Switch networking on", func(ctx context.Context, c *client, _ []string) error {
		return c.order(ctx, "Networking is on", "setnetworkactive", true)
	})
	f.sub(cmd, "off", "Switch networking off: all peers are disconnected, and none is dialed or taken",
		func(ctx context.Context, c *client, _ []string) error {
			return c.order(ctx, "Networking is off", "setnetworkactive", false)
		})
	f.sub(cmd, "ping", "Have all peers pinged; the answers are in the list of peers",
		func(ctx context.Context, c *client, _ []string) error {
			return c.order(ctx, "Pings are sent; see holdfast peers", "ping")
		})
	return cmd
}

func (c *client) showNet(ctx context.Context) error {
	methods := []string{"getnetworkinfo", "getnettotals", "uptime"}
	answers, err := c.askAll(ctx, methods)
	if err != nil {
		return err
	}
	if c.json {
		all := make(map[string]json.RawMessage)
		for i, m := range methods {
			all[m] = answers[i].Result
		}
		raw, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return c.print(raw)
	}
	var info netInfo
	var sum totals
	var seconds int64
	for i, v := range []any{&info, &sum, &seconds} {
		if err := answers[i].into(methods[i], v); err != nil {
			return err
		}
	}
	return printNet(c.out, newPaint(c.out, os.Getenv), c.network, &info, sum, time.Duration(seconds)*time.Second)
}

// askAll calls methods that need no arguments, in one request. It fails if one does.
func (c *client) askAll(ctx context.Context, methods []string) ([]answer, error) {
	calls := make([]request, len(methods))
	for i, m := range methods {
		calls[i] = request{Method: m}
	}
	answers, err := c.batch(ctx, calls)
	if err != nil {
		return nil, err
	}
	for i := range answers {
		if err := answers[i].into(methods[i], nil); err != nil {
			return nil, fmt.Errorf("%s: %w", methods[i], err)
		}
	}
	return answers, nil
}

// printNet writes the state of networking for people.
func printNet(out io.Writer, p paint, network string, info *netInfo, sum totals, up time.Duration) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, plain(fmt.Sprintf(format, args...)))
	}
	line("Node", "%s on %s, up %s", info.SubVersion, network, spanText(up))
	active := p.with(green, "on")
	if !info.Active {
		active = p.with(red, "off") + ": nobody is dialed or taken until holdfast net on"
	}
	fmt.Fprintf(&b, "%-10s %s\n", "Networking", active)
	line("Peers", "%s", info.counts())
	line("Traffic", "%s in, %s out", bytesText(float64(sum.Received)), bytesText(float64(sum.Sent)))
	var reached, not []string
	for _, n := range info.Networks {
		switch {
		case !n.Reachable:
			not = append(not, n.Name)
		case n.Proxy != "":
			reached = append(reached, n.Name+" by the proxy "+n.Proxy)
		default:
			reached = append(reached, n.Name)
		}
	}
	line("Reached", "%s", orNone(reached))
	line("Not", "%s", orNone(not))
	var local []string
	for _, a := range info.Local {
		local = append(local, net.JoinHostPort(a.Address, strconv.Itoa(int(a.Port))))
	}
	line("Our own", "%s", orNone(local))
	for _, w := range info.Warnings {
		fmt.Fprintf(&b, "%-10s %s\n", "Warning", p.with(yellow, plain(w)))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// counts says how many connections there are.
func (info *netInfo) counts() string {
	out := strconv.Itoa(info.Out) + " out"
	if info.Target != nil {
		out += fmt.Sprintf(" (%d wanted)", *info.Target)
	}
	return fmt.Sprintf("%d: %s, %d in", info.In+info.Out, out, info.In)
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
