package torctl

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Who listens on the port may be anything.
func TestGarbage(t *testing.T) {
	t.Parallel()
	info := func(auth string) string { return "250-PROTOCOLINFO 1\r\n250-AUTH " + auth + "\r\n250 OK\r\n" }
	for _, tt := range []struct {
		name, says string
		want       error
	}{
		{"HTTP", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ErrProtocol},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", ErrProtocol},
		{"SMTP", "220 mail.example.org ESMTP\r\n", ErrProtocol},
		{"zeros", strings.Repeat("\x00", 100000), ErrProtocol},
		{"an error", "510 Unrecognized command\r\n", ErrProtocol},
		{"nothing of itself", "250 OK\r\n", ErrProtocol},
		{"AUTH alone", "250-AUTH METHODS=NULL\r\n250 OK\r\n", ErrProtocol},
		{"no AUTH", "250-PROTOCOLINFO 1\r\n250 OK\r\n", ErrProtocol},
		{"a broken path", info(`METHODS=SAFECOOKIE COOKIEFILE="/x`), ErrProtocol},
		{"a broken version", "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=NULL\r\n250-VERSION Tor=\"\\400\"\r\n250 OK\r\n", ErrProtocol},
		{"no methods", info("METHODS="), ErrAuth},
		{"unknown methods", info("METHODS=RETINA"), ErrAuth},
		{"two answers", strings.Repeat(info("METHODS=NULL"), 3), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, err := Dial(t.Context(), piped(says(tt.says)))
				if tt.want == nil {
					// The second answers AUTHENTICATE, the third nothing.
					if err == nil {
						defer c.Close()
						<-c.Done()
						err = c.Err()
					}
					tt.want = ErrProtocol
				}
				if !errors.Is(err, tt.want) {
					t.Error(err)
				}
			})
		})
	}
}

// Who sends without end is cut off after what we hold of a reply.
func TestGigabytes(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"250-x\r\n", "x", "\r\n", "250+a=\r\n", "250 " + strings.Repeat("x", 4000)} {
		t.Run(fmt.Sprintf("%.10q", part), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int64
				c, err := Dial(t.Context(), piped(func(nc net.Conn) {
					go func() { _, _ = io.Copy(io.Discard, nc) }()
					block := []byte(strings.Repeat(part, 1+4096/len(part)))
					for sent.Load() < 1<<30 {
						n, err := nc.Write(block)
						sent.Add(int64(n))
						if err != nil {
							return
						}
					}
				}))
				synctest.Wait()
				if c != nil || !errors.Is(err, ErrProtocol) || sent.Load() > 2*maxReply {
					t.Errorf("%v after %d bytes", err, sent.Load())
				}
			})
		})
	}
}

func TestOneByteAtATime(t *testing.T) {
	t.Parallel()
	file := cookieFile(t, testCookie)
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{auth: "METHODS=COOKIE,SAFECOOKIE COOKIEFILE=" + quoted(file), cookie: []byte(testCookie), slow: true}
		c := open(t, f.options())
		p, err := c.AddOnion(t.Context(), Onion{VirtualPort: 8333, Target: "127.0.0.1:8334"})
		if err != nil || p.Key != fakeKey(1) || !slices.Equal(f.published(), []string{p.ServiceID}) {
			t.Error(p.ServiceID, err)
		}
	})
}
