package connmgr

import (
	"errors"
	"log/slog"
	"net"
	"testing"

	"holdfast/connmgr"
)

// These need only compile: what callers of btcd's package write.
var (
	_ = &ConnReq{Addr: &net.TCPAddr{}, Permanent: true}
	_ = Config{
		Listeners: nil, OnAccept: func(net.Conn) {}, MaxInbound: new(uint32), TargetOutbound: 8,
		RetryDuration: 1, OnConnection: func(*ConnReq, net.Conn) {}, OnDisconnection: func(*ConnReq) {},
		GetNewAddress: func() (net.Addr, error) { return nil, nil },
		Dial:          func(net.Addr) (net.Conn, error) { return nil, nil },
	}
	_ uint8         = uint8(ConnDisconnected)
	_ [Halflife]int // untyped constants
	_ float32       = Lifetime
	_ *ConnReq      = (*connmgr.ConnReq)(nil)
	_ ConnOption    = WithTriggerReconnect()
	_               = comparable1[ConnReq]
	_               = comparable1[ConnState]
	_               = comparable1[*ConnManager]
)

func comparable1[T comparable](a, b *T) bool { return *a == *b }

func TestConstants(t *testing.T) {
	for i, s := range []ConnState{ConnPending, ConnFailing, ConnCanceled, ConnEstablished, ConnDisconnected} {
		if int(s) != i {
			t.Errorf("%v = %d, want %d", s, uint8(s), i)
		}
	}
}

func TestConnReqCompare(t *testing.T) {
	addr := &net.TCPAddr{Port: 1}
	a, b := &ConnReq{Addr: addr}, &ConnReq{Addr: addr}
	if !comparable1(a, b) {
		t.Error("two equal requests are not ==")
	}
	if b.Permanent = true; comparable1(a, b) {
		t.Error("two different requests are ==")
	}
}

func TestNewErrors(t *testing.T) {
	if _, err := New(&Config{}); !errors.Is(err, ErrDialNil) {
		t.Errorf("New without Dial: %v, want ErrDialNil", err)
	}
}

func TestTorLookupIP(t *testing.T) {
	if ips, err := TorLookupIP("", "127.0.0.1:9050"); err == nil {
		t.Errorf("an empty name was looked up: %v", ips)
	}
}

// Two managers made from one Config must not share what New fills in.
func TestDefect19NewDoesNotWriteConfig(t *testing.T) {
	cfg := &Config{Dial: func(net.Addr) (net.Conn, error) { return nil, errors.New("no") }}
	done := make(chan error)
	for range 2 {
		go func() {
			_, err := New(cfg)
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if cfg.Logger != nil || cfg.RetryDuration != 0 || cfg.TargetOutbound != 0 {
		t.Errorf("New wrote into the caller's Config: %+v", cfg)
	}
}

func TestNewKeepsLogger(t *testing.T) {
	buf := useBuffer(t)
	cfg := &Config{
		Dial:   func(net.Addr) (net.Conn, error) { return nil, errors.New("no") },
		Logger: slog.New(slog.DiscardHandler),
	}
	connectOnce(t, cfg)
	if got := buf.String(); got != "" {
		t.Errorf("a Config with a Logger of its own wrote to that of UseLogger: %q", got)
	}
}

// connectOnce runs a manager through one connection request.
func connectOnce(t *testing.T, cfg *Config) {
	t.Helper()
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.Start()
	m.Connect(&ConnReq{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8333}})
	m.Stop()
	m.Wait()
}
