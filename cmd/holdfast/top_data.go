package main

import (
	"context"
	"time"
)

// sample is what top shows: the daemon at one moment.
type sample struct {
	at     time.Time
	peers  []peer
	info   netInfo
	totals totals
	up     time.Duration
}

// topSource is the daemon as top sees it.
type topSource interface {
	sample(ctx context.Context) (sample, error)
	disconnect(ctx context.Context, id uint64) error
	ban(ctx context.Context, host string) error
}

// liveTop is the daemon that flags mean.
type liveTop struct{ *liveClient }

func (l liveTop) sample(ctx context.Context) (s sample, err error) {
	err = l.with(func(c *client) error {
		methods := []string{"getpeerinfo", "getnetworkinfo", "getnettotals", "uptime"}
		answers, err := c.askAll(ctx, methods)
		if err != nil {
			return err
		}
		var seconds int64
		for i, v := range []any{&s.peers, &s.info, &s.totals, &seconds} {
			if err := answers[i].into(methods[i], v); err != nil {
				return err
			}
		}
		s.at, s.up = time.Now(), time.Duration(seconds)*time.Second
		return nil
	})
	return s, err
}

func (l liveTop) disconnect(ctx context.Context, id uint64) error {
	return l.with(func(c *client) error { return c.call(ctx, nil, "disconnectnode", "", id) })
}

func (l liveTop) ban(ctx context.Context, host string) error {
	return l.with(func(c *client) error { return c.call(ctx, nil, "setban", host, "add", 0, false, "by holdfast top") })
}

// historyLength is for how long the graphs remember, in samples: wider than a screen.
const historyLength = 600

// history is what the graphs show, oldest first.
type history struct {
	last            sample
	in, out, counts []float64 // bytes a second, and connections
}

// add adds a sample. The rates of one that is of another run of the daemon are not
// known.
func (h *history) add(s sample) (restarted bool) {
	before := h.last
	h.last = s
	h.counts = remember(h.counts, float64(len(s.peers)))
	if before.at.IsZero() {
		return false
	}
	seconds := s.at.Sub(before.at).Seconds()
	if s.up < before.up || s.totals.Received < before.totals.Received || s.totals.Sent < before.totals.Sent {
		h.in, h.out = remember(h.in, 0), remember(h.out, 0)
		return true
	}
	if seconds > 0 {
		h.in = remember(h.in, float64(s.totals.Received-before.totals.Received)/seconds)
		h.out = remember(h.out, float64(s.totals.Sent-before.totals.Sent)/seconds)
	}
	return false
}

func remember(list []float64, v float64) []float64 {
	list = append(list, v)
	return list[max(0, len(list)-historyLength):]
}
