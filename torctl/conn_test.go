package torctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A context that ends ends a call at that moment, wherever it is.
func TestContextEndsEachCall(t *testing.T) {
	t.Parallel()
	const wait = 200 * time.Millisecond
	check := func(t *testing.T, call func(ctx context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		began := time.Now()
		err := call(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != wait {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	}
	dial := func(o Options) func(ctx context.Context) error {
		return func(ctx context.Context) error { _, err := Dial(ctx, o); return err }
	}
	t.Run("dial", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			check(t, dial(Options{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}}))
		})
	})
	t.Run("nothing is read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			end := make(chan struct{})
			defer close(end)
			check(t, dial(piped(func(net.Conn) { <-end })))
		})
	})
	t.Run("half is read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			end := make(chan struct{})
			defer close(end)
			check(t, dial(piped(func(nc net.Conn) { _, _ = nc.Read(make([]byte, 5)); <-end })))
		})
	})
	t.Run("half an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { check(t, dial(piped(says("250-PROTOCOLINFO 1\r\n250-AU")))) })
	})
	for _, silentAt := range []string{"PROTOCOLINFO", "AUTHCHALLENGE", "AUTHENTICATE"} {
		t.Run(silentAt, func(t *testing.T) {
			file := cookieFile(t, testCookie)
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTor{auth: "METHODS=SAFECOOKIE COOKIEFILE=" + quoted(file), cookie: []byte(testCookie)}
				f.answer = func(line string) (string, bool) { return "", strings.HasPrefix(line, silentAt) }
				check(t, dial(f.options()))
			})
		})
	}
	t.Run("a call, and those behind it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeTor{answer: func(line string) (string, bool) { return "", strings.HasPrefix(line, "GETINFO") }}
			c := open(t, f.options())
			for range 3 {
				check(t, func(ctx context.Context) error {
					_, err := c.GetInfo(ctx, "version")
					if !errors.Is(err, ErrSilent) {
						t.Errorf("%v is no ErrSilent", err)
					}
					return err
				})
			}
			if c.Err() != nil {
				t.Error(c.Err())
			}
			f.said()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := open(t, f.options()).GetInfo(ctx, "late"); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if said := f.said(); len(said) != 2 {
				t.Errorf("said %q", said)
			}
		})
	})
}

// A caller that has left does not get the next one's answer.
func TestAbandonedCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ask := make(chan struct{})
		c := open(t, piped(func(nc net.Conn) {
			in := bufio.NewScanner(nc)
			for in.Scan() {
				switch key, get := strings.CutPrefix(in.Text(), "GETINFO "); {
				case key == "slow":
					<-ask
					fallthrough
				case get:
					_, _ = fmt.Fprintf(nc, "250-%s=%s\r\n250 OK\r\n", key, key)
				default:
					_, _ = io.WriteString(nc, "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=NULL\r\n250 OK\r\n")
				}
			}
		}))
		if c.Version() != "" {
			t.Error(c.Version()) // Tor need not tell
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.GetInfo(ctx, "slow"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.AfterFunc(time.Minute, func() { close(ask) })
		if v, err := c.GetInfo(t.Context(), "quick"); v != "quick" || err != nil {
			t.Error(v, err)
		}
	})
}

