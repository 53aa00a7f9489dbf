package connmgr

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The policies are pure functions; here they are shown by tables, and their
// bounds by random input.

func TestWanted(t *testing.T) {
	tests := []struct {
		name string
		s    autoState
		want int
	}{
		{"all are free", autoState{target: 8, rate: 1}, 8},
		{"some are on the way", autoState{target: 8, connected: 3, inFlight: 4, rate: 1}, 1},
		{"full", autoState{target: 8, connected: 8, rate: 1}, 0},
		{"above a lowered target", autoState{target: 3, connected: 8, rate: 1}, 0},
		{"a reconnect keeps its slot", autoState{target: 8, connected: 6, waiting: 1, rate: 1}, 1},
		{"a pause keeps its slot", autoState{target: 8, connected: 6, pausing: 2, rate: 1}, 0},
		{"without MaxPending a slow dial holds its slot", autoState{target: 8, inFlight: 8, slow: 8, rate: 0.1}, 0},
		{"with it, it does not", autoState{target: 8, inFlight: 8, slow: 8, maxPending: 64, rate: 1}, 8},
		{"half succeed: twice as many", autoState{target: 8, maxPending: 64, rate: 0.5}, 16},
		{"few succeed: never more than twice", autoState{target: 8, maxPending: 64, rate: 0.01}, 16},
		{"three of four succeed", autoState{target: 3, maxPending: 64, rate: 0.75}, 4},
		{"the cap", autoState{target: 8, inFlight: 60, slow: 60, maxPending: 64, rate: 0.1}, 4},
		{"at the cap", autoState{target: 8, inFlight: 64, slow: 64, maxPending: 64, rate: 0.1}, 0},
		{"all fail: one each", autoState{target: 8, inFlight: 6, slow: 6, maxPending: 64, rate: 0.1, failing: true}, 2},
	}
	for _, test := range tests {
		if got := test.s.wanted(); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestWantedBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300)
		s := autoState{
			target: n.Draw(t, "target"), connected: n.Draw(t, "connected"), waiting: n.Draw(t, "waiting"),
			pausing: n.Draw(t, "pausing"), inFlight: n.Draw(t, "inFlight"), maxPending: n.Draw(t, "maxPending"),
			rate: rapid.Float64Range(0, 1).Draw(t, "rate"), failing: rapid.Bool().Draw(t, "failing"),
		}
		s.slow = rapid.IntRange(0, s.inFlight).Draw(t, "slow")
		got := s.wanted()
		free := max(0, s.target-s.connected-s.waiting-s.pausing)
		switch {
		case got < 0:
			t.Fatalf("%+v: %d", s, got)
		case got > 0 && got+s.inFlight-s.slow > 2*free:
			t.Fatalf("%+v: %d dials for %d free slots", s, got, free)
		case got > 0 && s.maxPending > 0 && got+s.inFlight > s.maxPending:
			t.Fatalf("%+v: %d exceeds MaxPending", s, got)
		}
	})
}

func TestBackoffWait(t *testing.T) {
	s := time.Second
	tests := []struct {
		name string
		b    Backoff
		want []time.Duration // without chance
	}{
		{"btcd's: linear to 5 min", Backoff{}, []time.Duration{5 * s, 10 * s, 15 * s, 20 * s}},
		{"exponential", Backoff{Factor: 2, Max: 30 * s}, []time.Duration{5 * s, 10 * s, 20 * s, 30 * s, 30 * s}},
		{"constant", Backoff{Min: s, Factor: 1}, []time.Duration{s, s, s}},
	}
	for _, test := range tests {
		b := test.b.withDefaults(defaultRetryDuration)
		for i, want := range test.want {
			if got := b.Wait(uint32(i+1), 0); got != want {
				t.Errorf("%s: wait %d is %v, want %v", test.name, i+1, got, want)
			}
			if got := b.Wait(uint32(i+1), 0.999); got > want*81/100 || got < want*79/100 {
				t.Errorf("%s: wait %d is %v with all jitter, want four fifths of %v", test.name, i+1, got, want)
			}
		}
	}
}

func TestBackoffBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Backoff{
			Min:    time.Duration(rapid.Int64Range(-1, int64(time.Hour)).Draw(t, "min")),
			Max:    time.Duration(rapid.Int64Range(-1, int64(time.Hour)).Draw(t, "max")),
			Factor: rapid.Float64Range(0, 10).Draw(t, "factor"),
			Jitter: rapid.Float64Range(-1, 2).Draw(t, "jitter"),
		}.withDefaults(defaultRetryDuration)
		n := rapid.Uint32().Draw(t, "n")
		got := b.Wait(n, rapid.Float64Range(0, 0.9999).Draw(t, "chance"))
		if got <= 0 && b.Min > 10 && b.Max > 10 || got > b.Max {
			t.Fatalf("%+v: wait %d is %v", b, n, got)
		}
		if n < math.MaxUint32 && b.Wait(n, 0) > b.Wait(n+1, 0) {
			t.Fatalf("%+v: wait %d is longer than the next", b, n)
		}
	})
}

type localError struct{ error }

func (localError) Local() bool     { return true }
func (e localError) Unwrap() error { return e.error }

