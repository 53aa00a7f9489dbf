package netmon

import (
	"context"
	"fmt"
	"time"
)

// Options are what Run can be told. The zero value has the defaults.
type Options struct {
	// Settle is how long to wait after the first news, for what belongs to it:
	// a link that comes up is followed by its addresses and routes. 0 means
	// 200 ms; below zero, do not wait.
	Settle time.Duration

	// Gap is the least time between two calls of changed, so that an interface
	// that flaps does not make its owner retry without pause. 0 means 1 s; below
	// zero, none.
	Gap time.Duration

	// PollEvery is how often the interfaces are read where the system does not
	// tell of changes. 0 or less means 5 s.
	PollEvery time.Duration

	// ClockEvery is how often the clocks are looked at, so that sleep is told
	// this long after waking at the latest. 0 or less means 30 s.
	ClockEvery time.Duration
}

func (o Options) withDefaults() Options {
	if o.Settle == 0 {
		o.Settle = 200 * time.Millisecond
	}
	if o.Gap == 0 {
		o.Gap = time.Second
	}
	if o.PollEvery <= 0 {
		o.PollEvery = 5 * time.Second
	}
	if o.ClockEvery <= 0 {
		o.ClockEvery = 30 * time.Second
	}
	o.Settle, o.Gap = max(o.Settle, 0), max(o.Gap, 0)
	return o
}

// Run watches the machine's network and calls changed when it may have changed,
// until ctx ends; then it returns nil, at once. It watches the network namespace
// of the thread that it is called on.
//
// changed is called on the goroutine of Run, never twice at a time and never
// after Run has returned. News that come while it runs are told afterwards. No
// call tells of the network as it is when Run begins.
//
// An error means that Run can do nothing at all: the system neither tells of
// changes nor lets us ask. It wraps the reasons of the system, which
// errors.Is(err, fs.ErrPermission), for one, tells apart. It is returned at the
// begin or never; what fails later is tried again.
//
// Any number of Runs can be under way at once.
func Run(ctx context.Context, opts Options, changed func(Change)) error {
	wall := func() time.Time { return time.Now().Round(0) }
	return run(ctx, opts.withDefaults(), open, wall, changed)
}

// source is where news come from.
type source interface {
	// next waits for news that count, but no longer than until a time or the
	// end of ctx; then it returns 0. After an error news may have been lost, and
	// the source is good for nothing any more.
	next(ctx context.Context, until time.Time) (Change, error)
	close()
}

// opener opens a source. Also with an error it returns one, which tries again by
// itself.
type opener func(context.Context, Options) (source, error)

// run is Run with the system as arguments. wall is the wall clock, without a
// monotonic reading.
func run(ctx context.Context, o Options, open opener, wall func() time.Time, changed func(Change)) error {
	src, err := open(ctx, o)
	defer func() { src.close() }()
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("netmon: cannot watch the network, so its changes will not be seen: %w", err)
	}
	g := gate{settle: o.Settle, gap: o.Gap}
	s := sleepWatch{every: o.ClockEvery, wall: wall(), mono: time.Now()}
	s.rest(s.mono)
	for {
		news, err := src.next(ctx, g.next(s.due))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			// Opened again only when it is time to tell. Each time all that the
			// kernel knows is read, so not as often as it likes to overflow.
			src.close()
			src = deaf{}
			news |= Lost
		}
		now := time.Now()
		if s.look(now, wall()) {
			news |= Slept
		}
		g.add(now, news)
		tell := g.take(now)
		if tell == 0 {
			continue
		}
		if tell.Has(Lost) {
			// Before the call, so that what changes from now on is seen. An error
			// is no reason to give up now.
			src, _ = open(ctx, o)
		}
		changed(tell)
		s.rest(time.Now())
	}
}

// deaf is a source without news.
type deaf struct{}

func (deaf) next(ctx context.Context, until time.Time) (Change, error) {
	wait(ctx, until)
	return 0, nil
}

func (deaf) close() {}
