package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// explanation is what explain answers.
type explanation struct {
	Address string `json:"address"`
	Summary string `json:"summary"`
	State   string `json:"state"`
	Ban     *ban   `json:"ban"`
	Added   *struct {
		Node   string `json:"addednode"`
		Reason string `json:"reason"`
		Error  string `json:"error"`
	} `json:"added"`
	Peer   *peer      `json:"peer"`
	Next   *int64     `json:"next_attempt"`
	Events []rpcEvent `json:"events"`
}

func newExplain() *cobra.Command {
	cmd, f := control("explain ADDRESS", "Say why an address is connected, refused, banned or waited for",
		`Explain says what an address is to the daemon now, why, what happened with it lately, and
when it is dialed next. The address is host:port, or a host for all its ports.`)
	limit := cmd.Flags().IntP("limit", "n", 20, "show this `number` of its last events")
	cmd.Args = arguments(cmd.Use)
	cmd.RunE = f.run(func(ctx context.Context, c *client, args []string) error {
		return ask(ctx, c, func(x explanation) error {
			return x.write(c.out, newPaint(c.out, os.Getenv), time.Now())
		}, "explain", args[0], *limit)
	})
	cmd.ValidArgsFunction = f.complete(peerNames, addedNames, banNames)
	return cmd
}

// stateColours are those of the states that are not as they should be, or just that.
var stateColours = map[string]string{
	"connected": green, "handshake": cyan, "dialing": cyan, "waiting": yellow,
	"banned": red, "refused": red, "evicted": yellow, "ended": yellow,
}

// write writes the explanation for people.
func (x *explanation) write(out io.Writer, p paint, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s\n%s\n", p.with(bold, plain(x.Address)), p.with(stateColours[x.State], plain(x.State)), plain(x.Summary))
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-13s %s\n", name, plain(fmt.Sprintf(format, args...)))
	}
	if x.Peer != nil || x.Ban != nil || x.Added != nil || x.Next != nil {
		b.WriteByte('\n')
	}
	if q := x.Peer; q != nil {
		line("Peer", "id %d, %s, %s, ping %s, %s in, %s out, score %d", q.ID, q.kind(), q.where(), pingText(q.Ping),
			bytesText(float64(q.Received)), bytesText(float64(q.Sent)), q.Score)
	}
	if x.Ban != nil {
		line("Ban", "%s, left: %s, by %s: %s", x.Ban.Address, x.Ban.left(), x.Ban.Origin, x.Ban.Reason)
	}
	if a := x.Added; a != nil {
		text := "yes, as " + a.Node
		if a.Reason != "" {
			text += "; it is not connected: " + a.Reason
		}
		if a.Error != "" {
			text += " (" + a.Error + ")"
		}
		line("To be kept", "%s", text)
	}
	if x.Next != nil {
		at := time.Unix(*x.Next, 0)
		line("Next attempt", "in %s, at %s", spanText(at.Sub(now)), at.Format(time.TimeOnly))
	}
	b.WriteByte('\n')
	if len(x.Events) == 0 {
		b.WriteString("Nothing happened with it lately.\n")
	}
	for i := range x.Events {
		b.WriteString(x.Events[i].line(p) + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}
