package node

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/connmgr"
	"holdfast/netaddr"
)

// atRest returns a node that is not run, and knows nobody.
func atRest(t *testing.T, cfg Config) *Node {
	t.Helper()
	cfg.Params = &chaincfg.RegressionNetParams
	cfg.Rand, cfg.bookKey = rand.NewPCG(1, 2), testKey
	if cfg.Seeds == nil {
		cfg.Seeds = []Seed{}
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func endpoint(text string) netaddr.Addr {
	a, err := netaddr.ParseAddr(text)
	if err != nil {
		panic(err)
	}
	return a
}

// knows puts an address into the book, and returns it.
func knows(t *testing.T, n *Node, text string) netaddr.Addr {
	t.Helper()
	a := endpoint(text)
	if n.book.Add(netaddr.Host{}, 0, addrbook.Known{Addr: a, Seen: time.Now()}) != 1 {
		t.Fatalf("%s found no place in the book", text)
	}
	return a
}

func (n *Node) inARow(a netaddr.Addr) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failing[a]
}

// TestFailureWeighs: a failure is held against an address by the book only if two other
// peers of ours show that our own network works. Those that dialed us do not show it.
func TestFailureWeighs(t *testing.T) {
	for _, tt := range []struct {
		ready  Counts
		counts int
	}{
		{Counts{}, 0},
		{Counts{Outbound: 1}, 0},
		{Counts{Permanent: 1}, 0},
		{Counts{Inbound: 9}, 0},
		{Counts{Outbound: 1, Inbound: 9}, 0},
		{Counts{Outbound: 2}, 1},
		{Counts{Permanent: 2}, 1},
		{Counts{Outbound: 1, Permanent: 1}, 1},
	} {
		inBubble(t, func(t *testing.T) {
			n := atRest(t, Config{})
			a, other := knows(t, n, "11.0.0.1:18444"), knows(t, n, "11.1.0.1:18444")
			if err := n.book.Good(other, 0); err != nil { // else nothing counts at all
				t.Fatal(err)
			}
			n.ready = tt.ready
			n.attempted(a)
			e, _ := n.book.Lookup(a)
			if e.Attempts != tt.counts || !e.LastTry.Equal(time.Now()) || n.inARow(a) != 1 {
				t.Errorf("%+v: %d attempts count, %d in a row, tried at %v", tt.ready, e.Attempts, n.inARow(a), e.LastTry)
			}
		})
	}
}

// TestWhoseFault: a dial that was given up, or never left this machine, says nothing
// about the address.
func TestWhoseFault(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, tt := range []struct {
		name  string
		err   error
		given bool // up
		tried bool
	}{
		{"it connects", nil, false, false},
		{"refused", refused, false, true},
		{"it takes too long", context.DeadlineExceeded, false, true},
		{"given up meanwhile", refused, true, false},
		{"we have no route", &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}, false, false},
	} {
		inBubble(t, func(t *testing.T) {
			n := atRest(t, Config{Dial: func(context.Context, net.Addr) (net.Conn, error) { return nil, tt.err }})
			a := knows(t, n, "11.0.0.1:18444")
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			if tt.given {
				giveUp()
			}
			if _, err := n.dial(ctx, dialable(a)); !errors.Is(err, tt.err) {
				t.Errorf("%s: %v", tt.name, err)
			}
			if e, _ := n.book.Lookup(a); e.LastTry.IsZero() == tt.tried || (n.inARow(a) > 0) != tt.tried {
				t.Errorf("%s: tried at %v, %d in a row", tt.name, e.LastTry, n.inARow(a))
			}
		})
	}
}

// TestDue: each failure doubles the wait, up to two hours, whoever counted it; but no more
// than two minutes while there are no peers.
func TestDue(t *testing.T) {
	waits := func(t *testing.T, n *Node, a netaddr.Addr, want time.Duration) {
		t.Helper()
		time.Sleep(want - time.Second)
		if n.due(a) {
			t.Errorf("due before %v have passed", want)
		}
		time.Sleep(time.Second)
		if !n.due(a) {
			t.Errorf("not due after %v", want)
		}
	}
	inBubble(t, func(t *testing.T) {
		n := atRest(t, Config{})
		a := knows(t, n, "11.0.0.1:18444")
		if !n.due(a) || !n.due(endpoint("11.1.0.1:18444")) {
			t.Error("who was never tried is not due")
		}
		for _, want := range []time.Duration{1, 2, 2, 2} {
			n.attempted(a)
			waits(t, n, a, want*time.Minute)
		}
		n.ready.Outbound = 1
		for _, want := range []time.Duration{16, 32, 64, 120, 120} {
			n.attempted(a)
			waits(t, n, a, want*time.Minute)
		}
		// What the book counted holds when the failures in a row are forgotten.
		b := knows(t, n, "12.0.0.1:18444")
		n.ready.Outbound = 2
		for range 3 {
			time.Sleep(time.Second) // the book knows no parts of one
			if err := n.book.Good(a, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			n.attempted(b)
		}
		n.forgive()
		waits(t, n, b, 4*time.Minute)
		// And one that was reached is not dialed again in the same breath.
		if err := n.book.Good(b, 0); err != nil {
			t.Fatal(err)
		}
		waits(t, n, b, 30*time.Second)
	})
}

// TestHangsUpSoon: a peer that goes within ten minutes has failed, whatever the
// handshake was like; one that stays has made up for it.
func TestHangsUpSoon(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := atRest(t, Config{})
		a := knows(t, n, "11.0.0.1:18444")
		time.Sleep(time.Hour)
		for i, tt := range []struct {
			lasted time.Duration
			want   int
		}{
			{time.Second, 1},
			{10*time.Minute - 1, 2},
			{10 * time.Minute, 0},
			{0, 1},
			{time.Hour, 0},
		} {
			n.left(a, tt.lasted)
			if got := n.inARow(a); got != tt.want {
				t.Errorf("%d: %d in a row after %v, want %d", i, got, tt.lasted, tt.want)
			}
		}
		if e, _ := n.book.Lookup(a); !e.Seen.Equal(time.Now()) {
			t.Errorf("seen at %v, and it was there until now", e.Seen)
		}
	})
}