func TestClassify(t *testing.T) {
	dialErr := func(to string, errno syscall.Errno) error {
		addr, err := net.ResolveTCPAddr("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		return &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: os.NewSyscallError("connect", errno)}
	}
	us := someAddr.String()
	tests := []struct {
		name string
		err  error
		want Reason
	}{
		{"refused", dialErr(us, syscall.ECONNREFUSED), ReasonRefused},
		{"reset", dialErr(us, syscall.ECONNRESET), ReasonReset},
		{"kernel's time-out", dialErr(us, syscall.ETIMEDOUT), ReasonTimedOut},
		{"no route at all", dialErr(us, syscall.ENETUNREACH), ReasonNoNetwork},
		{"no route to the host", dialErr(us, syscall.EHOSTUNREACH), ReasonNoRoute},
		{"prohibit route", dialErr(us, syscall.EACCES), ReasonNoNetwork},
		{"blackhole route", dialErr(us, syscall.EINVAL), ReasonNoNetwork},
		{"out of descriptors", dialErr(us, syscall.EMFILE), ReasonResources},
		{"wrapped", fmt.Errorf("peer: %w", dialErr(us, syscall.ENETUNREACH)), ReasonNoNetwork},
		{"the proxy refused", dialErr("127.0.0.1:9050", syscall.ECONNREFUSED), ReasonProxy},
		{"the proxy refused, wrapped by its dialer", &net.OpError{Op: "socks connect", Addr: someAddr, Err: dialErr("127.0.0.1:9050", syscall.ECONNREFUSED)}, ReasonProxy},
		{"a dialer says so", localError{errors.New("tor is not running")}, ReasonProxy},
		{"the proxy refuses", localError{syscall.ECONNREFUSED}, ReasonProxy},
		{"no way to the proxy", localError{syscall.ENETUNREACH}, ReasonNoNetwork},
		{"deadline", context.DeadlineExceeded, ReasonTimedOut},
		{"net's time-out", &net.OpError{Op: "dial", Addr: someAddr, Err: os.ErrDeadlineExceeded}, ReasonTimedOut},
		{"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsNotFound: true}}, ReasonUnresolved},
		{"a reason as an error", ReasonNoAddress, ReasonNoAddress},
		{"anything else", errors.New("x"), ReasonFailed},
	}
	for _, test := range tests {
		if got := Classify(someAddr, test.err); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	byText := []struct {
		addr string
		err  error
		want Reason
	}{
		{"abc.onion:8333", dialErr("127.0.0.1:9050", syscall.ECONNREFUSED), ReasonProxy},
		{"abc.onion:8333", dialErr("127.0.0.1:8333", syscall.ECONNREFUSED), ReasonProxy},
		{"node.example:8333", dialErr("192.0.2.1:8333", syscall.ECONNREFUSED), ReasonRefused},
		{"[::ffff:192.0.2.1]:8333", dialErr("192.0.2.1:8333", syscall.ECONNREFUSED), ReasonRefused},
		{"node.example:8333", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}, ReasonResolver},
	}
	for _, test := range byText {
		if got := Classify(textAddr{"tcp", test.addr}, test.err); got != test.want {
			t.Errorf("%s, %v: %v, want %v", test.addr, test.err, got, test.want)
		}
	}
	if errors.Is(ReasonRefused, net.ErrClosed) || !errors.Is(ReasonStopped, net.ErrClosed) {
		t.Error("of the reasons, only ReasonStopped is net.ErrClosed")
	}
}

func TestNetworkOf(t *testing.T) {
	tests := []struct {
		addr net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 1}, "ip4"},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1}, "ip6"},
		{textAddr{"tcp", "1.2.3.4:1"}, "ip4"},
		{textAddr{"tcp", "[fe80::1%eth0]:1"}, "ip6"},
		{textAddr{"onion", "abc.onion:8333"}, "onion"},
		{&net.UnixAddr{Name: "/x", Net: "unix"}, "unix"},
	}
	for _, test := range tests {
		if got := NetworkOf(test.addr); got != test.want {
			t.Errorf("network of %v is %q, want %q", test.addr, got, test.want)
		}
	}
}

// textAddr is an address that is only text.
type textAddr struct{ network, text string }

func (a textAddr) Network() string { return a.network }
func (a textAddr) String() string  { return a.text }

// FuzzSourceOf: whatever the address, its source is stable, and the inbound
// counts return to nothing when everybody has left.
func FuzzSourceOf(f *testing.F) {
	for _, s := range []string{"1.2.3.4:5", "[::1]:5", "[::ffff:1.2.3.4]:5", "x.onion:1", "@", "[fe80::1%eth0]:80", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		src := sourceOf(textAddr{"tcp", text})
		if src != sourceOf(textAddr{"tcp", text}) {
			t.Fatal("not stable")
		}
		in := inbound{byHost: map[string]int{}, byPrefix: map[string]int{}}
		l := Limits{MaxInboundPerHost: 2, MaxInboundPerPrefix: 2}
		taken := 0
		for in.refuse(&l, src) == ReasonNone && taken < 5 {
			in.take(src)
			taken++
		}
		if src.host != "" && taken != 2 {
			t.Fatalf("%d from %q (%+v)", taken, text, src)
		}
		for range taken {
			in.release(src)
		}
		if in.total != 0 || len(in.byHost) != 0 || len(in.byPrefix) != 0 {
			t.Fatalf("left over: %+v", in)
		}
	})
}

// Every reason and every event has a name of its own.
func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	for r := range numReasons {
		if seen[r.String()] || r.String() == "" {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
	clear(seen)
	for e := EventType(1); e < numEventTypes; e++ {
		if seen[e.String()] || e.String() == "" {
			t.Errorf("event %d is called %q", e, e)
		}
		seen[e.String()] = true
		if s := (Event{Type: e, Addr: someAddr}).String(); s == "" || s == e.String() {
			t.Errorf("event %v has no wording: %q", e, s)
		}
	}
}
