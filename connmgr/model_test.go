package connmgr

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// The model of a request: what must be true of it, told from what was done to
// it, without knowing how the manager works.
type modelReq struct {
	c         *ConnReq
	permanent bool
	ended     bool // it was removed, or it was a one-shot that failed or was disconnected
}

// modelWorld answers dials as the test says: each address has a fate.
type modelWorld struct {
	*world
	mu    sync.Mutex
	fates map[string]fate
	calls map[*ConnReq][]string
	wrong []string
}

type fate int

const (
	fateWorks fate = iota
	fateRefuses
	fateHangs
	fateSlow
	fateNoNetwork
	numFates
)

func (w *modelWorld) fate(a net.Addr) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fates[a.String()]
}

func (w *modelWorld) decide(ctx context.Context, a net.Addr) error {
	switch w.fate(a) {
	case fateRefuses:
		return errRefused
	case fateHangs:
		return hang(ctx, a)
	case fateSlow:
		return after(3*time.Second)(ctx, a)
	case fateNoNetwork:
		return errNoNet
	}
	return nil
}

// note records a callback, and that those of a request take turns.
func (w *modelWorld) note(what string, c *ConnReq) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.calls[c]
	if len(was) > 0 && was[len(was)-1] == what || len(was) == 0 && what != "on" {
		w.wrong = append(w.wrong, fmt.Sprintf("%v: %q after %q", c, what, was))
	}
	w.calls[c] = append(was, what)
}

// TestModel drives all methods in random order, and checks after each step that
// the manager's books agree, that no limit is exceeded, and that each request is
// where the model says.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// rapid ends a run by a panic, which must reach it past the bubble.
		var ended any
		synctest.Test(t, func(t *testing.T) {
			defer func() { ended = recover() }()
			runModel(t, rt)
		})
		switch {
		case ended == nil:
		case fmt.Sprintf("%T", ended) == "rapid.invalidData":
			panic(ended) // not on the line of the others: rapid tells panics apart by it
		default:
			panic(ended)
		}
	})
}

