package dashboard

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/connmgr"
	"holdfast/node"
	"holdfast/stream"
)

// said is one message of the live stream.
type said struct{ kind, id, data string }

// follow opens the live stream. next returns its messages one after another.
func (h *harness) follow(query string, header http.Header) (next func() said) {
	h.t.Helper()
	r := h.request(http.MethodGet, "/events"+query, "")
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := h.client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = resp.Body.Close() }) // the test has ended
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("%s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 10<<20)
	return func() said {
		h.t.Helper()
		var m said
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				m.kind = value
			case "id":
				m.id = value
			case "data":
				m.data = value
			case "":
				if m.kind != "" {
					return m
				}
			}
		}
		h.t.Fatalf("the stream has ended: %v", lines.Err())
		return m
	}
}

// event is one of a peer's, with this number.
func event(seq uint64) node.Event {
	return node.Event{Event: connmgr.Event{Seq: seq, Time: time.Now(), Type: connmgr.EventConnected, Addr: tcp("192.0.2.1:8333")}}
}

// lines are the numbers of the events of a message.
func numbers(t *testing.T, m said) (list []uint64) {
	t.Helper()
	var batch struct{ Events []line }
	if err := json.Unmarshal([]byte(m.data), &batch); err != nil {
		t.Fatal(err)
	}
	for _, l := range batch.Events {
		list = append(list, l.Seq)
	}
	return list
}

// TestLive: a page is told which run this is, what it missed, the state, and what comes.
// An event that comes in that moment may be told twice: pages pass over what they have.
func TestLive(t *testing.T) {
	h := serve(t, nil)
	for i := range uint64(5) {
		h.feed(event(i + 1))
	}
	next := h.follow("?since=3", nil)
	if m := next(); m.kind != "hello" || m.data != `"`+h.run+`"` {
		t.Errorf("first %+v", m)
	}
	if m := next(); m.kind != "events" || fmt.Sprint(numbers(t, m)) != "[4 5]" || m.id != "5" {
		t.Errorf("then %+v, want events 4 and 5", m)
	}
	if m := next(); m.kind != "state" || !strings.Contains(m.data, `"outbound":"1 of 8"`) || !strings.Contains(m.data, "192.0.2.1:8333") {
		t.Errorf("then %+v, want the state", m)
	}
	h.feed(event(6))
	for m := next(); ; m = next() {
		if m.kind != "events" {
			continue
		}
		news := slices.DeleteFunc(numbers(t, m), func(seq uint64) bool { return seq <= 5 })
		if len(news) == 0 {
			continue
		}
		if fmt.Sprint(news) != "[6]" {
			t.Errorf("%+v, want event 6", m)
		}
		break
	}
	for next().kind != "state" { // and the state after it
		continue
	}

	// A browser that comes again says what it had by itself.
	again := h.follow("?since=0", http.Header{"Last-Event-Id": {"5"}})
	again()
	if m := again(); fmt.Sprint(numbers(t, m)) != "[6]" {
		t.Errorf("after a break %+v, want event 6", m)
	}
}

// TestStrangersTextInTheStream: a line feed in it would be a message of its own.
func TestStrangersTextInTheStream(t *testing.T) {
	h := serve(t, nil)
	e := event(1)
	e.Type, e.Kind, e.Peer = connmgr.EventOwner, node.KindReady, &node.PeerInfo{UserAgent: "a\n\nevent: hello\ndata: \"x\"\n\n</script>"}
	h.feed(e)
	next := h.follow("", nil)
	next()
	if m := next(); m.kind != "events" || strings.Contains(m.data, "<") {
		t.Errorf("%+v", m)
	}
	if m := next(); m.kind != "state" {
		t.Errorf("%+v, want the state", m)
	}
}

