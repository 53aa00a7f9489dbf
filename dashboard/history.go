package dashboard

import (
	"sync"
	"time"
)

// The charts: an hour with a point each 10 s, and a day with one each 5 min, in some
// 50 kB of memory.
const (
	hourEvery  = 10 * time.Second
	hourPoints = int(time.Hour / hourEvery)
	dayEvery   = 5 * time.Minute
	dayPoints  = int(24 * time.Hour / dayEvery)
)

// A point is the node's state at a moment, and what went over the wire since the point
// before.
type point struct {
	at                               time.Time
	outbound, fixed, inbound, target int
	received, sent                   uint64  // bytes, of all since the start
	in, out                          float64 // bytes a second
}

// series are the last points.
type series struct {
	every time.Duration
	most  int
	last  point // the last one, with or without a place in points
	list  []point
}

// add takes a point if it is time for one.
func (s *series) add(p point) {
	if !s.last.at.IsZero() {
		d := p.at.Sub(s.last.at)
		if d < s.every-hourEvery/2 { // a tick may come a little early
			return
		}
		p.in = float64(p.received-s.last.received) / d.Seconds()
		p.out = float64(p.sent-s.last.sent) / d.Seconds()
	}
	s.last = p
	if len(s.list) == s.most {
		copy(s.list, s.list[1:])
		s.list = s.list[:s.most-1]
	}
	s.list = append(s.list, p)
}

// history is what the charts show. It is safe for concurrent use.
type history struct {
	mu        sync.Mutex
	hour, day series
}

func newHistory() *history {
	return &history{
		hour: series{every: hourEvery, most: hourPoints},
		day:  series{every: dayEvery, most: dayPoints},
	}
}

// add takes the node's state.
func (h *history) add(v *view) {
	c := v.snap.Counts
	p := point{
		at: v.at, outbound: c.Outbound, fixed: c.Permanent, inbound: c.Inbound, target: c.Target,
		received: v.traffic.Received, sent: v.traffic.Sent,
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hour.add(p)
	h.day.add(p)
}

// Columns are points as the charts want them: a list for each quantity.
type columns struct {
	Time     []int64   `json:"t"` // Unix time
	Outbound []int     `json:"outbound"`
	Fixed    []int     `json:"fixed"`
	Inbound  []int     `json:"inbound"`
	Target   []int     `json:"target"`
	In       []float64 `json:"in"` // bytes a second
	Out      []float64 `json:"out"`
}

// columns returns the hour or the day.
func (h *history) columns(day bool) columns {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.hour
	if day {
		s = &h.day
	}
	c := columns{
		Time: []int64{}, Outbound: []int{}, Fixed: []int{}, Inbound: []int{}, Target: []int{},
		In: []float64{}, Out: []float64{},
	}
	for _, p := range s.list {
		c.Time = append(c.Time, p.at.Unix())
		c.Outbound = append(c.Outbound, p.outbound)
		c.Fixed = append(c.Fixed, p.fixed)
		c.Inbound = append(c.Inbound, p.inbound)
		c.Target = append(c.Target, p.target)
		c.In = append(c.In, p.in)
		c.Out = append(c.Out, p.out)
	}
	return c
}

// summary is the last hour in words, for those who see no chart.
func (h *history) summary() string {
	c := h.columns(false)
	if len(c.Time) < 2 {
		return "The record has just begun."
	}
	h.mu.Lock()
	first, last := h.hour.list[0], h.hour.last
	h.mu.Unlock()
	return "In the last " + spanText(last.at.Sub(first.at)) + ": " +
		rangeText(c.Outbound) + " outbound and " + rangeText(c.Inbound) + " inbound peers; " +
		bytesText(last.received-first.received) + " received, " + bytesText(last.sent-first.sent) + " sent."
}
