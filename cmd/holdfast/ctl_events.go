package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// rpcEvent is one of events.
type rpcEvent struct {
	Seq   uint64  `json:"seq"`
	Time  float64 `json:"time"`
	Kind  string  `json:"kind"`
	Level string  `json:"level"`
	Text  string  `json:"text"`
}

// levelMarks are the levels as the log writes them, and how they are painted.
var levelMarks = map[string][2]string{
	"trace": {"TRC", faint},
	"debug": {"DBG", faint},
	"info":  {"INF", ""},
	"warn":  {"WRN", yellow},
	"error": {"ERR", red},
}

// line is an event as the log writes it.
func (e *rpcEvent) line(p paint) string {
	mark, ok := levelMarks[e.Level]
	if !ok {
		mark = [2]string{"???", ""}
	}
	return clockText(e.Time) + " " + p.with(mark[1], "["+mark[0]+"] "+plain(e.Text))
}

// news is what events answers.
type news struct {
	Last   uint64            `json:"last"`
	Lost   uint64            `json:"lost"`
	Events []json.RawMessage `json:"events"`
}

type eventFlags struct {
	client  *clientFlags
	follow  bool
	limit   int
	level   string
	kinds   []string
	address string
}

func newEvents() *cobra.Command {
	cmd, shared := control("events", "Show what happened, and what happens",
		`Events shows what the daemon did and met lately, oldest first, as its log does. With
--follow it goes on with what happens, until Ctrl-C, over restarts of the daemon too; JSON is
then an event a line, and {"lost": n} where n events came too fast.`)
	f := &eventFlags{client: shared}
	flags := cmd.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on with what happens")
	flags.IntVarP(&f.limit, "limit", "n", 50, "show this `number` of the latest")
	flags.StringVar(&f.level, "level", "info", "only those of this `level` or louder: trace, debug, info, warn or\nerror")
	flags.StringSliceVar(&f.kinds, "kind", nil, "only those of these `kinds`, as ready,lost,banned (*)")
	flags.StringVar(&f.address, "address", "", "only those about this `host[:port]`")
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions( // the flag is there
		[]string{"trace", "debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("address", shared.complete(peerNames, banNames))
	cmd.Args = noArgs
	cmd.RunE = shared.run(func(ctx context.Context, c *client, _ []string) error { return f.run(ctx, c) })
	return cmd
}

// params are those of a call of events.
func (f *eventFlags) params(more map[string]any) map[string]any {
	params := map[string]any{"level": f.level}
	if len(f.kinds) > 0 {
		params["kinds"] = strings.Join(f.kinds, ",")
	}
	if f.address != "" {
		params["address"] = f.address
	}
	maps.Copy(params, more)
	return params
}

func (f *eventFlags) run(ctx context.Context, c *client) error {
	if f.limit < 1 {
		return usagef("--limit %d: it must be 1 at least", f.limit)
	}
	raw, err := c.raw(ctx, "events", f.params(map[string]any{"limit": f.limit}))
	if err != nil {
		return err
	}
	if c.json && !f.follow {
		return c.print(raw)
	}
	var first news
	if err := json.Unmarshal(raw, &first); err != nil {
		return fmt.Errorf("events: the daemon's answer is not understood: %w", err)
	}
	show := eventWriter{out: c.out, err: c.err, json: c.json, paint: newPaint(c.out, os.Getenv)}
	if err := show.events(first.Events); err != nil || !f.follow {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	return follow(ctx, liveEvents{&liveClient{f.client, c}, f}, &show, first.Last)
}

// eventWriter shows events and what else happens to who follows them.
type eventWriter struct {
	out, err io.Writer
	json     bool
	paint    paint
}

func (w *eventWriter) events(list []json.RawMessage) error {
	var b strings.Builder
	for _, raw := range list {
		if w.json {
			b.Write(raw)
		} else {
			var e rpcEvent
			if err := json.Unmarshal(raw, &e); err != nil {
				return fmt.Errorf("an event is not understood: %w", err)
			}
			b.WriteString(e.line(w.paint))
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w.out, b.String())
	return err
}

// lost tells that events came too fast.
func (w *eventWriter) lost(n uint64) error {
	if w.json {
		_, err := fmt.Fprintf(w.out, "{\"lost\":%d}\n", n)
		return err
	}
	return w.note(fmt.Sprintf("%s lost: more happened than the daemon keeps", plural(int(min(n, 1<<31)), "event")))
}

// note tells what is no event.
func (w *eventWriter) note(text string) error {
	_, err := fmt.Fprintln(w.err, "holdfast: "+plain(oneLine(text)))
	return err
}
