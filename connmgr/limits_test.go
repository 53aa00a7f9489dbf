package connmgr

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestNetworkChangedRetriesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var up atomic.Bool
		w.answer = func(context.Context, net.Addr) error {
			if up.Load() {
				return nil
			}
			return errNoNet
		}
		cm := w.manager(Config{})
		cm.Start()
		for i := range 2 { // too few failures for an outage: they wait for their time
			cm.Connect(&ConnReq{Addr: addrN(i), Permanent: true})
		}
		up.Store(true)
		cm.NetworkChanged()
		time.Sleep(2 * resumeStagger)
		synctest.Wait()
		if w.open.Load() != 2 {
			t.Errorf("%d of 2 are connected after NetworkChanged", w.open.Load())
		}
		for _, r := range cm.Snapshot().Requests {
			if r.Retries != 0 {
				t.Errorf("%v has %d retries, and was not to blame", r.Addr, r.Retries)
			}
		}
	})
}

// A dial that began before the network changed, and fails for want of a network after, says
// nothing of the network as it is now.
func TestNetworkChangedDuringDial(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var up atomic.Bool
		const takes = 3 * time.Second
		w.answer = func(context.Context, net.Addr) error {
			began := up.Load()
			time.Sleep(takes)
			if !began {
				return errNoNet
			}
			return nil
		}
		cm := w.manager(Config{})
		cm.Start()
		for i := range 4 { // enough for an outage, if they counted
			go cm.Connect(&ConnReq{Addr: addrN(i), Permanent: true})
		}
		time.Sleep(time.Second)
		up.Store(true)
		cm.NetworkChanged()
		time.Sleep(2*takes - time.Second + time.Millisecond)
		synctest.Wait()
		if n := w.open.Load(); n != 4 || w.count(EventNetworkDown) != 0 {
			t.Errorf("%d of 4 are connected, told %d times that the network is down", n, w.count(EventNetworkDown))
		}
	})
}

func TestHigherMaxPendingWakesTheQueue(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = hang
		cm := w.manager(Config{MaxPending: 2})
		cm.Start()
		for i := range 6 {
			go cm.Connect(&ConnReq{Addr: addrN(i)})
		}
		for _, most := range []int{2, 5, 0} {
			l := cm.Limits()
			l.MaxPending = most
			cm.SetLimits(l)
			synctest.Wait()
			want := int64(most)
			if most == 0 {
				want = 6
			}
			if n := w.dials.Load(); n != want {
				t.Errorf("%d dials with a MaxPending of %d", n, most)
			}
		}
	})
}

func TestLowerTargetEndsTheYoungest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{TargetOutbound: 3, GetNewAddress: addresses()})
		cm.Start()
		synctest.Wait()
		old := cm.Snapshot().Requests
		time.Sleep(time.Minute)
		l := cm.Limits()
		l.TargetOutbound = 6
		cm.SetLimits(l)
		time.Sleep(time.Minute)
		cm.Disconnect(old[0].ID, WithTriggerReconnect()) // it waits, and goes first
		l.TargetOutbound = 2
		cm.SetLimits(l)
		synctest.Wait()
		left := cm.Snapshot().Requests
		if len(left) != 2 || left[0].ID != old[1].ID || left[1].ID != old[2].ID {
			t.Errorf("left are %v and so on, want the two oldest connections", left)
		}
	})
}

func TestTargetNoneInLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{GetNewAddress: addresses()})
		cm.Start()
		l := cm.Limits()
		l.TargetOutbound = TargetNone
		cm.SetLimits(l)
		synctest.Wait()
		if n := cm.Limits().TargetOutbound; n != 0 || w.open.Load() != 0 {
			t.Errorf("target %d, %d open", n, w.open.Load())
		}
	})
}

func TestClassLimitsAtRunTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{})
		cm.Start()
		for i := range 3 {
			cm.Connect(&ConnReq{Addr: addrN(i), Class: "feeler"})
		}
		l := cm.Limits()
		l.Classes["feeler"] = ClassRule{Max: 4}
		cm.SetLimits(l)
		for i, want := range []Reason{ReasonNone, ReasonClassFull} {
			err := cm.ConnectContext(t.Context(), &ConnReq{Addr: addrN(10 + i), Class: "feeler"})
			if (err != nil) != (want != ReasonNone) {
				t.Errorf("feeler %d: %v", 4+i, err)
			}
		}
	})
}

func TestFullHouseIsToldOnceInAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := newBadListener(w, nil)
		cm := w.manager(Config{
			TargetOutbound: TargetNone,
			Listeners:      []net.Listener{l},
			MaxInbound:     ptr(1),
			OnAccept:       func(c net.Conn) { c.Close() },
		})
		cm.Start()
		for i := range 100 { // a second apart, each fills the house and leaves
			l.conns <- w.conn(addrN(i))
			time.Sleep(time.Second)
		}
		if n := w.count(EventLimitReached, ReasonInboundFull); n != 4 {
			t.Errorf("told %d times in 100 s, want every 30 s", n)
		}
	})
}

func TestRetryDurationIsCapped(t *testing.T) {
	cfg := Config{RetryDuration: time.Hour, Dial: newWorld(t).oldDial}
	if c := cfg.withDefaults(); c.RetryDuration != maxRetryDuration {
		t.Errorf("RetryDuration %v, want at most %v, as in btcd", c.RetryDuration, maxRetryDuration)
	}
}

// The owner's code may end its goroutine, as t.FailNow does.
func TestCallbackThatExits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var off atomic.Int64
		cm := w.manager(Config{
			OnConnection:    func(*ConnReq, net.Conn) { runtime.Goexit() },
			OnDisconnection: func(*ConnReq) { off.Add(1) },
		})
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		cm.Connect(c)
		synctest.Wait()
		cm.Remove(c.ID())
		synctest.Wait()
		if off.Load() != 1 {
			t.Error("OnDisconnection was not called after OnConnection ended its goroutine")
		}
	})
}

func TestEndedAutomaticRequestConnectsAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first := make(chan *ConnReq, 10)
		cm := w.manager(Config{
			TargetOutbound: 1, GetNewAddress: addresses(),
			OnConnection: func(c *ConnReq, _ net.Conn) { first <- c },
		})
		cm.Start()
		c := <-first
		cm.Remove(c.ID())
		synctest.Wait()
		if err := cm.ConnectContext(t.Context(), c); err != nil {
			t.Error(err)
		}
		if o := cm.Snapshot().Outbound; o.Connected != 1 || w.open.Load() != 2 {
			t.Errorf("%v, %d open, want it beside the automatic one", o, w.open.Load())
		}
	})
}

func TestNilPointerAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{GetNewAddress: func() (net.Addr, error) { return (*net.TCPAddr)(nil), nil }})
		cm.Start()
		if err := cm.ConnectContext(t.Context(), &ConnReq{Addr: (*net.TCPAddr)(nil)}); err == nil {
			t.Error("connected to a nil pointer")
		}
		if err := cm.Check((*net.TCPAddr)(nil), ""); err == nil {
			t.Error("Check takes a nil pointer")
		}
		time.Sleep(time.Minute)
	})
}