func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{answer: func(line string) (string, bool) {
			key, ok := strings.CutPrefix(line, "GETINFO ")
			return "650 NOISE\r\n250-" + key + "=" + key + "\r\n250 OK\r\n", ok
		}}
		c := open(t, f.options())
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for j := range 20 {
					key := fmt.Sprintf("key-%d-%d", i, j)
					if v, err := c.GetInfo(t.Context(), key); v != key || err != nil {
						t.Errorf("%s: %q, %v", key, v, err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestInfo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		c := open(t, f.options())
		if v, err := c.GetInfo(t.Context(), "version"); v != "0.4.9.8" || c.Version() != v || err != nil {
			t.Error(v, err)
		}
		if l, err := c.SocksListeners(t.Context()); !slices.Equal(l, []string{"127.0.0.1:9050", "unix:/run/tor/a b"}) || err != nil {
			t.Errorf("%q, %v", l, err)
		}
		if n, err := c.Bootstrapped(t.Context()); n != 85 || err != nil {
			t.Error(n, err)
		}
		if _, err := c.GetInfo(t.Context(), "x"); !isReply(err, 552) || err.Error() != `Tor answers 552: Unrecognized key "x"` {
			t.Error(err)
		}
		for _, tt := range []struct{ answer, want string }{
			{"250-x=\r\n250 OK\r\n", ""},
			{"250-x=a=b \"c\"\r\n250 OK\r\n", `a=b "c"`},
			{"250+x=\r\na\r\n\r\nb\r\n.\r\n250 OK\r\n", "a\n\nb"},
			{"250+x=\r\n.\r\n250 OK\r\n", ""},
			{"251 x=1\r\n", "1"},
		} {
			f.set(func() { f.answer = func(string) (string, bool) { return tt.answer, true } })
			if v, err := c.GetInfo(t.Context(), "x"); v != tt.want || err != nil {
				t.Errorf("%q: %q, %v", tt.answer, v, err)
			}
		}
		for _, answer := range []string{
			"250 OK\r\n", "250-y=1\r\n250 OK\r\n", "250-net/listeners/socks=9050\r\n250 OK\r\n",
			"250-status/bootstrap-phase=\r\n250 OK\r\n", "250-status/bootstrap-phase=PROGRESS=101\r\n250 OK\r\n",
			"250-status/bootstrap-phase=PROGRESS=-1\r\n250 OK\r\n", "250-status/bootstrap-phase=PROGRESS=1 X=\"\r\n250 OK\r\n",
		} {
			f.set(func() { f.answer = func(string) (string, bool) { return answer, true } })
			_, err := c.GetInfo(t.Context(), "x")
			_, errSocks := c.SocksListeners(t.Context())
			_, errBoot := c.Bootstrapped(t.Context())
			for _, err := range []error{err, errSocks, errBoot} {
				if !errors.Is(err, ErrProtocol) {
					t.Errorf("%q: %v", answer, err)
				}
			}
		}
	})
}

func TestNotices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{answer: func(line string) (string, bool) {
			if line != "SETEVENTS STATUS_CLIENT HS_DESC" {
				return "", false
			}
			text := "650 STATUS_CLIENT NOTICE X\r\n" +
				"650+HS_DESC_CONTENT a\r\nb\r\nc\r\n.\r\n650 OK\r\n" +
				"650-NS\r\n650-d\r\n650 OK\r\n250 OK\r\n" +
				strings.Repeat("650 FLOOD\r\n", 10*noticeQueue)
			return text, true
		}}
		c := open(t, f.options())
		if err := c.SetEvents(t.Context(), "STATUS_CLIENT", "HS_DESC"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetInfo(t.Context(), "version"); err != nil { // the flood is over
			t.Fatal(err)
		}
		_ = c.Close()
		var got []Notice
		for n := range c.Notices() {
			got = append(got, n)
		}
		want := []Notice{{"STATUS_CLIENT", "NOTICE X", ""}, {"HS_DESC_CONTENT", "a", "b\nc"}, {"NS", "", "d"}}
		if len(got) != noticeQueue || !slices.Equal(got[:3], want) || got[3].Name != "FLOOD" {
			t.Errorf("%d: %q", len(got), got)
		}
	})
}

