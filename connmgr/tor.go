package connmgr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"holdfast/socks"
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
type TorError = socks.Reply

// TorLookupIP is TorLookupIPContext with a time limit of TorLookupTimeout and no
// other way to end it.
func TorLookupIP(host, proxy string) ([]net.IP, error) {
	ctx, cancel := context.WithTimeout(context.Background(), TorLookupTimeout)
	defer cancel()
	return TorLookupIPContext(ctx, host, proxy)
}

// TorLookupIPContext resolves a host name over Tor, by the RESOLVE extension to
// SOCKS5. Proxy is the address of the proxy, as "127.0.0.1:9050" or
// "unix:/run/tor/socks"; no authentication is offered to it. Tor answers with one
// address, IPv4 or IPv6. A socks.Dialer does the same and more.
//
// The end of ctx ends the lookup at once, whatever it waits for, and the error
// then wraps ctx.Err(). A refusal by Tor is a TorError. Nonsense from the proxy is
// ErrTorInvalidProxyResponse, ErrTorInvalidAddressResponse or
// ErrTorUnrecognizedAuthMethod; if it hung up too early, io.ErrUnexpectedEOF as
// well. Other errors are those of the connection to the proxy. All of them wrap a
// *socks.Error. A host that is empty, longer than the 255 bytes that SOCKS5 can
// carry, or not of visible ASCII bytes, is refused before anything is sent.
func TorLookupIPContext(ctx context.Context, host, proxy string) ([]net.IP, error) {
	return torLookup(ctx, &socks.Dialer{Proxy: proxy}, host)
}

// torLookup is TorLookupIPContext with the dialer given.
func torLookup(ctx context.Context, d *socks.Dialer, host string) ([]net.IP, error) {
	ip, err := d.Resolve(ctx, host)
	if err != nil {
		return nil, torError(err)
	}
	return []net.IP{net.IP(ip.AsSlice()).To16()}, nil // the form that net.LookupIP has
}

// torError adds to an error of socks what it is called here.
func torError(err error) error {
	code, refused := errors.AsType[TorError](err)
	switch {
	case refused && (code <= 8 || code >= 0xf0 && code <= 0xf7):
	case refused: // not wrapped: it is no TorError
		return fmt.Errorf("connmgr: %w: %v", ErrTorInvalidProxyResponse, err)
	case errors.Is(err, socks.ErrAuth):
		return fmt.Errorf("connmgr: %w: %w", ErrTorUnrecognizedAuthMethod, err)
	case errors.Is(err, socks.ErrAnswer):
		return fmt.Errorf("connmgr: %w: %w", ErrTorInvalidAddressResponse, err)
	case errors.Is(err, socks.ErrProtocol), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("connmgr: %w: %w", ErrTorInvalidProxyResponse, err)
	}
	return fmt.Errorf("connmgr: %w", err)
}
