package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/webserver"
	"holdfast/node"
	"holdfast/stream"
)

const (
	// batchEvery is how often events are sent at most, and batchMost how many of them at
	// once: in a storm a page gets 2,000 a second, and is told how many there were besides.
	batchEvery = 100 * time.Millisecond
	batchMost  = 200

	// stateAfter is how long after an event the state is sent; stateEvery is how often it
	// is without one, for the numbers that change by themselves.
	stateAfter = 300 * time.Millisecond
	stateEvery = 5 * time.Second

	// feedLength is how many batches are kept for who reads slowly.
	feedLength = 64

	// writeTimeout is how long a page may take to read a batch.
	writeTimeout = 5 * time.Second

	// keepalive is how often something is sent if nothing happens, so that a page that is
	// gone is noticed.
	keepalive = 15 * time.Second
)

// feed is what all live pages are sent. Each message is made once, and kept as bytes;
// a page has its place in it, and nobody waits for a page.
type feed struct {
	viewers atomic.Int64
	cut     atomic.Uint64

	mu     sync.Mutex
	ring   [feedLength][]byte // of next batches, batch i is at i modulo feedLength
	next   uint64
	state  []byte // the latest
	states uint64 // how many there were
	wake   chan struct{}
}

func newFeed() *feed { return &feed{wake: make(chan struct{})} }

// batch adds events as they are sent.
func (f *feed) batch(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring[f.next%feedLength] = b
	f.next++
	f.wakeAll()
}

// setState replaces the state.
func (f *feed) setState(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = b
	f.states++
	f.wakeAll()
}

// wakeAll wakes all pages. f.mu must be held.
func (f *feed) wakeAll() {
	close(f.wake)
	f.wake = make(chan struct{})
}

// A reader is the place of a page in the feed.
type reader struct {
	next, states uint64
}

// reader returns one that gets what comes from now on.
func (f *feed) reader() reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	return reader{f.next, f.states}
}

// take returns what a reader has not seen yet: the batches that are still there, and the
// state if there is a newer one. If there is nothing, wake tells when there is.
func (f *feed) take(r *reader) (list [][]byte, wake <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next-r.next > feedLength {
		list = append(list, []byte("event: gap\ndata: {}\n\n"))
		r.next = f.next - feedLength
	}
	for ; r.next < f.next; r.next++ {
		list = append(list, f.ring[r.next%feedLength])
	}
	if r.states < f.states {
		list = append(list, f.state)
		r.states = f.states
	}
	return list, f.wake
}

// line is an event as the page has it.
type line struct {
	Seq       uint64 `json:"seq"`
	Time      string `json:"time"`
	Level     string `json:"level"`
	Subsystem string `json:"sub"`
	Kind      string `json:"kind"`
	Text      string `json:"text"`
}

func newLine(e node.Event) line {
	return line{
		Seq: e.Seq, Time: e.Time.Local().Format("15:04:05"), Level: levelName(e.Level()),
		Subsystem: e.Subsystem(), Kind: stream.KindName(e), Text: e.String(),
	}
}

// levelName is a level in lower case; what is below debug is trace.
func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "trace"
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}

// message is one of the stream's: its kind, the Seq to go on from, and JSON, which has no
// line feeds.
func message(kind string, seq uint64, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // a mistake of ours: only plain values are sent
	}
	if seq == 0 {
		return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, text)
	}
	return fmt.Appendf(nil, "event: %s\nid: %d\ndata: %s\n\n", kind, seq, text)
}

// trim leaves the newest events, and says how many were lost with the others.
func trim(events []node.Event, lost uint64) ([]node.Event, uint64) {
	if n := len(events) - batchMost; n > 0 {
		return events[n:], lost + uint64(n)
	}
	return events, lost
}

// missed are the newest events after one: of those that tell much so many, and of all so
// many. A page that shows only the former shall not begin empty.
func (s *Server) missed(since uint64) []node.Event {
	all := s.cfg.Hub.Recent(stream.Filter{Since: since, Level: shown, Limit: batchMost})
	if len(all) < batchMost {
		return all
	}
	loud := s.cfg.Hub.Recent(stream.Filter{Since: since, Level: slog.LevelInfo, Limit: batchMost})
	n := sort.Search(len(loud), func(i int) bool { return loud[i].Seq >= all[0].Seq })
	return append(loud[:n:n], all...)
}

