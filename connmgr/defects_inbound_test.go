package connmgr

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The faults of btcd's connmgr that are about accepting, numbered as in
// README.md, shown to be absent.

// badListener fails every Accept with err, until that is taken away; then it gives
// what is put into conns.
type badListener struct {
	w       *world
	err     atomic.Pointer[error]
	accepts atomic.Int64
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newBadListener(w *world, err error) *badListener {
	l := &badListener{w: w, conns: make(chan net.Conn, 16), closed: make(chan struct{})}
	if err != nil {
		l.err.Store(&err)
	}
	return l
}

func (l *badListener) Accept() (net.Conn, error) {
	l.accepts.Add(1)
	if err := l.err.Load(); err != nil {
		return nil, *err
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *badListener) Addr() net.Addr { return someAddr }

func (l *badListener) Close() error {
	if l.closed == nil {
		return nil
	}
	l.once.Do(func() { close(l.closed) })
	return nil
}

func TestDefect01AcceptErrorDoesNotSpin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := newBadListener(w, &net.OpError{Op: "accept", Err: syscall.EMFILE})
		var accepted atomic.Int64
		cm := w.manager(Config{
			TargetOutbound: TargetNone,
			Listeners:      []net.Listener{l},
			OnAccept:       func(c net.Conn) { accepted.Add(1); c.Close() },
		})
		cm.Start()
		time.Sleep(10 * time.Minute)
		// btcd: half a million a second, and as many log lines.
		if n := l.accepts.Load(); n > 620 {
			t.Errorf("%d calls of Accept in 10 minutes of EMFILE, want at most one a second", n)
		}
		if n := w.count(EventAcceptFailed); n < 2 || n > 21 {
			t.Errorf("told %d times in 10 minutes, want about 20", n)
		}
		t.Logf("10 minutes of EMFILE: %d calls of Accept, told %d times", l.accepts.Load(), w.count(EventAcceptFailed))
		l.err.Store(nil)
		l.conns <- w.conn(addrN(1))
		time.Sleep(maxAcceptPause)
		synctest.Wait()
		if accepted.Load() != 1 {
			t.Error("nothing is accepted after the descriptors came back")
		}
	})
}

func TestDefect01ListenerClosedByAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := newBadListener(w, net.ErrClosed)
		cm := w.manager(Config{
			TargetOutbound: TargetNone,
			Listeners:      []net.Listener{l},
			OnAccept:       func(c net.Conn) {},
		})
		cm.Start()
		time.Sleep(time.Hour)
		if n := l.accepts.Load(); n != 1 {
			t.Errorf("%d calls of Accept on a listener that is closed, want 1", n)
		}
		if n := w.count(EventAcceptFailed); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
	})
}

// TestLimitReachedNamesWho: a limit for one host is told with the host that met it.
func TestLimitReachedNamesWho(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := newBadListener(w, nil)
		cm := w.manager(Config{
			MaxInboundPerHost: 1, TargetOutbound: TargetNone,
			Listeners: []net.Listener{l}, OnAccept: func(net.Conn) {},
		})
		cm.Start()
		for _, from := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.1"} {
			l.conns <- w.conn(&net.TCPAddr{IP: net.ParseIP(from), Port: 10000})
			synctest.Wait()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		i := slices.IndexFunc(w.events, func(e Event) bool { return e.Type == EventLimitReached })
		want := "Limit reached by 10.0.0.1:10000: its host has as many connections as one host may"
		if i < 0 || w.events[i].String() != want {
			t.Errorf("%v, want %q", w.events, want)
		}
	})
}

func TestDefect10InboundLimits(t *testing.T) {
	tests := []struct {
		name      string
		cfg       Config
		from      []string
		want      int // accepted
		unlimited bool
	}{
		{name: "btcd's default takes all", from: repeat("10.0.0.1", 12), want: 12},
		{name: "total", cfg: Config{MaxInbound: ptr(8)}, from: repeat("10.0.0.1", 12), want: 8},
		{name: "none", cfg: Config{MaxInbound: ptr(0)}, from: repeat("10.0.0.1", 3), want: 0},
		{name: "one host cannot take all", cfg: Config{MaxInbound: ptr(8), MaxInboundPerHost: 2}, from: append(repeat("10.0.0.1", 8), "10.0.0.2", "10.1.0.1"), want: 4},
		{name: "a prefix", cfg: Config{MaxInboundPerPrefix: 2}, from: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1"}, want: 3},
		{name: "a prefix of IPv6", cfg: Config{MaxInboundPerPrefix: 1}, from: []string{"2001:db8::1", "2001:db8:0:1::1", "2001:db8:1::1"}, want: 2},
		{name: "a host of IPv6", cfg: Config{MaxInboundPerHost: 1}, from: []string{"2001:db8::1", "2001:db8::ff00:0:0:2", "2001:db8:0:1::1"}, want: 2},
		{name: "behind NAT64", cfg: Config{MaxInboundPerHost: 1}, from: []string{"64:ff9b::1.2.3.4", "64:ff9b::1.2.3.4", "64:ff9b::1.2.3.5"}, want: 2},
		{name: "a prefix behind Teredo", cfg: Config{MaxInboundPerPrefix: 1}, from: []string{"2001:0:1:2::f7f7:1", "2001:0:1:2::f7f7:2", "2001:0:1:2::f6f6:1"}, want: 2},
		{name: "mapped is IPv4", cfg: Config{MaxInboundPerHost: 1}, from: []string{"10.0.0.1", "::ffff:10.0.0.1"}, want: 1},
		{name: "exempt", cfg: Config{MaxInboundPerHost: 1, InboundExempt: func(a net.Addr) bool { return true }}, from: repeat("10.0.0.1", 3), want: 3},
	}
	for _, test := range tests {
		for _, unwrapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/unwrapped=%v", test.name, unwrapped), func(t *testing.T) {
				inBubble(t, func(t *testing.T, w *world) {
					l := newBadListener(w, nil)
					var conns []net.Conn
					cfg := test.cfg
					cfg.TargetOutbound = TargetNone
					cfg.Listeners = []net.Listener{l}
					cfg.OnAccept = func(c net.Conn) { conns = append(conns, c) }
					cfg.UnwrappedInbound = unwrapped
					cm := w.manager(cfg)
					cm.Start()
					send := func() {
						for i, host := range test.from {
							l.conns <- w.conn(&net.TCPAddr{IP: net.ParseIP(host), Port: 10000 + i})
							synctest.Wait()
						}
					}
					send()
					if len(conns) != test.want || int(w.open.Load()) != test.want {
						t.Fatalf("accepted %d, %d open, want %d", len(conns), w.open.Load(), test.want)
					}
					// All leave, and as many find room again.
					for _, c := range conns {
						if _, bare := c.(*fakeConn); unwrapped && !bare {
							t.Errorf("the connection is wrapped: %T", c)
						}
						c.Close()
						c.Close()
						if unwrapped {
							cm.InboundClosed(c)
							cm.InboundClosed(c)
						}
					}
					if n := cm.Snapshot().Inbound.Open; n != 0 {
						t.Errorf("%d are counted after all were closed", n)
					}
					conns = nil
					send()
					if len(conns) != test.want {
						t.Errorf("accepted %d the second time, want %d", len(conns), test.want)
					}
					for _, c := range conns {
						c.Close()
						cm.InboundClosed(c)
					}
				})
			})
		}
	}
}

func repeat(s string, n int) []string { return slices.Repeat([]string{s}, n) }

func ptr(n uint32) *uint32 { return &n }
