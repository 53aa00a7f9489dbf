package socks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// The bytes of RFC 1928 and RFC 1929, and Tor's two commands (its socks-extensions,
// "Name lookup").
const (
	version      = 5
	loginVersion = 1

	methodNone     = 0x00 // no login
	methodPassword = 0x02
	methodRefused  = 0xff // none of those offered

	cmdNone       = 0x00 // of our own: no request
	cmdConnect    = 0x01
	cmdResolve    = 0xf0
	cmdResolvePTR = 0xf1

	addrIPv4 = 0x01
	addrName = 0x03
	addrIPv6 = 0x04
)

// greeting offers ways to log in.
func greeting(methods []byte) []byte {
	return append([]byte{version, byte(len(methods))}, methods...)
}

// message is the login of RFC 1929.
func (l login) message() []byte {
	b := append([]byte{loginVersion, byte(len(l.user))}, l.user...)
	b = append(b, byte(len(l.pass)))
	return append(b, l.pass...)
}

// request asks for a target.
func request(command byte, t target) []byte {
	b := []byte{version, command, 0}
	switch {
	case t.ip.Is4():
		b = append(b, addrIPv4)
		b = append(b, t.ip.AsSlice()...)
	case t.ip.Is6():
		b = append(b, addrIPv6)
		b = append(b, t.ip.AsSlice()...)
	default:
		b = append(b, addrName, byte(len(t.name)))
		b = append(b, t.name...)
	}
	return binary.BigEndian.AppendUint16(b, t.port)
}

// answer is the address in a reply: an IP address or a name, which may be empty.
type answer struct {
	ip   netip.Addr
	name string
}

// readReply reads a reply, at most 262 bytes, and nothing past its end. The error is
// the Reply if the proxy refused, of whose reply no more than four bytes are read:
// what comes then is not needed, and not every proxy sends it.
func readReply(r io.Reader) (answer, error) {
	var head [4]byte // version, reply, reserved, type of address
	if err := readFull(r, head[:]); err != nil {
		return answer{}, err
	}
	if head[0] != version {
		return answer{}, faultf("%w: its reply begins with 0x%02x", ErrProtocol, head[0])
	}
	if reply := Reply(head[1]); reply != 0 {
		return answer{}, reply
	}
	var size int
	switch head[3] {
	case addrIPv4:
		size = 4
	case addrIPv6:
		size = 16
	case addrName:
		var n [1]byte
		if err := readFull(r, n[:]); err != nil {
			return answer{}, cutShort(err)
		}
		size = int(n[0])
	default:
		return answer{}, faultf("%w: there is no address type 0x%02x", ErrAnswer, head[3])
	}
	var buf [maxField + 2]byte // the address, and a port, which says nothing
	if err := readFull(r, buf[:size+2]); err != nil {
		return answer{}, cutShort(err)
	}
	if head[3] == addrName {
		return answer{name: string(buf[:size])}, nil
	}
	ip, _ := netip.AddrFromSlice(buf[:size])
	return answer{ip: ip.Unmap()}, nil
}

// readPair reads an answer of two bytes, and returns the second if the first is
// what it must be.
func readPair(r io.Reader, first byte) (byte, error) {
	var pair [2]byte
	if err := readFull(r, pair[:]); err != nil {
		return 0, err
	}
	if pair[0] != first {
		return 0, faultf("%w: its answer begins with 0x%02x", ErrProtocol, pair[0])
	}
	return pair[1], nil
}

// readFull fills buf. Its error is a fault, and io.ErrUnexpectedEOF if the proxy hung
// up.
func readFull(r io.Reader, buf []byte) error {
	_, err := io.ReadFull(r, buf)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return faultf("the proxy hung up: %w", io.ErrUnexpectedEOF)
	default:
		return faultf("the connection to the proxy broke: %w", err)
	}
}

// cutShort is ErrAnswer for an answer that the proxy did not finish.
func cutShort(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault{fmt.Errorf("%w: %w", ErrAnswer, err)}
	}
	return err
}