// batchMessage is some events, at least one.
func batchMessage(events []node.Event, lost uint64) []byte {
	lines := make([]line, len(events))
	for i, e := range events {
		lines[i] = newLine(e)
	}
	return message("events", events[len(events)-1].Seq, struct {
		Lost   uint64 `json:"lost,omitempty"`
		Events []line `json:"events"`
	}{lost, lines})
}

// shown is the level from which on events are sent: what is below happens all the time
// and says nothing.
var shown = slog.LevelDebug

// followEvents sends events until ctx ends.
func (s *Server) followEvents(ctx context.Context) {
	sub := s.cfg.Hub.Subscribe(stream.Filter{Level: shown})
	for {
		events, lost, err := sub.Next(ctx)
		if err != nil {
			return
		}
		if s.feed.viewers.Load() > 0 {
			s.feed.batch(batchMessage(trim(events, lost)))
		}
		s.poke()
		if !pause(ctx, batchEvery) {
			return
		}
	}
}

// poke says that the state may be another.
func (s *Server) poke() {
	select {
	case s.changed <- struct{}{}:
	default: // it is known
	}
}

// followState sends the state after events and now and then, until ctx ends.
func (s *Server) followState(ctx context.Context) {
	tick := time.NewTicker(stateEvery)
	defer tick.Stop()
	for {
		var since time.Time
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.changed:
			since = time.Now()
			if !pause(ctx, stateAfter) {
				return
			}
		}
		if s.feed.viewers.Load() == 0 {
			continue
		}
		v := s.view()
		if v.at.Before(since) { // it does not show the change: the node has much to tell
			s.poke()
			continue
		}
		s.feed.setState(message("state", 0, s.state(v)))
	}
}

// record notes the history until ctx ends.
func (s *Server) record(ctx context.Context) {
	tick := time.NewTicker(hourEvery)
	defer tick.Stop()
	for {
		v := s.view()
		s.history.add(v)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pause waits, and reports whether it did to the end.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// serveEvents is the live stream: a hello with the run's name, the events since the one
// that the page has, the state, and then what comes.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	trusted := s.hasToken(r)
	if s.feed.viewers.Add(1) > int64(s.cfg.MaxViewers) && !(trusted && s.web.Room.Drop(viewersFirst)) {
		s.feed.viewers.Add(-1)
		w.Header().Set("Retry-After", "30")
		w.Header().Set("Connection", "close") // the place is for others
		http.Error(w, "as many pages are live as may be", http.StatusServiceUnavailable)
		return
	}
	defer s.feed.viewers.Add(-1)
	here := webserver.PlaceIn(r.Context())
	here.Set(webserver.State{Trusted: trusted, Busy: true})
	defer here.Set(webserver.State{})
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	at := s.feed.reader()
	list := [][]byte{
		[]byte("retry: 2000\n\n"),
		message("hello", 0, s.run),
	}
	if missed := s.missed(since(r)); len(missed) > 0 {
		list = append(list, batchMessage(missed, 0))
	}
	list = append(list, message("state", 0, s.state(s.view())))
	rc := http.NewResponseController(w)
	quiet := time.NewTicker(keepalive)
	defer quiet.Stop()
	for {
		if err := send(w, rc, list); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.feed.cut.Add(1)
			}
			return
		}
		var wake <-chan struct{}
		if list, wake = s.feed.take(&at); len(list) > 0 {
			continue
		}
		select {
		case <-wake:
			list, _ = s.feed.take(&at)
		case <-quiet.C:
			list = [][]byte{[]byte(": still here\n\n")}
		case <-r.Context().Done():
			return
		}
	}
}

// since is the Seq of the last event that a page has.
func since(r *http.Request) uint64 {
	text := r.Header.Get("Last-Event-ID") // of a browser that connects again
	if text == "" {
		text = r.FormValue("since")
	}
	seq, _ := strconv.ParseUint(text, 10, 64) // else all that is kept
	return seq
}

// send writes messages. Each has its own time.
func send(w http.ResponseWriter, rc *http.ResponseController, list [][]byte) error {
	for _, b := range list {
		if err := rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return rc.Flush()
}
