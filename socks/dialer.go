package socks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
)

// Dialer connects to addresses through a SOCKS5 proxy. It is safe for concurrent
// use; its fields must not be changed after the first use. Printed, it does not show
// the password.
type Dialer struct {
	// Proxy is where the proxy is: "host:port", an IP address or a name and a number
	// for a port, or "unix:/path/of/socket". It must be set. A login is no part of it.
	Proxy string

	// Username and Password are offered to the proxy if Username is not empty; the
	// proxy may do without. Username then has 1 to 255 bytes, Password at most 255
	// (RFC 1929; an empty one is sent as such). A Password needs a Username.
	Username, Password string

	// Isolate has Tor use a circuit of its own for each connection and each lookup,
	// or for those with the same token: see WithToken. It excludes Username and
	// Password. A proxy that takes no login, and so may not isolate, is refused with
	// ErrAuth.
	Isolate bool

	// DialProxy connects to the proxy; network is "tcp" or "unix". It must return
	// when its context ends. Nil means a net.Dialer. The DialContext of another
	// Dialer makes a chain of proxies.
	DialProxy func(ctx context.Context, network, address string) (net.Conn, error)
}

// Check returns an error if the Dialer cannot be used as it is set: the form of
// Proxy, the lengths of Username and Password, what excludes each other. It sends
// nothing. All other methods check the same. The error does not have what stands before
// an '@' in Proxy: it may be a password.
func (d *Dialer) Check() error {
	if err := d.check(); err != nil {
		return d.fail("check", "", err)
	}
	return nil
}

func (d *Dialer) check() error {
	if path, ok := strings.CutPrefix(d.Proxy, unixPrefix); ok {
		if path == "" {
			return errors.New("behind unix: the path of the proxy's socket is missing")
		}
	} else if err := checkHostPort(d.Proxy); err != nil {
		return err
	}
	switch login := d.Username != "" || d.Password != ""; {
	case !login:
		return nil
	case d.Isolate:
		return errors.New("isolation needs the user name and password for itself: set either")
	case d.Username == "":
		return errors.New("a password needs a user name")
	case len(d.Username) > maxField || len(d.Password) > maxField:
		return errors.New("user name and password have 255 bytes at most")
	}
	return nil
}

// checkHostPort says what is wrong with where a proxy is. It does not repeat it, for it
// may be a password that is wrong there.
func checkHostPort(proxy string) error {
	switch {
	case strings.Contains(proxy, "://"):
		return errors.New("a proxy is set as host:port: leave out \"://\" and what is before it")
	case strings.Contains(proxy, "@"):
		return errors.New("a proxy is set as host:port: what is before the '@' goes into Username and Password")
	}
	host, port, err := net.SplitHostPort(proxy)
	if err != nil || host == "" {
		return errors.New("a proxy is set as host:port or unix:/path/of/socket")
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.ContainsFunc(host, noHostLetter) {
		return errors.New("the host of a proxy is an IP address, or a name of letters, digits, dots and hyphens")
	}
	_, err = parsePort(port)
	return err
}

// noHostLetter reports whether no name in the DNS or in a hosts file has c.
func noHostLetter(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		return false
	}
	return true
}

const unixPrefix = "unix:"

// at returns where the proxy is.
func (d *Dialer) at() (network, address string) {
	if path, ok := strings.CutPrefix(d.Proxy, unixPrefix); ok {
		return "unix", path
	}
	return "tcp", d.Proxy
}

// DialContext connects to address, "host:port" with a number for a port, through the
// proxy. Network is "tcp", "tcp4" or "tcp6". A host that is an IP address goes to
// the proxy as such, an IPv4-mapped one as IPv4; any other goes as text, of 1 to 255
// visible ASCII bytes, and is resolved by the proxy: "tcp4" and "tcp6" mean nothing
// for it.
//
// The connection's RemoteAddr is the target, a *net.TCPAddr or an Addr; its
// LocalAddr is this end of the connection to the proxy. It has the methods of
// *net.TCPConn or *net.UnixConn if that is what it runs on, and a CloseWrite if
// what it runs on has one.
//
// The end of ctx before DialContext returns ends it with an error that wraps
// ctx.Err(); later it does no harm to the connection. Errors are an *Error, and a
// Reply or ErrProxy; what cannot be asked for is refused before anything is sent.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	t, err := parseAddress(network, address)
	if err != nil {
		return nil, d.fail("connect", address, err)
	}
	conn, _, err := d.ask(ctx, cmdConnect, t)
	if err != nil {
		return nil, d.fail("connect", address, err)
	}
	return withRemote(conn, t.addr()), nil
}

// Probe finds out whether the proxy serves: it connects, agrees on a login, logs in,
// asks nothing and hangs up. Errors are an *Error; unless ctx was canceled or the
// Dialer cannot be used, they are ErrProxy.
func (d *Dialer) Probe(ctx context.Context) error {
	conn, _, err := d.ask(ctx, cmdNone, target{})
	if err != nil {
		return d.fail("probe", "", err)
	}
	conn.Close() //nolint:errcheck // it has served
	return nil
}

func (d *Dialer) fail(op, target string, err error) error {
	return &Error{Op: op, Proxy: d.shown(), Target: target, Err: err}
}

// shown is Proxy without a login, which a Dialer that check refuses may have there.
func (d *Dialer) shown() string {
	if at := strings.LastIndex(d.Proxy, "@"); at >= 0 && !strings.HasPrefix(d.Proxy, unixPrefix) {
		return "..." + d.Proxy[at:]
	}
	return d.Proxy
}
