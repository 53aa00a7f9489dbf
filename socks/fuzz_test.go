package socks

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// FuzzReply: whatever a proxy answers, the decoder returns the address that stands in
// the answer, or an error that says whose fault it is, and reads no more than it needs.
func FuzzReply(f *testing.F) {
	f.Add(okIPv4)
	f.Add(okIPv6)
	f.Add(okName)
	f.Add([]byte{5, 0xf0, 0, 1})
	f.Add([]byte{5, 0, 0, 3, 0, 0, 0})
	f.Add([]byte{5, 0, 0, 2, 0, 0, 0})
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		a, err := readReply(r)
		read := len(stream) - r.Len()
		reply, refused := errors.AsType[Reply](err)
		switch {
		case refused:
			if read != 4 || stream[0] != 5 || stream[1] != byte(reply) || reply == 0 || errors.Is(err, ErrProxy) {
				t.Fatalf("%x: %v after %d bytes", stream, err, read)
			}
		case err != nil:
			if !errors.Is(err, ErrProxy) || errors.Is(err, ErrProtocol) == errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrAnswer) {
				t.Fatalf("%x: error %v is of no known kind", stream, err)
			}
		default:
			// What was decoded, encoded again, is what was read.
			again := request(0, target{ip: a.ip, name: a.name})
			if a.ip.Is4() && stream[3] == addrIPv6 { // it came as IPv4-mapped
				ip := netip.AddrFrom16(a.ip.As16()).AsSlice()
				again = append([]byte{5, 0, 0, addrIPv6}, append(ip, 0, 0)...)
			}
			want := bytes.Clone(stream[:read])
			want[2], want[read-2], want[read-1] = 0, 0, 0 // reserved, and a port
			if !bytes.Equal(again, want) {
				t.Fatalf("%x was taken for %x", want, again)
			}
		}
		if err != nil && a != (answer{}) {
			t.Fatalf("%x: both an answer and an error: %v, %v", stream, a, err)
		}
	})
}

// FuzzHandshake: whatever a proxy says to whatever request, nothing panics, the
// connection is closed or handed out, and not a byte of the stream is lost.
func FuzzHandshake(f *testing.F) {
	f.Add(join(noLogin, okIPv4, "stream"), "", "", "example.org:80", false)
	f.Add(join(wantLogin, loggedIn, okName, "stream"), "user", "secret", "[2001:db8::1]:80", false)
	f.Add(join(wantLogin, loggedIn, okIPv6), "", "", "x.onion.:1", true)
	f.Add(join(wantLogin, []byte{1, 1}), "user", "", "192.0.2.1:1", false)
	f.Add([]byte("HTTP/1.0 400 Bad Request\r\n"), "", "", "a:80", false)
	f.Fuzz(func(t *testing.T, stream []byte, user, pass, address string, isolate bool) {
		const mark = "{hush}"
		if pass != "" {
			pass = mark + pass
		}
		r := bytes.NewReader(stream)
		d, c := script(Dialer{Username: user, Password: pass, Isolate: isolate}, r)
		conn, err := d.DialContext(t.Context(), "tcp", address)
		read := len(stream) - r.Len()
		if read > 266 {
			t.Fatalf("%d bytes were read", read)
		}
		for i, message := range c.sent {
			if i == 0 && (message[0] != 5 || int(message[1]) != len(message)-2) || len(message) > 513 {
				t.Fatalf("message %d is %x", i, message)
			}
		}
		if err != nil {
			if conn != nil || len(c.sent) != 0 && !c.closed {
				t.Fatalf("error %v, connection %v, closed %v", err, conn, c.closed)
			}
			if strings.Contains(err.Error(), mark) && !strings.Contains(address, mark) {
				t.Fatalf("the password is in %q", err)
			}
			return
		}
		if c.closed || conn == nil {
			t.Fatal("no error and no connection")
		}
		rest, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(rest, stream[read:]) {
			t.Fatalf("the stream is %x, not %x: %v", rest, stream[read:], err)
		}
		if isolate && (c.sent[0] != "\x05\x01\x02" || !strings.HasPrefix(c.sent[1], "\x01\x09<torS0X>0\x1a")) {
			t.Fatalf("not isolated: %q", c.sent)
		}
	})
}
