package connmgr

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestClasses(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = after(time.Second)
		cm := w.manager(Config{
			GetNewAddress: addresses(),
			Classes:       map[Class]ClassRule{"feeler": {Max: 1}, ClassManual: {Max: 2}},
		})
		cm.Start()
		refused := 0
		var feeler *ConnReq
		for i := range 3 {
			for _, class := range []Class{"feeler", ""} {
				c := &ConnReq{Addr: addrN(5000 + 10*i + len(class)), Class: class}
				if cm.Check(c.Addr, c.class()) != nil {
					refused++
				}
				go cm.Connect(c)
				if i == 0 && class == "feeler" {
					feeler = c
				}
				synctest.Wait()
			}
		}
		time.Sleep(time.Minute)
		if refused != 3 || w.count(EventRefused, ReasonClassFull) != 3 {
			t.Errorf("%d and %d of 6 requests refused, want 3", refused, w.count(EventRefused))
		}
		if n := cm.Snapshot().Outbound.Connected; n != 8 || w.open.Load() != 11 {
			t.Errorf("%d automatic connections of %d, want 8 of 11", n, w.open.Load())
		}
		cm.Remove(feeler.ID())
		if err := cm.Check(someAddr, "feeler"); err != nil {
			t.Errorf("the place of a feeler that ended is not free: %v", err)
		}
	})
}

func TestGroupsOfOtherClasses(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		inGroup := func(host byte) net.Addr { return &net.TCPAddr{IP: net.IPv4(9, 9, 9, host), Port: 8333} }
		cm := w.manager(Config{
			TargetOutbound: TargetNone, GetNewAddress: addresses(),
			Group: groupOf, MaxPerGroup: 1,
			Classes: map[Class]ClassRule{"feeler": {NoGroup: true}},
		})
		cm.Start()
		cm.Connect(&ConnReq{Addr: inGroup(1), Class: "feeler"})
		if err := cm.Check(inGroup(2), ClassOutbound); err != nil {
			t.Errorf("a feeler is counted in its group: %v", err)
		}
		cm.Connect(&ConnReq{Addr: inGroup(3)})
		if err := cm.Check(inGroup(2), ClassOutbound); !errors.Is(err, ReasonGroupFull) {
			t.Errorf("a manual connection is not counted in its group: %v", err)
		}
		if err := cm.ConnectContext(t.Context(), &ConnReq{Addr: inGroup(4)}); err != nil {
			t.Errorf("a manual connection is refused for its group: %v", err)
		}
	})
}

func TestCreditOnGood(t *testing.T) {
	tests := []struct {
		name         string
		creditOnGood bool
		mark         bool
		up           time.Duration
		wantGrow     bool // the waits between the connections
	}{
		{"dropped at once", false, false, 0, true},
		{"lasts a minute", false, false, time.Minute, false},
		{"lasts a minute without handshake", true, false, time.Minute, true},
		{"handshake, then dropped", false, true, 0, false},
		{"handshake, then dropped, where it must last", true, true, 0, true},
		{"handshake, and lasts", true, true, time.Minute, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var cm *ConnManager
				cm = w.manager(Config{
					CreditOnGood: test.creditOnGood,
					Backoff:      Backoff{Factor: 2, Jitter: -1},
					OnConnection: func(c *ConnReq, _ net.Conn) {
						if test.mark {
							cm.MarkGood(c.ID())
						}
						time.Sleep(test.up)
						cm.Disconnect(c.ID())
					},
				})
				cm.Start()
				cm.Connect(&ConnReq{Addr: someAddr, Permanent: true})
				time.Sleep(20 * time.Minute)
				times := w.dialTimes()
				if len(times) < 4 {
					t.Fatalf("%d dials", len(times))
				}
				wait := times[3] - times[2] - test.up
				want := 5 * time.Second
				if test.wantGrow {
					want = 20 * time.Second
				}
				if wait != want {
					t.Errorf("the third wait is %v, want %v", wait, want)
				}
			})
		})
	}
}

// A dial that fails slowly earns nothing: dcrd takes a time-out of 30 s for a
// connection that was stable for 30 s.
func TestSlowTimeoutEarnsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = hang
		cm := w.manager(Config{DialTimeout: 30 * time.Second, Backoff: Backoff{Factor: 2, Jitter: -1}})
		cm.Start()
		go cm.Connect(&ConnReq{Addr: someAddr, Permanent: true})
		time.Sleep(30 * time.Minute)
		if n := w.dials.Load(); n < 8 || n > 12 {
			t.Errorf("%d dials in 30 minutes, want about 10 (dcrd: 60)", n)
		}
	})
}