// TestMaxViewers: who is one too many is told so, and there is a place when another goes.
func TestMaxViewers(t *testing.T) {
	h := serve(t, func(c *Config) { c.MaxViewers = 2 })
	h.follow("", nil)()
	h.follow("", nil)()
	resp, err := h.client.Do(h.request(http.MethodGet, "/events", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // the status is all that is looked at
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !resp.Close {
		t.Errorf("the third: %s", resp.Status)
	}
	if n := h.Server.feed.viewers.Load(); n != 2 {
		t.Errorf("%d viewers, want 2", n)
	}
}

// TestStorm: a page gets the newest of a storm, and is told how many there were besides.
func TestStorm(t *testing.T) {
	var events []node.Event
	for i := range uint64(1000) {
		events = append(events, event(i+1))
	}
	kept, lost := trim(events, 7)
	if len(kept) != batchMost || lost != 807 || kept[batchMost-1].Seq != 1000 {
		t.Errorf("%d kept to %d, %d lost", len(kept), kept[len(kept)-1].Seq, lost)
	}
}

// TestSlowReader: who is slow loses batches, is told so, and has the newest state.
func TestSlowReader(t *testing.T) {
	f := newFeed()
	r := f.reader()
	for i := range 3 * feedLength {
		f.batch(fmt.Appendf(nil, "%d", i))
		f.setState(fmt.Appendf(nil, "state %d", i))
	}
	list, _ := f.take(&r)
	if len(list) != feedLength+2 || !strings.HasPrefix(string(list[0]), "event: gap") {
		t.Fatalf("%d messages, the first %q", len(list), list[0])
	}
	if got := string(list[1]) + ", " + string(list[len(list)-2]) + ", " + string(list[len(list)-1]); got != "128, 191, state 191" {
		t.Errorf("%s", got)
	}
	list, wake := f.take(&r)
	if len(list) != 0 {
		t.Errorf("once more %q", list)
	}
	select {
	case <-wake:
		t.Error("it is woken, and nothing has come")
	default:
	}
	f.batch([]byte("x"))
	<-wake
}

// TestFew: the node is asked four times a second at most, however many look.
func TestFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFake()
		s := &Server{cfg: Config{Node: n}}
		for range 100 {
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() { s.view() })
			}
			wg.Wait()
			time.Sleep(10 * time.Millisecond)
		}
		if n.asked != 4 {
			t.Errorf("asked %d times in a second, want 4", n.asked)
		}
		s.outdated()
		s.view()
		if n.asked != 5 {
			t.Error("what was ordered is not seen at once")
		}

		n.slow = time.Second // of a list of bans that is very long
		s.outdated()
		for range 100 {
			s.view()
			time.Sleep(time.Second)
		}
		if n.asked != 5+6 {
			t.Errorf("asked %d times in 106 s of a node that needs a second, want 6", n.asked-5)
		}
	})
}

// TestStoppedViewers: of 200 pages 100 do not read. The feeder waits for none of them: it
// is done although nothing was read. The others get all that there is, and those that
// stopped are cut.
func TestStoppedViewers(t *testing.T) {
	h := serve(t, nil)
	h.node.mu.Lock()
	for i := range 100 { // a state of some kB, so that no buffer holds it all
		p := peers()[0]
		p.ID = uint64(100 + i)
		h.node.snap.Peers = append(h.node.snap.Peers, p)
	}
	h.node.mu.Unlock()
	var stopped []net.Conn
	for range 100 {
		conn, err := net.Dial("tcp", h.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the test has ended
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		if _, err := fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		stopped = append(stopped, conn)
	}
	for h.Server.feed.viewers.Load() < int64(len(stopped)) {
		h.get("/healthz") // until all are there
	}
	reading := make([]func() said, 100)
	for i := range reading {
		reading[i] = h.follow("", nil)
		reading[i]()
	}
	const last = 20_000
	for i := range uint64(last) {
		h.feed(event(i + 1)) // the test would end here if one of them could hold it up
	}
	var wg sync.WaitGroup
	for _, next := range reading {
		wg.Go(func() {
			for {
				if m := next(); m.kind == "events" && m.id == fmt.Sprint(last) {
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestCut: a page that does not read is cut off.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{
			cfg:  Config{Node: newFake(), Hub: stream.NewHub(10), Meter: NewMeter(), MaxViewers: 1},
			feed: newFeed(), history: newHistory(), run: "run",
		}
		here, there := net.Pipe() // which holds nothing
		defer there.Close()       //nolint:errcheck // the test has ended
		l := &oneListener{conn: here, closed: make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(s.serveEvents), ReadHeaderTimeout: time.Second}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(l) }()
		if _, err := fmt.Fprint(there, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(writeTimeout - time.Second)
		synctest.Wait()
		if s.feed.viewers.Load() != 1 {
			t.Error("it is gone too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.feed.viewers.Load() != 0 || s.feed.cut.Load() != 1 {
			t.Errorf("%d viewers, %d cut, want 0 and 1", s.feed.viewers.Load(), s.feed.cut.Load())
		}
		_ = server.Close() // it would wait for a page that is not cut
		<-ended
	})
}

// oneListener accepts one connection.
type oneListener struct {
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *oneListener) Accept() (c net.Conn, err error) {
	l.once.Do(func() { c = l.conn })
	if c == nil {
		<-l.closed
		err = net.ErrClosed
	}
	return c, err
}

func (l *oneListener) Close() error   { close(l.closed); return nil }
func (l *oneListener) Addr() net.Addr { return tcp("127.0.0.1:1") }
