package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// lastSecond is the end of the year 9999, by which RPC means for ever.
const lastSecond = 253402300799

// ban is one of listbanned.
type ban struct {
	Address   string `json:"address"`
	Created   int64  `json:"ban_created"`
	Until     int64  `json:"banned_until"`
	Remaining int64  `json:"time_remaining"`
	Reason    string `json:"reason"`
	Origin    string `json:"origin"`
}

// left is for how long a ban holds.
func (b *ban) left() string {
	if b.Until >= lastSecond {
		return "for ever"
	}
	return spanText(time.Duration(b.Remaining) * time.Second)
}

func newBans() *cobra.Command {
	cmd, f := control("bans", "List the bans, make and end some",
		`Bans lists who is not talked to, by whom that was decided (operator, score, or protocol
for an offence against it), and why.`)
	cmd.RunE = f.run(func(ctx context.Context, c *client, _ []string) error {
		return ask(ctx, c, c.printBans, "listbanned")
	})

	var length banTime
	var reason string
	add := f.sub(cmd, "add SUBNET", "Ban an IP address, a range as 192.0.2.0/24, or an onion service",
		func(ctx context.Context, c *client, args []string) error {
			seconds, absolute := length.params()
			return c.order(ctx, "Banned "+args[0]+" "+length.text(), "setban", args[0], "add", seconds, absolute, reason)
		})
	add.Flags().Var(&length, "for", "ban for this `time`, as 90m, or in seconds, or ever (default: the\ndaemon's, 24h)")
	add.Flags().StringVar(&reason, "reason", "", "say why; this `text` is kept and listed")

	remove := f.sub(cmd, "remove SUBNET", "End a ban", func(ctx context.Context, c *client, args []string) error {
		return c.order(ctx, "No longer banned: "+args[0], "setban", args[0], "remove")
	})
	remove.ValidArgsFunction = f.complete(banNames)
	f.sub(cmd, "clear", "End all bans", func(ctx context.Context, c *client, _ []string) error {
		return c.order(ctx, "Nobody is banned now", "clearbanned")
	})

	var core bool
	export := f.sub(cmd, "export [FILE]", "Write the bans as JSON to a file, or to standard output",
		func(ctx context.Context, c *client, args []string) error {
			return c.exportBans(ctx, strings.Join(args, ""), core)
		})
	export.Flags().BoolVar(&core, "core", false, "write it as Bitcoin Core's banlist.json; reasons are lost")
	f.sub(cmd, "import FILE", "Add the bans of a file that export or Bitcoin Core wrote; - is standard input",
		func(ctx context.Context, c *client, args []string) error { return c.importBans(ctx, args[0]) })
	return cmd
}

// banTime is the value of --for.
type banTime struct {
	duration duration
	ever     bool
	set      bool
}

func (b *banTime) String() string {
	switch {
	case b.ever:
		return "ever"
	case b.set:
		return b.duration.String()
	}
	return ""
}

// Type is pflag's name of the kind of value.
func (b *banTime) Type() string { return "duration" }

// Set reads text.
func (b *banTime) Set(text string) error {
	if text == "ever" {
		*b = banTime{ever: true, set: true}
		return nil
	}
	var d duration
	if err := d.Set(text); err != nil {
		return err
	}
	if time.Duration(d) < time.Second {
		return errors.New("it must be a second at least")
	}
	*b = banTime{duration: d, set: true}
	return nil
}

// params are setban's bantime and absolute.
func (b *banTime) params() (seconds int64, absolute bool) {
	if b.ever {
		return lastSecond, true
	}
	return int64(time.Duration(b.duration) / time.Second), false // 0: the daemon's
}

func (b *banTime) text() string {
	switch {
	case b.ever:
		return "for ever"
	case b.set:
		return "for " + spanText(time.Duration(b.duration))
	}
	return "for the usual time"
}

func (c *client) printBans(bans []ban) error {
	if len(bans) == 0 {
		_, err := fmt.Fprintln(c.out, "Nobody is banned.")
		return err
	}
	now := time.Now()
	rows := make([][]string, len(bans))
	for i := range bans {
		b := &bans[i]
		rows[i] = []string{b.Address, b.left(), sinceText(now, b.Created), b.Origin, b.Reason}
	}
	return writeTable(c.out, []column{
		{title: "SUBNET"}, {title: "LEFT", right: true}, {title: "AGE", right: true}, {title: "BY"}, {title: "REASON", least: 12},
	}, rows, nil)
}
