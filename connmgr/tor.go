package connmgr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// TorLookupTimeout bounds the whole of a TorLookupIP. A lookup through Tor takes
// a few seconds; when a circuit has to be built first, seldom more than twenty.
const TorLookupTimeout = 30 * time.Second

// What TorLookupIP and TorLookupIPContext return, wrapped, when the proxy
// answers nonsense. What it answers to refuse is a TorError.
var (
	ErrTorInvalidAddressResponse = errors.New("the Tor proxy answered with something that is no address")
	ErrTorInvalidProxyResponse   = errors.New("the Tor proxy's answer is not SOCKS5")
	ErrTorUnrecognizedAuthMethod = errors.New("the Tor proxy wants authentication")
)

// TorError is the code by which a Tor proxy refused a request: 1 to 8 are those
// of SOCKS5 (RFC 1928), 0xF0 to 0xF7 are Tor's own. Its Error is the code in
// words. Use errors.As to get it, or errors.Is(err, TorError(4)) to test for one.
type TorError uint8

var torErrorText = map[TorError]string{
	0x01: "general failure",
	0x02: "not allowed by the proxy's rules",
	0x03: "network unreachable",
	0x04: "host unreachable or unknown",
	0x05: "connection refused",
	0x06: "timed out on the way (TTL expired)",
	0x07: "command not supported; is it a Tor proxy?",
	0x08: "address type not supported",

	// The extended errors, sent where the proxy's SocksPort has
	// ExtendedErrors set.
	0xf0: "onion service not found",
	0xf1: "onion service descriptor is invalid",
	0xf2: "onion service introduction failed",
	0xf3: "onion service rendezvous failed",
	0xf4: "onion service wants client authorization",
	0xf5: "onion service refused the client authorization",
	0xf6: "onion address is invalid",
	0xf7: "onion service introduction timed out",
}

// Error returns the code in words and as a number.
func (e TorError) Error() string {
	text, ok := torErrorText[e]
	if !ok {
		text = "unknown error"
	}
	return fmt.Sprintf("%s (Tor code %#02x)", text, uint8(e))
}

// TorLookupIP is TorLookupIPContext with a time limit of TorLookupTimeout and no
// other way to end it.
func TorLookupIP(host, proxy string) ([]net.IP, error) {
	ctx, cancel := context.WithTimeout(context.Background(), TorLookupTimeout)
	defer cancel()
	return TorLookupIPContext(ctx, host, proxy)
}

// TorLookupIPContext resolves a host name over Tor, by the RESOLVE extension to
// SOCKS5. Proxy is the TCP address of the proxy, as "127.0.0.1:9050"; no
// authentication is offered to it. Tor answers with one address, IPv4 or IPv6.
//
// The end of ctx ends the lookup at once, whatever it waits for, and the error
// then wraps ctx.Err(). A refusal by Tor is a TorError. Nonsense from the proxy is
// ErrTorInvalidProxyResponse, ErrTorInvalidAddressResponse or
// ErrTorUnrecognizedAuthMethod; if it hung up too early, io.ErrUnexpectedEOF as
// well. Other errors are those of the connection to the proxy. A host that is
// empty or longer than the 255 bytes that SOCKS5 can carry is refused before
// anything is sent.
func TorLookupIPContext(ctx context.Context, host, proxy string) ([]net.IP, error) {
	return torLookup(ctx, new(net.Dialer).DialContext, host, proxy)
}