func runModel(t *testing.T, rt *rapid.T) {
	w := &modelWorld{world: newWorld(t), fates: make(map[string]fate), calls: make(map[*ConnReq][]string)}
	w.answer = w.decide
	const addresses = 12
	addr := func(rt *rapid.T) net.Addr { return addrN(rapid.IntRange(0, addresses-1).Draw(rt, "addr")) }
	var (
		nextMu sync.Mutex
		next   int
	)
	cfg := Config{
		TargetOutbound: uint32(rapid.SampledFrom([]int{1, 3, 8}).Draw(rt, "target")),
		GetNewAddress: func() (net.Addr, error) {
			nextMu.Lock()
			defer nextMu.Unlock()
			next++
			return addrN(next % addresses), nil
		},
		DialTimeout:  20 * time.Second,
		MaxPending:   rapid.SampledFrom([]int{0, 4, 64}).Draw(rt, "maxPending"),
		Unique:       rapid.Bool().Draw(rt, "unique"),
		MaxPerGroup:  rapid.IntRange(0, 2).Draw(rt, "maxPerGroup"),
		Group:        groupOf,
		CreditOnGood: rapid.Bool().Draw(rt, "creditOnGood"),
		Classes:      map[Class]ClassRule{"feeler": {Max: 2}, "free": {NoGroup: true}},
		OnConnection: func(c *ConnReq, _ net.Conn) { w.note("on", c) },
		OnEvent:      w.onEvent,
		EventBuffer:  1 << 20,
		Rand:         newRand(t),
	}
	if rapid.Bool().Draw(rt, "connectOnly") {
		cfg.GetNewAddress = nil
	}
	if rapid.Bool().Draw(rt, "onDisconnection") {
		cfg.OnDisconnection = func(c *ConnReq) { w.note("off", c) }
	} else {
		cfg.OnConnection = nil
	}
	if rapid.Bool().Draw(rt, "plainDial") {
		cfg.Dial = func(a net.Addr) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return w.dial(ctx, a)
		}
	} else {
		cfg.DialContext = w.dial
	}
	cm, err := New(&cfg)
	if err != nil {
		rt.Fatal(err)
	}
	var reqs []*modelReq
	pick := func(rt *rapid.T) uint64 {
		// Any id: of a request of ours, of an automatic one, or of nothing.
		if len(reqs) > 0 && rapid.Bool().Draw(rt, "ours") {
			return reqs[rapid.IntRange(0, len(reqs)-1).Draw(rt, "request")].c.ID()
		}
		return rapid.Uint64Range(0, 60).Draw(rt, "id")
	}
	find := func(id uint64) *modelReq {
		i := slices.IndexFunc(reqs, func(m *modelReq) bool { return m.c.ID() == id })
		if i < 0 {
			return nil
		}
		return reqs[i]
	}
	stopped := false
	actions := map[string]func(*rapid.T){
		"connect": func(rt *rapid.T) {
			m := &modelReq{c: &ConnReq{
				Addr:      addr(rt),
				Permanent: rapid.Bool().Draw(rt, "permanent"),
				Class:     rapid.SampledFrom([]Class{"", "feeler", "free"}).Draw(rt, "class"),
			}}
			m.permanent = m.c.Permanent
			go cm.Connect(m.c)
			synctest.Wait()
			if m.c.ID() != 0 {
				reqs = append(reqs, m)
			}
		},
		"connect with context": func(rt *rapid.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rapid.IntRange(0, 10).Draw(rt, "seconds"))*time.Second)
			defer cancel()
			c := &ConnReq{Addr: addr(rt)}
			if cm.ConnectContext(ctx, c) == nil {
				reqs = append(reqs, &modelReq{c: c})
			}
		},
		"disconnect": func(rt *rapid.T) {
			id := pick(rt)
			var options []ConnOption
			if rapid.Bool().Draw(rt, "trigger") {
				options = append(options, WithTriggerReconnect())
			}
			m := find(id)
			pending := m != nil && m.c.State() != ConnEstablished
			cm.Disconnect(id, options...)
			if m != nil && !m.permanent && (len(options) == 0 || pending) {
				m.ended = true
			}
		},
		"remove": func(rt *rapid.T) {
			id := pick(rt)
			cm.Remove(id)
			if m := find(id); m != nil && !stopped {
				m.ended = true
				if s := m.c.State(); s != ConnCanceled && s != ConnDisconnected {
					rt.Fatalf("%v is %v after Remove", m.c, s)
				}
			}
		},
		"mark good": func(rt *rapid.T) { cm.MarkGood(pick(rt)) },
		"fate": func(rt *rapid.T) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.fates[addr(rt).String()] = fate(rapid.IntRange(0, int(numFates)-1).Draw(rt, "fate"))
		},
		"all the same fate": func(rt *rapid.T) {
			f := fate(rapid.IntRange(0, int(numFates)-1).Draw(rt, "fate"))
			w.mu.Lock()
			defer w.mu.Unlock()
			for n := range addresses {
				w.fates[addrN(n).String()] = f
			}
		},
		"network changed": func(rt *rapid.T) { cm.NetworkChanged() },
		"new request":     func(rt *rapid.T) { cm.NewConnReq() },
		"limits": func(rt *rapid.T) {
			l := cm.Limits()
			l.TargetOutbound = uint32(rapid.IntRange(0, 10).Draw(rt, "target"))
			l.MaxPending = rapid.SampledFrom([]int{0, 1, 4, 64}).Draw(rt, "maxPending")
			l.MaxPerGroup = rapid.IntRange(0, 3).Draw(rt, "maxPerGroup")
			l.Classes["feeler"] = ClassRule{Max: rapid.IntRange(0, 3).Draw(rt, "feelers")}
			cm.SetLimits(l)
		},
		"start": func(rt *rapid.T) { cm.Start() },
		"wait": func(rt *rapid.T) {
			time.Sleep(time.Duration(rapid.IntRange(1, 90_000).Draw(rt, "ms")) * time.Millisecond)
		},
		"stop": func(rt *rapid.T) {
			if rapid.IntRange(0, 20).Draw(rt, "really") == 0 {
				cm.Stop()
				stopped = true
			}
		},
		"": func(rt *rapid.T) {
			synctest.Wait()
			cm.mu.Lock()
			defer cm.mu.Unlock()
			if err := cm.audit(); err != nil {
				rt.Fatalf("broken invariant: %v", err)
			}
			for _, m := range reqs {
				live := cm.reqs[m.c.ID()] == m.c
				switch {
				case stopped || m.ended:
					if live {
						rt.Fatalf("%v has ended, and is %v", m.c, m.c.State())
					}
				case m.permanent && !live:
					rt.Fatalf("the permanent %v was lost: %v", m.c, m.c.State())
				}
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.wrong) > 0 {
				rt.Fatalf("callbacks out of order: %q", w.wrong)
			}
		},
	}
	defer func() {
		// Also after a failure, or the bubble would complain of what is left.
		cm.Stop()
		cm.Wait()
		if w.open.Load() != 0 {
			rt.Errorf("%d connections are open after Stop", w.open.Load())
		}
		checkStopped(t, cm)
		checkEvents(t, w.world)
	}()
	rt.Repeat(actions)
}
