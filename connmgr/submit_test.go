package connmgr

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestSubmitWaitsForNothing: not for Start, not for a place among the dials, not for
// the dial; and says at once who is not taken.
func TestSubmitWaitsForNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = after(time.Second)
		cm := w.manager(Config{MaxPending: 2, Unique: true, Classes: map[Class]ClassRule{ClassManual: {Max: 5}}})
		began := time.Now()
		for i := range 5 {
			if err := cm.Submit(&ConnReq{Addr: addrN(i), Permanent: i%2 == 0}); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			req  *ConnReq
			want Reason
		}{
			{&ConnReq{Addr: addrN(6)}, ReasonClassFull},
			{&ConnReq{Addr: addrN(0), Class: "other"}, ReasonDuplicate},
			{&ConnReq{}, ReasonNoAddress},
		} {
			var e *Error
			if err := cm.Submit(c.req); !errors.As(err, &e) || e.Reason != c.want || c.req.ID() != 0 {
				t.Errorf("submit of %v: %v, want %v", c.req, err, c.want)
			}
		}
		if err := cm.Submit(nil); err == nil {
			t.Error("nil was taken")
		}
		if w.dials.Load() != 0 {
			t.Error("dialed before Start")
		}
		cm.Start()
		if time.Since(began) != 0 {
			t.Error("it took time")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if w.open.Load() != 5 {
			t.Errorf("%d connected after 3 rounds of 2 dials, want 5", w.open.Load())
		}
		cm.Stop()
		if err := cm.Submit(&ConnReq{Addr: someAddr}); !errors.Is(err, ReasonStopped) {
			t.Errorf("after Stop: %v", err)
		}
	})
}

// TestIfLive: where two may end a request, the second says nothing and does nothing.
func TestIfLive(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{})
		cm.Start()
		for _, permanent := range []bool{true, false} {
			c := &ConnReq{Addr: someAddr, Permanent: permanent}
			cm.Connect(c)
			if !cm.RemoveIfLive(c.ID(), errRefused) || w.open.Load() != 0 || c.State() != ConnDisconnected {
				t.Errorf("it stays: %v, %d open", c.State(), w.open.Load())
			}
			if cm.RemoveIfLive(c.ID(), nil) {
				t.Error("removed twice")
			}
			cm.Disconnect(c.ID(), IfLive(), WithCause(errRefused))
		}
		c := &ConnReq{Addr: someAddr, Permanent: true}
		cm.Connect(c)
		cm.Disconnect(c.ID(), IfLive())
		if c.State() != ConnPending {
			t.Errorf("after Disconnect it is %v", c.State())
		}
		synctest.Wait()
		if n := w.count(EventUnknownID); n != 0 {
			t.Errorf("%d complaints", n)
		}
		cm.Remove(1 << 40) // that one is told
		synctest.Wait()
		if n := w.count(EventUnknownID); n != 1 {
			t.Errorf("%d complaints, want 1", n)
		}
	})
}
