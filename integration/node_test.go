package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/connmgr"
	"holdfast/node"
)

// events are those of a node, as they come.
type events struct {
	mu   sync.Mutex
	list []node.Event
	seen int           // how many next has passed
	more chan struct{} // closed at the next change
}

func (ev *events) add(e node.Event) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.list = append(ev.list, e)
	close(ev.more)
	ev.more = make(chan struct{})
}

// next waits for the next event that fits, after the one that it returned last,
// and returns it.
func (ev *events) next(ctx context.Context, t *testing.T, what string, fits func(node.Event) bool) node.Event {
	t.Helper()
	for {
		ev.mu.Lock()
		for ; ev.seen < len(ev.list); ev.seen++ {
			if e := ev.list[ev.seen]; fits(e) {
				ev.seen++
				ev.mu.Unlock()
				return e
			}
		}
		more := ev.more
		ev.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("no event: %s (%v)", what, context.Cause(ctx))
		}
	}
}

// again makes next look at all events from the first.
func (ev *events) again() {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.seen = 0
}

// all returns the events so far that fit.
func (ev *events) all(fits func(node.Event) bool) []node.Event {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	var found []node.Event
	for _, e := range ev.list {
		if fits(e) {
			found = append(found, e)
		}
	}
	return found
}

// text returns the events so far as lines.
func (ev *events) text() string {
	var b strings.Builder
	for _, e := range ev.all(func(node.Event) bool { return true }) {
		fmt.Fprintf(&b, "%s %s: %s\n", e.Time.Format("15:04:05.000"), e.Subsystem(), e)
	}
	return b.String()
}

// runNode runs a node of regtest until the test ends, and checks that it ends
// well.
func runNode(t *testing.T, cfg node.Config) (*node.Node, *events) {
	t.Helper()
	ev := &events{more: make(chan struct{})}
	cfg.Params = &chaincfg.RegressionNetParams
	cfg.OnEvent = ev.add
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the node's events:\n%s", ev.text())
		}
	})
	return n, ev
}

// about selects the events of a kind about an address; "" means any.
func about(kind node.Kind, addr string) func(node.Event) bool {
	return func(e node.Event) bool { return e.Kind == kind && isAbout(e, addr) }
}

// connection selects connmgr's events of a type about an address; "" means any.
func connection(typ connmgr.EventType, addr string) func(node.Event) bool {
	return func(e node.Event) bool {
		return e.Kind == node.KindConnection && e.Type == typ && isAbout(e, addr)
	}
}

func isAbout(e node.Event, addr string) bool {
	return addr == "" || e.Addr != nil && e.Addr.String() == addr
}

// inbound selects the events of a kind about a connection that came by itself.
func inbound(kind node.Kind) func(node.Event) bool {
	return func(e node.Event) bool { return e.Kind == kind && e.Inbound }
}

// blamed selects the events that hold something against a peer.
func blamed(e node.Event) bool {
	return e.Kind == node.KindOffence || e.Kind == node.KindBanned || e.Kind == node.KindTurnedAway
}

// hungUp reports whether a session ended because the other side closed it, one
// way or the other.
func hungUp(why node.Reason) bool {
	return why == node.ReasonRemoteClosed || why == node.ReasonReset
}