func TestOnion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		c := open(t, f.options())
		f.said()
		o := Onion{VirtualPort: 8333, Target: "127.0.0.1:8334", Flags: []string{"A", "B"}}
		p, err := c.AddOnion(t.Context(), o)
		if err != nil || p.Key != fakeKey(1) {
			t.Fatal(p.ServiceID, err)
		}
		if host, err := p.Host(); err != nil || host.String() != p.ServiceID+".onion" {
			t.Error(host, err)
		}
		o.Key = p.Key
		if _, err := c.AddOnion(t.Context(), o); !isReply(err, 550) {
			t.Error(err)
		}
		if err := c.DelOnion(t.Context(), p.ServiceID); err != nil {
			t.Error(err)
		}
		if err := c.DelOnion(t.Context(), p.ServiceID); !isReply(err, 552) {
			t.Error(err)
		}
		if again, err := c.AddOnion(t.Context(), o); err != nil || again.ServiceID != p.ServiceID || again.Key != p.Key {
			t.Error(again.ServiceID, err)
		}
		want := []string{
			"ADD_ONION NEW:ED25519-V3 Flags=A,B Port=8333,127.0.0.1:8334",
			"ADD_ONION " + p.Key + " Flags=A,B Port=8333,127.0.0.1:8334",
			"DEL_ONION " + p.ServiceID, "DEL_ONION " + p.ServiceID,
			"ADD_ONION " + p.Key + " Flags=A,B Port=8333,127.0.0.1:8334",
		}
		if got := f.said(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}

		for _, answer := range []string{
			"250 OK\r\n", "250-ServiceID=x\r\n250 OK\r\n", "250-ServiceID=../x\r\n250-PrivateKey=" + p.Key + "\r\n250 OK\r\n",
			"250-ServiceID=" + p.ServiceID + "\r\n250-PrivateKey=RSA1024:AAAA\r\n250 OK\r\n",
		} {
			f.set(func() { f.answer = func(string) (string, bool) { return answer, true } })
			if got, err := c.AddOnion(t.Context(), Onion{VirtualPort: 1, Target: "x"}); !errors.Is(err, ErrProtocol) || got.ServiceID != "" {
				t.Errorf("%q: %v", answer, err)
			}
		}
	})
}

// Nothing that a caller gives becomes a second word or command.
func TestNoLineGetsAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		c := open(t, f.options())
		f.said()
		ctx := t.Context()
		for i, call := range []func(bad string) error{
			func(bad string) error { _, err := c.GetInfo(ctx, bad); return err },
			func(bad string) error { return c.SetEvents(ctx, bad) },
			func(bad string) error { return c.DelOnion(ctx, bad) },
			func(bad string) error {
				_, err := c.AddOnion(ctx, Onion{VirtualPort: 1, Target: bad})
				return err
			},
			func(bad string) error {
				_, err := c.AddOnion(ctx, Onion{VirtualPort: 1, Target: "x", Flags: []string{bad}})
				return err
			},
			func(bad string) error {
				_, err := c.AddOnion(ctx, Onion{Key: fakeKey(1) + bad, VirtualPort: 1, Target: "x"})
				return err
			},
		} {
			for _, bad := range []string{"a b", "a\r\nSIGNAL HALT", "a\n", "\x00", "é", " "} {
				if err := call(bad); err == nil {
					t.Errorf("call %d takes %q", i, bad)
				}
			}
		}
		for _, o := range []Onion{{Target: "x"}, {VirtualPort: 1}, {Key: "x", VirtualPort: 1, Target: "x"}} {
			if _, err := c.AddOnion(ctx, o); err == nil {
				t.Errorf("%v is taken", o)
			}
		}
		if _, err := c.GetInfo(ctx, ""); err == nil {
			t.Error("an empty word is taken")
		}
		if got := f.said(); len(got) != 0 {
			t.Errorf("said %q", got)
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{answer: func(line string) (string, bool) { return "", strings.HasPrefix(line, "GETINFO") }}
		c := open(t, f.options())
		if c.Err() != nil {
			t.Error(c.Err())
		}
		var wg sync.WaitGroup
		for range 3 { // one under way, two behind it
			wg.Go(func() {
				if _, err := c.GetInfo(t.Context(), "version"); !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for range 2 {
			if err := c.Close(); err != nil || !errors.Is(c.Err(), ErrClosed) {
				t.Error(err, c.Err())
			}
		}
		wg.Wait()
		if _, err := c.GetInfo(t.Context(), "version"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// The end of Tor is seen at once.
func TestTorEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		c := open(t, f.options())
		f.kill()
		<-c.Done()
		if _, err := c.GetInfo(t.Context(), "version"); err == nil || errors.Is(err, ErrClosed) || err != c.Err() {
			t.Error(err)
		}
	})
}

// Tor says why it ends the connection; that is not lost.
func TestLastWords(t *testing.T) {
	t.Parallel()
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeTor{auth: "METHODS=HASHEDPASSWORD", password: "right"}
			o := f.options()
			o.Password = "wrong"
			if _, err := Dial(t.Context(), o); !isReply(err, 515) {
				t.Error(err)
			}
		})
	}
}
