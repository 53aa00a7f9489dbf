package main

import (
	"context"
	"encoding/json"
	"time"
)

const (
	// pollWait is how long a call of events waits: below what the daemon allows, and what
	// a client takes for too long.
	pollWait = 50 * time.Second

	// followAtOnce is how many events are taken at once; above what a daemon keeps.
	followAtOnce = 10_000

	// knockEvery is how often it is tried whether a daemon is back.
	knockEvery = time.Second
)

// eventSource is where events come from: a daemon that may go and come again.
type eventSource interface {
	// after waits for events that are later than a number; with 0 it does not wait if
	// there are any.
	after(ctx context.Context, seq uint64) (news, error)

	// uptime is for how long the daemon has been there.
	uptime(ctx context.Context) (time.Duration, error)
}

// eventSink is where they go to.
type eventSink interface {
	events(list []json.RawMessage) error
	lost(n uint64) error
	note(text string) error
}

// follow shows all events after a number until ctx ends, which is no error. When the
// daemon is gone it waits for it. One that was started anew counts from the beginning
// again: then all that it has is shown.
func follow(ctx context.Context, from eventSource, to eventSink, seq uint64) error {
	heard := time.Now()
	gone := false
	for ctx.Err() == nil {
		if gone {
			up, err := from.uptime(ctx)
			switch {
			case away(err):
				pauseFor(ctx, knockEvery)
				continue
			case err != nil:
				return stopped(ctx, err)
			case up <= time.Since(heard): // it has begun since
				seq, err = 0, to.note("The daemon was started anew")
			default:
				err = to.note("The daemon answers again")
			}
			if err != nil {
				return err
			}
			gone = false
		}
		n, err := from.after(ctx, seq)
		switch {
		case ctx.Err() != nil:
			return nil
		case away(err):
			gone = true
			if err := to.note("The daemon is gone, and waited for: " + err.Error()); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if n.Lost > 0 {
			if err := to.lost(n.Lost); err != nil {
				return err
			}
		}
		if err := to.events(n.Events); err != nil {
			return err
		}
		seq, heard = n.Last, time.Now()
	}
	return nil
}

// stopped is no error if ctx has ended.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// liveEvents are the events of the daemon that flags mean.
type liveEvents struct {
	*liveClient
	flags *eventFlags
}

func (l liveEvents) after(ctx context.Context, seq uint64) (n news, err error) {
	err = l.with(func(c *client) error {
		raw, err := c.raw(ctx, "events", l.flags.params(map[string]any{
			"since": seq, "limit": followAtOnce, "wait": int(pollWait / time.Second),
		}))
		if err != nil {
			return err
		}
		return (&answer{Result: raw}).into("events", &n)
	})
	return n, err
}

func (l liveEvents) uptime(ctx context.Context) (time.Duration, error) {
	var seconds int64
	err := l.with(func(c *client) error { return c.call(ctx, &seconds, "uptime") })
	return time.Duration(seconds) * time.Second, err
}
