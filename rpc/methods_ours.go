package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"holdfast/node"
	"holdfast/stream"
)

const (
	// maxWait is the longest that events waits for one.
	maxWait = time.Minute

	// defaultEvents and defaultExplained are how many events are answered if that is
	// not told: a screen, and half of one.
	defaultEvents    = 50
	defaultExplained = 20
)

type namedLevel struct {
	name  string
	level slog.Level
}

// levelNames are the levels of events, from the least.
var levelNames = []namedLevel{
	{"trace", node.LevelTrace},
	{"debug", slog.LevelDebug},
	{"info", slog.LevelInfo},
	{"warn", slog.LevelWarn},
	{"error", slog.LevelError},
}

// The methods that only Holdfast has.
func ourMethods() []method {
	return []method{
		{
			name:    "explain",
			summary: "Says why an address is connected, refused, banned, waiting or evicted: what is known now, and its last events.",
			params: []param{
				{name: "address", kinds: kindString, required: true, help: "host:port, or a host for all its ports"},
				{name: "limit", kinds: kindNumber | kindLoose, help: "How many events at most, 20 by default"},
			},
			result: "{\"address\": \"text\", \"summary\": \"sentence\", \"state\": \"connected|handshake|dialing|waiting|banned|refused|evicted|ended|known|unknown\", \"ban\": {...}|null, \"added\": {...}|null, \"peer\": {...}|null, \"next_attempt\": time|null, \"events\": [...]}",
			run:    explainMethod,
		},
		{
			name:    "events",
			summary: "Returns what happened, oldest first. With since and wait it follows: call again with since = last.",
			params: []param{
				{name: "since", kinds: kindNumber | kindLoose, help: "Only those with a higher seq; 0 (default) means the latest"},
				{name: "limit", kinds: kindNumber | kindLoose, help: "How many at most, 50 by default: the oldest after since, or without since the latest"},
				{name: "kinds", kinds: kindArray | kindString, help: "Only these kinds: a list, or one text with commas"},
				{name: "level", kinds: kindString, help: "The least level: trace (default), debug, info, warn or error"},
				{name: "wait", kinds: kindNumber | kindLoose, help: "Seconds to wait for one if there is none, at most 60; 0 by default, and in a batch"},
				{name: "address", kinds: kindString, help: "Only those about this host:port or host"},
			},
			result: "{\"last\": seq, \"lost\": n, \"events\": [{\"seq\": n, \"time\": seconds, \"kind\": \"name\", \"level\": \"name\", \"subsystem\": \"name\", \"reason\": \"name\", \"address\": \"host:port\", \"text\": \"line\", \"attrs\": {...}}, ...]}; lost are those after since that are not kept any more",
			run:    eventsMethod,
		},
	}
}

// event is an event as it is shown.
type event struct {
	Seq       uint64         `json:"seq"`
	Time      eventTime      `json:"time"`
	Kind      string         `json:"kind"`
	Level     string         `json:"level"`
	Subsystem string         `json:"subsystem"`
	Reason    string         `json:"reason,omitempty"`
	Address   string         `json:"address,omitempty"`
	Text      string         `json:"text"`
	Attrs     map[string]any `json:"attrs,omitempty"` // the rest of node.Event's Attrs
}

// eventTime is a UNIX time in seconds, with milliseconds.
type eventTime time.Time

// MarshalJSON writes three decimals.
func (t eventTime) MarshalJSON() ([]byte, error) {
	ms := time.Time(t).UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), nil
}

func newEvent(e node.Event) event {
	x := event{
		Seq: e.Seq, Time: eventTime(e.Time),
		Kind: stream.KindName(e), Level: levelName(e.Level()), Subsystem: e.Subsystem(),
		Text: e.String(),
	}
	for _, a := range e.Attrs() {
		switch a.Key {
		case "event", "seq":
		case "reason":
			x.Reason = a.Value.String()
		case "addr":
			x.Address = a.Value.String()
		default:
			if x.Attrs == nil {
				x.Attrs = make(map[string]any)
			}
			v := a.Value.Any()
			if t, ok := v.(time.Time); ok {
				v = eventTime(t)
			}
			x.Attrs[a.Key] = v
		}
	}
	return x
}

func newEvents(events []node.Event) []event {
	list := make([]event, len(events))
	for i, e := range events {
		list[i] = newEvent(e)
	}
	return list
}

func levelName(l slog.Level) string {
	name := levelNames[0].name
	for _, x := range levelNames {
		if l >= x.level {
			name = x.name
		}
	}
	return name
}

// eventFilter reads the filter of events.
func eventFilter(c *call) (stream.Filter, error) {
	var f stream.Filter
	if name := c.text(3); name != "" {
		i := slices.IndexFunc(levelNames, func(x namedLevel) bool { return strings.EqualFold(x.name, name) })
		if i < 0 {
			return f, fail(CodeParameter, "level: there is no %q; there are trace, debug, info, warn and error", name)
		}
		f.Level = levelNames[i].level
	}
	switch {
	case c.is(2, kindString):
		for kind := range strings.SplitSeq(c.text(2), ",") {
			if kind = strings.TrimSpace(kind); kind != "" {
				f.Kinds = append(f.Kinds, kind)
			}
		}
	case c.has(2):
		if json.Unmarshal(c.args[2], &f.Kinds) != nil {
			return f, fail(CodeType, "kinds must be a list of strings")
		}
	}
	if text := c.text(5); text != "" {
		q := parseQuery(text)
		f.Match = q.about
	}
	return f, nil
}

// eventsMethod is events.
func eventsMethod(c *call) (any, error) {
	since, err := c.number(0, 0, 0, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	limit, err := c.number(1, defaultEvents, 1, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	wait, err := c.number(4, 0, 0, int64(maxWait/time.Second))
	if err != nil {
		return nil, err
	}
	f, err := eventFilter(c)
	if err != nil {
		return nil, err
	}
	f.Since = uint64(since)
	sub := c.cfg.Hub.Replay(f)
	events, lost := sub.Take()
	if len(events) == 0 && wait > 0 && !c.batch {
		var more uint64
		events, more, err = c.await(sub, time.Duration(wait)*time.Second)
		if err != nil {
			return nil, err
		}
		lost += more
	}
	last := sub.Last()
	if over := len(events) - int(limit); over > 0 {
		if since == 0 {
			events = events[over:]
		} else {
			events = events[:limit]
			last = events[limit-1].Seq
		}
	}
	if since == 0 {
		lost = 0 // nobody waited for them
	}
	return struct {
		Last   uint64  `json:"last"`
		Lost   uint64  `json:"lost"`
		Events []event `json:"events"`
	}{last, lost, newEvents(events)}, nil
}

// await waits for events. Meanwhile the call has no slot among those that are worked on,
// but one among those that wait.
func (c *call) await(sub *stream.Subscription, d time.Duration) (events []node.Event, lost uint64, err error) {
	if !c.waiting.take() {
		return nil, 0, fail(CodeMisc, "too many clients wait for events already")
	}
	defer c.waiting.give()
	c.working.give()
	defer func() { c.working <- struct{}{} }() // work gives it back, whoever waits in between
	ctx, cancel := context.WithTimeout(c.ctx, d)
	defer cancel()
	events, lost, err = sub.Next(ctx)
	if err != nil {
		return nil, lost, nil // it is over; there is none
	}
	return events, lost, nil
}
