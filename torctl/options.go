package torctl

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
)

// DefaultAddress is where Tor's control port is by custom.
const DefaultAddress = "127.0.0.1:9051"

// Options say where the control port is, and how to be let in. They never show the
// password: not by fmt, log/slog or encoding/json.
type Options struct {
	// Address is host:port, or unix: and the path of a socket. "" means
	// DefaultAddress.
	Address string

	// Password is the one that HashedControlPassword in torrc was made of. It is used
	// if Tor offers that, before a cookie file; but not if Tor needs nothing. "" means
	// that there is none.
	Password string `json:"-"`

	// DialContext makes the connection; network is "tcp" or "unix". Nil means that of
	// a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error) `json:"-"`
}

// target returns the network and address to dial.
func (o Options) target() (network, address string) {
	if path, ok := strings.CutPrefix(o.Address, "unix:"); ok {
		return "unix", path
	}
	if o.Address == "" {
		return "tcp", DefaultAddress
	}
	return "tcp", o.Address
}

func (o Options) dial(ctx context.Context) (net.Conn, error) {
	dial := o.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	network, address := o.target()
	nc, err := dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("torctl: no control port at %s (does Tor run, with a ControlPort in its torrc?): %w", address, err)
	}
	return nc, nil
}

// secret is how something is shown that is not to be read.
func secret(s string) string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// Format is for fmt. It shows the password by no verb.
func (o Options) Format(f fmt.State, _ rune) {
	_, address := o.target()
	_, _ = fmt.Fprintf(f, "{Address:%s Password:%s}", address, secret(o.Password))
}

// LogValue is for log/slog.
func (o Options) LogValue() slog.Value {
	_, address := o.target()
	return slog.GroupValue(slog.String("address", address), slog.String("password", secret(o.Password)))
}

var (
	_ fmt.Formatter  = Options{}
	_ slog.LogValuer = Options{}
	_ io.Closer      = (*Conn)(nil)
)