// torLookup is TorLookupIPContext with the dialer given.
func torLookup(
	ctx context.Context,
	dial func(ctx context.Context, network, addr string) (net.Conn, error),
	host, proxy string,
) ([]net.IP, error) {
	if n := len(host); n == 0 || n > 255 {
		return nil, fmt.Errorf("connmgr: a host name to look up through Tor must have 1 to 255 bytes, not %d", n)
	}
	fail := func(err error) ([]net.IP, error) {
		if ctxErr := ctx.Err(); ctxErr != nil {
			err = ctxErr
		}
		return nil, fmt.Errorf("connmgr: looking up %q through the Tor proxy %s: %w", host, proxy, err)
	}

	conn, err := dial(ctx, "tcp", proxy)
	if err != nil {
		return fail(dialErr(ctx, err))
	}
	defer conn.Close()

	// Closing wakes a read and a write alike, whatever kind of conn it is.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	ip, err := torResolve(conn, host)
	if err != nil {
		return fail(err)
	}
	return []net.IP{ip}, nil
}

// dialErr returns context.DeadlineExceeded where err is what a dialer returns
// that saw the deadline of ctx pass a moment before ctx itself did.
func dialErr(ctx context.Context, err error) error {
	var ne net.Error
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) && errors.As(err, &ne) && ne.Timeout() {
		return context.DeadlineExceeded
	}
	return err
}

const (
	socksVersion    = 5
	socksNoAuth     = 0x00
	socksTorResolve = 0xf0
	socksIPv4       = 1
	socksDomain     = 3
	socksIPv6       = 4
)

// torResolve asks the Tor proxy at the other end of conn for the address of host,
// which must have 1 to 255 bytes.
func torResolve(conn io.ReadWriter, host string) (net.IP, error) {
	if _, err := conn.Write([]byte{socksVersion, 1, socksNoAuth}); err != nil {
		return nil, err
	}
	var choice [2]byte
	if err := torReadFull(conn, choice[:], ErrTorInvalidProxyResponse); err != nil {
		return nil, err
	}
	if choice[0] != socksVersion {
		return nil, fmt.Errorf("%w (it begins with %#02x)", ErrTorInvalidProxyResponse, choice[0])
	}
	if choice[1] != socksNoAuth {
		return nil, fmt.Errorf("%w (method %#02x)", ErrTorUnrecognizedAuthMethod, choice[1])
	}

	req := []byte{socksVersion, socksTorResolve, 0, socksDomain, byte(len(host))}
	req = append(req, host...)
	req = append(req, 0, 0) // the port: not used
	if _, err := conn.Write(req); err != nil {
		return nil, err
	}
	return readTorReply(conn)
}

// readTorReply reads the reply to a RESOLVE: at most 22 bytes, and nothing past
// its end.
func readTorReply(r io.Reader) (net.IP, error) {
	var head [4]byte // version, reply code, reserved, address type
	if err := torReadFull(r, head[:], ErrTorInvalidProxyResponse); err != nil {
		return nil, err
	}
	if head[0] != socksVersion {
		return nil, fmt.Errorf("%w (it begins with %#02x)", ErrTorInvalidProxyResponse, head[0])
	}
	if code := TorError(head[1]); code != 0 {
		if _, known := torErrorText[code]; !known {
			return nil, fmt.Errorf("%w (reply code %#02x)", ErrTorInvalidProxyResponse, head[1])
		}
		return nil, code
	}

	var size int
	switch head[3] {
	case socksIPv4:
		size = net.IPv4len
	case socksIPv6:
		size = net.IPv6len
	default:
		return nil, fmt.Errorf("%w (address type %#02x)", ErrTorInvalidAddressResponse, head[3])
	}
	var buf [net.IPv6len + 2]byte // the address and a port, which says nothing
	if err := torReadFull(r, buf[:size+2], ErrTorInvalidAddressResponse); err != nil {
		return nil, err
	}
	if size == net.IPv4len {
		return net.IPv4(buf[0], buf[1], buf[2], buf[3]), nil
	}
	return net.IP(buf[:size:size]), nil
}

// torReadFull fills buf. If the data ends too early the error is short and
// io.ErrUnexpectedEOF.
func torReadFull(r io.Reader, buf []byte, short error) error {
	_, err := io.ReadFull(r, buf)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: %w", short, io.ErrUnexpectedEOF)
	}
	return err
}
