package connmgr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Fault 20 of btcd's connmgr, an interface that tells nothing, shown to be absent.

func TestDefect20Errors(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(ctx context.Context, a net.Addr) error {
			if a == someAddr {
				return errRefused
			}
			return hang(ctx, a)
		}
		cm := w.manager(Config{Classes: map[Class]ClassRule{"feeler": {Max: 1}}})
		ctx, cancel := context.WithCancelCause(t.Context())
		early := make(chan error)
		go func() { early <- cm.ConnectContext(ctx, &ConnReq{Addr: addrN(1), Class: "feeler"}) }()
		synctest.Wait()
		if err := cm.ConnectContext(t.Context(), &ConnReq{Addr: addrN(2), Class: "feeler"}); !errors.Is(err, ReasonClassFull) {
			t.Errorf("second feeler: %v", err)
		}
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		err := cm.ConnectContext(t.Context(), c)
		var e *Error
		if !errors.As(err, &e) || e.Addr != someAddr || e.ID != c.ID() || !errors.Is(err, errRefused) {
			t.Errorf("a dial that failed: %v", err)
		}
		if want := "connmgr: dial 8.0.0.1:8333 (reqid 2): failed: refused, says the test"; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		if err := cm.ConnectContext(t.Context(), &ConnReq{}); !errors.Is(err, ReasonNoAddress) {
			t.Errorf("no address: %v", err)
		}
		if err := cm.ConnectContext(t.Context(), nil); err == nil {
			t.Error("a nil request is taken")
		}
		why := errors.New("the user changed his mind")
		cancel(why)
		if err := <-early; !errors.Is(err, ReasonCanceled) || !errors.Is(err, why) {
			t.Errorf("canceled: %v", err)
		}
		cm.Stop()
		if err := cm.ConnectContext(t.Context(), c); !errors.Is(err, ReasonStopped) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Stop: %v", err)
		}
		if err := cm.Check(someAddr, ClassManual); !errors.Is(err, ReasonStopped) {
			t.Errorf("Check after Stop: %v", err)
		}
	})
}

func TestDefect20EndedRequestConnectsAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var hangs atomic.Bool
		hangs.Store(true)
		w.answer = func(ctx context.Context, a net.Addr) error {
			if a != someAddr && hangs.Load() {
				return hang(ctx, a)
			}
			return nil
		}
		cm := w.manager(Config{})
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		cm.Connect(c)
		first := c.ID()
		if err := cm.ConnectContext(t.Context(), c); !errors.Is(err, ReasonInUse) {
			t.Errorf("connected twice: %v", err)
		}
		cm.Remove(first)
		if err := cm.ConnectContext(t.Context(), c); err != nil { // btcd: dialed and silently closed
			t.Error(err)
		}
		if c.State() != ConnEstablished || c.ID() == first || w.open.Load() != 1 {
			t.Errorf("%v is %v, was reqid %d, %d open", c, c.State(), first, w.open.Load())
		}
		d := &ConnReq{Addr: addrN(1)}
		go cm.Connect(d)
		synctest.Wait()
		cm.Remove(d.ID())
		hangs.Store(false)
		if err := cm.ConnectContext(t.Context(), d); err != nil { // btcd: ignored
			t.Error(err)
		}

		// What went wrong before is forgotten.
		p := &ConnReq{Addr: addrN(2), Permanent: true}
		cm.Connect(p)
		cm.Disconnect(p.ID())
		cm.Remove(p.ID())
		cm.Connect(p)
		for _, r := range cm.Snapshot().Requests {
			if r.ID == p.ID() && r.Retries != 0 {
				t.Errorf("a new request begins with %d retries", r.Retries)
			}
		}
	})
}

func TestDefect20UnknownIDs(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var lines []string
		cm := w.manager(Config{Logger: slog.New(lineHandler{&lines})})
		cm.Start()
		for id := range uint64(1000) {
			cm.Remove(id)
			cm.Disconnect(id)
		}
		synctest.Wait()
		if len(lines) != 1 || !strings.Contains(lines[0], "Unknown connid") {
			t.Errorf("%d lines for 2000 unknown ids: %q", len(lines), lines)
		}
	})
}

// lineHandler is a slog.Handler that keeps the messages of level Info and above.

type lineHandler struct{ lines *[]string }

func (h lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h lineHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h lineHandler) WithGroup(string) slog.Handler { return h }

func (h lineHandler) Handle(_ context.Context, r slog.Record) error {
	*h.lines = append(*h.lines, r.Message)
	return nil
}

func TestDefect20NoTarget(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{TargetOutbound: TargetNone, GetNewAddress: addresses()})
		cm.Start()
		cm.NewConnReq()
		time.Sleep(time.Hour)
		if n := w.dials.Load(); n != 0 {
			t.Errorf("%d dials with a target of none", n)
		}
	})
}

func TestDefect20PanickingCallback(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var got any
		cm := w.manager(Config{
			OnConnection: func(*ConnReq, net.Conn) { panic("the owner's fault") },
			OnPanic: func(v any, stack []byte) {
				if !strings.Contains(string(stack), "TestDefect20PanickingCallback") {
					t.Errorf("the stack does not show who panicked: %s", stack)
				}
				got = v
			},
		})
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		cm.Connect(c)
		synctest.Wait()
		if got != "the owner's fault" || c.State() != ConnEstablished {
			t.Errorf("OnPanic got %v, state %v", got, c.State())
		}
	})
}

func TestDefect20Snapshot(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(ctx context.Context, a net.Addr) error {
			switch a.String() {
			case addrN(1).String():
				return errRefused
			case addrN(2).String():
				return hang(ctx, a)
			}
			return nil
		}
		cm := w.manager(Config{GetNewAddress: func() (net.Addr, error) { return nil, errors.New("book is empty") }})
		cm.Start()
		cm.Connect(&ConnReq{Addr: someAddr})
		cm.Connect(&ConnReq{Addr: addrN(1), Permanent: true})
		go cm.Connect(&ConnReq{Addr: addrN(2), Class: "feeler"})
		synctest.Wait()
		s := cm.Snapshot()
		if want := "0 of 8 connected, 8 pausing: no address"; s.Outbound.String() != want {
			t.Errorf("outbound %q, want %q", s.Outbound, want)
		}
		var got []string
		for _, r := range s.Requests {
			got = append(got, fmt.Sprintf("%d %v %v %v dialing=%v retries=%d next=%v %v",
				r.ID, r.Addr, r.Class, r.State, r.Dialing, r.Retries, !r.Next.IsZero(), r.Reason))
		}
		want := []string{
			"1 8.0.0.1:8333 manual established dialing=false retries=0 next=false none",
			"2 2.0.0.1:8333 manual failing dialing=false retries=1 next=true failed",
			"3 3.0.0.1:8333 feeler pending dialing=true retries=0 next=false none",
		}
		if !slices.Equal(got, want) {
			t.Errorf("requests\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