// TestFailingIsBounded, however many fail.
func TestFailingIsBounded(t *testing.T) {
	n := atRest(t, Config{})
	for i := range 3 * maxFailing {
		ip := netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 1})
		n.attempted(netaddr.FromAddrPort(netip.AddrPortFrom(ip, 1)))
		if len(n.failing) > maxFailing {
			t.Fatalf("%d are remembered", len(n.failing))
		}
	}
}

// TestForgives: when our network is back, what failed may be tried at once; and it is
// back when connmgr says so, or when the first peer comes after half a minute alone.
func TestForgives(t *testing.T) {
	a := endpoint("11.0.0.1:18444")
	failing := func(w *world) {
		w.node.mu.Lock()
		defer w.node.mu.Unlock()
		w.node.failing[a] = 7
	}
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		failing(w)
		for _, typ := range []connmgr.EventType{connmgr.EventNetworkDown, connmgr.EventGood, connmgr.EventFailed} {
			w.node.onEvent(connmgr.Event{Type: typ})
		}
		if w.node.inARow(a) != 7 {
			t.Error("forgiven for nothing")
		}
		w.node.onEvent(connmgr.Event{Type: connmgr.EventNetworkUp})
		if w.node.inARow(a) != 0 {
			t.Error("not forgiven when the network is back")
		}

		failing(w)
		wait(longAlone)
		w.dialIn("8.1.1.1").shake() // first
		if w.node.inARow(a) != 0 {
			t.Error("not forgiven at the first peer")
		}
		failing(w)
		w.dialIn("8.2.1.1").shake()
		if w.node.inARow(a) != 7 {
			t.Error("forgiven at the second peer")
		}
		w.stop()

		w.start(Config{Listen: []string{listenAt}, Seeds: []Seed{}})
		failing(w)
		wait(longAlone / 2)
		w.dialIn("8.3.1.1").shake()
		if w.node.inARow(a) != 7 {
			t.Error("forgiven after a moment alone")
		}

		w.node.tryAgain()
		if w.node.inARow(a) != 0 || len(w.node.networkChanged) != 1 {
			t.Errorf("trying again: %d in a row, %d told to the seeds", w.node.inARow(a), len(w.node.networkChanged))
		}
	})
}

// TestUseful is who was the first to tell an address that proved good and had never been
// reached, and nobody else.
func TestUseful(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Listen: []string{listenAt}, Seeds: []Seed{}, Feelers: -1}, honest(4)...)
		useful := func(host string) time.Time {
			for _, s := range w.node.sessions() {
				if s.host.String() == host {
					return s.evictable().LastUseful
				}
			}
			t.Fatalf("%s is gone", host)
			return time.Time{}
		}
		tells := func(r *remote, ip string) {
			wait(time.Minute) // one address in ten seconds is taken
			m := wire.NewMsgAddr()
			m.AddrList = append(m.AddrList, wire.NewNetAddressIPPort(net.ParseIP(ip), 18444, wantedServices))
			r.send(m)
			wait(time.Minute)
		}
		first, other := w.dialIn("8.1.1.1"), w.dialIn("8.2.1.1")
		for _, r := range []*remote{first, other} {
			r.send(version(), wire.NewMsgVerAck())
			go func() {
				for r.next() != nil { // it reads, and answers nothing
				}
			}()
		}

		tells(other, "77.1.1.1") // nobody is there
		began := time.Now()
		tells(first, "11.0.0.1")
		at := useful("8.1.1.1")
		if at.Before(began) || w.node.Counts().Outbound != 1 {
			t.Fatalf("who told of the peer was useful at %v\n%s", at, w.lines())
		}
		tells(other, "11.0.0.1") // it is known
		w.fabric.Reset(w.net.Peers()[0].Addr())
		wait(2 * time.Minute)
		if w.fabric.Dialed(w.net.Peers()[0].Addr()) != 2 {
			t.Fatal("the peer was not dialed again")
		}
		knows(t, w.node, "11.1.0.1:18444") // from ourselves
		w.node.cm.NewConnReq()
		wait(time.Minute)
		if w.node.Counts().Outbound != 2 {
			t.Fatalf("%v", w.node.Counts())
		}
		if got := useful("8.1.1.1"); !got.Equal(at) {
			t.Errorf("useful again at %v, first at %v", got, at)
		}
		if got := useful("8.2.1.1"); !got.IsZero() {
			t.Errorf("who told nothing that was new and good was useful at %v", got)
		}
		tells(other, "11.2.0.1")
		if useful("8.2.1.1").IsZero() || !useful("8.1.1.1").Equal(at) {
			t.Error("it is counted for the wrong one")
		}
	})
}
