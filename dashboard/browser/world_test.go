package browser

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"holdfast/dashboard"
	"holdfast/internal/testenv"
	"holdfast/node"
	"holdfast/simnet"
	"holdfast/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a real node with peers on the loopback interface, and its dashboard.
type world struct {
	*dashboard.Server
	node *node.Node
	net  *simnet.Network
	hub  *stream.Hub
	stop func() // ends it now
}

// newWorld starts so many honest peers, which know each other, and a node that wants
// them all. Everything ends with the test.
func newWorld(t *testing.T, peers int, change func(*dashboard.Config)) *world {
	t.Helper()
	specs := make([]simnet.Spec, peers)
	for i := range specs {
		specs[i].Behaviour = simnet.Honest()
	}
	return newWorldOf(t, specs, peers, change)
}

// newWorldOf is newWorld with peers of any kind, of which the node wants so many.
func newWorldOf(t *testing.T, specs []simnet.Spec, target int, change func(*dashboard.Config)) *world {
	t.Helper()
	w := &world{hub: stream.NewHub(0)}
	var err error
	w.net, err = simnet.New(simnet.Config{Params: &chaincfg.SimNetParams, Transport: simnet.Loopback{}, Seed: 1, Peers: specs, Height: 800000})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.net.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.net.Close)

	meter := dashboard.NewMeter()
	cfg := node.Config{
		Params: &chaincfg.SimNetParams, Listen: []string{"127.0.0.1:0"}, TargetOutbound: target,
		AllowLoopback: true, Filter: netip.Addr.IsLoopback,
		Dial: func(ctx context.Context, addr net.Addr) (net.Conn, error) {
			if tcp, ok := addr.(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
				return nil, fmt.Errorf("not on this machine: %v", addr)
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr.String())
		},
		Seeds:        []node.Seed{},
		PingInterval: time.Second,
		OnEvent: func(e node.Event) {
			w.hub.Feed(e)
			meter.Feed(e)
		},
	}
	for _, p := range w.net.Peers() {
		cfg.Seeds = append(cfg.Seeds, node.Seed{Host: p.Addr().String()})
	}
	if w.node, err = node.New(cfg); err != nil {
		t.Fatal(err)
	}
	dash := dashboard.Config{Listen: []string{"127.0.0.1:0"}, Node: w.node, Hub: w.hub, Meter: meter}
	if change != nil {
		change(&dash)
	}
	if w.Server, err = dashboard.New(dash); err != nil {
		_ = w.node.Close()
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.node.Run(ctx); err != nil {
			t.Errorf("the node: %v", err)
		}
	})
	wg.Go(func() {
		if err := w.Serve(ctx); err != nil {
			t.Errorf("the dashboard: %v", err)
		}
	})
	w.stop = func() {
		cancel()
		wg.Wait()
		w.net.Close()
	}
	t.Cleanup(w.stop)
	return w
}

// base is the address of the page without the token.
func (w *world) base() string { return "http://" + w.Addrs()[0].String() }

// browser is a Chromium with one page, and what it asked for and complained of.
type browser struct {
	ctx context.Context
	t   *testing.T

	mu         sync.Mutex
	requests   []string
	complaints []string
}

// patience is for a page or a condition; it is reached only by what is broken.
const patience = 60 * time.Second

// open starts a browser of this size. It ends with the test.
func open(t *testing.T, width, height int64, options ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		testenv.Cannot(t, "there is no chromium (Debian: apt-get install chromium)")
	}
	options = append(append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.WindowSize(int(width), int(height)), chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true),
	), options...)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has no sandbox for root
	}
	allocated, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	b := &browser{ctx: ctx, t: t}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it waits for the browser's end
		cancel()
		cancelAllocator()
	})
	// The first call starts the browser, so it has no time-out of its own.
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatalf("no browser: %v", err)
	}
	command(b, network.Enable, network.EnableParams{})
	command(b, runtime.Enable, cdp.Empty{})
	command(b, cdplog.Enable, cdp.Empty{})
	size := []chromedp.EmulateViewportOption{}
	if width < 600 {
		size = append(size, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	b.do(chromedp.EmulateViewport(width, height, size...))
	return b
}

// command sends a command of the protocol.
func command[P, R any](b *browser, c cdp.Command[P, R], params P) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	}))
}

func (b *browser) listen(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *cdplog.EventEntryAdded:
		b.complaints = append(b.complaints, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, fmt.Sprintf("console.%s", e.Type))
	}
}

// clean checks that nothing went wrong in the page, and that it asked nobody else.
func (b *browser) clean(base string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser complains: %s", c)
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, base+"/") && !strings.HasPrefix(r, "about:") {
			b.t.Errorf("the page asked %s", r)
		}
	}
	if len(b.requests) == 0 {
		b.t.Error("no request was seen: the test sees nothing")
	}
}

// do runs actions, and fails the test if one does.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
}

// value runs an action, and returns what it does.
func value[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
	return v
}

// until waits for a JavaScript expression to be true, on whatever page comes next.
func (b *browser) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
		if err == nil {
			return
		}
		if ctx.Err() != nil || !left(err) {
			b.t.Fatalf("waiting for %s: %v", expression, err)
		}
	}
}

// left reports whether an error says that the page was left meanwhile.
func left(err error) bool {
	for _, text := range []string{"navigated", "Cannot find context", "context was destroyed"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// eval returns the value of a JavaScript expression.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	return value(b, chromedp.Evaluate[T](expression))
}

// shot saves a picture of the page where HOLDFAST_SHOTS says, if it says so.
func (b *browser) shot(name string, whole bool) {
	b.t.Helper()
	dir := os.Getenv("HOLDFAST_SHOTS")
	if dir == "" {
		return
	}
	action := chromedp.CaptureScreenshot()
	if whole {
		action = chromedp.FullScreenshot(100)
	}
	png := value(b, action)
	if err := os.WriteFile(dir+"/"+name+".png", png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
