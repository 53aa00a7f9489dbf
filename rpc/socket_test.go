package rpc

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// open opens a websocket to a server in memory.
func (p *pipes) open(ctx context.Context, header http.Header) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(ctx, "ws://localhost/ws", &websocket.DialOptions{
		HTTPHeader: header,
		HTTPClient: &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true, // of those that are refused
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return p.dial(), nil },
		}},
	})
}

// basic is a header with a password.
func basic(password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password))}}
}

// mustOpen opens a websocket that lets go of everything at the end of the test.
func mustOpen(t *testing.T, p *pipes, header http.Header) *websocket.Conn {
	t.Helper()
	c, _, err := p.open(t.Context(), header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(-1)
	return c
}

func say(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatalf("%.60s: %v", text, err)
	}
}

func hear(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, b, err := c.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// untilCut reads until the server closes, and returns how and when.
func untilCut(c *websocket.Conn) (websocket.StatusCode, time.Duration) {
	start := time.Now()
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			return websocket.CloseStatus(err), time.Since(start)
		}
	}
}

const (
	cutOff     = websocket.StatusCode(-1) // no close frame
	authCall   = `{"jsonrpc":"1.0","id":1,"method":"authenticate","params":["alice","secret"]}`
	countReply = `{"result":2,"error":null,"id":1}`
)

// Who logs in by the header or by the first message is answered as by POST.
func TestSocket(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, p *pipes) {
		for name, c := range map[string]*websocket.Conn{
			"by the header": mustOpen(t, p, basic("secret")),
			"by a message":  mustOpen(t, p, nil),
		} {
			if name == "by a message" {
				say(t, c, authCall)
				if got := hear(t, c); got != `{"result":null,"error":null,"id":1}` {
					t.Errorf("authenticate: %s", got)
				}
			}
			for _, x := range []struct{ said, want string }{
				{anyCall, countReply},
				{`{"jsonrpc":"2.0","id":"x","method":"getconnectioncount"}`, `{"jsonrpc":"2.0","result":2,"id":"x"}`},
				{"[" + anyCall + `,{"id":2,"method":"nothing"}]`, "[" + countReply + `,{"result":null,"error":{"code":-32601,`},
				{`{"id":1,"method":"notifyblocks","params":[]}`, `{"result":null,"error":{"code":-32601,`},
				{`{"id":1,"method":"session"}`, `{"result":{"sessionid":`},
				{"{", `{"result":null,"error":{"code":-32700,`},
			} {
				say(t, c, x.said)
				if got := hear(t, c); !strings.HasPrefix(got, x.want) {
					t.Errorf("%s: %s: %s, want %s", name, x.said, got, x.want)
				}
			}
			say(t, c, `{"jsonrpc":"2.0","method":"ping"}`) // no answer
			say(t, c, anyCall)
			if got := hear(t, c); got != countReply {
				t.Errorf("%s: after a notification: %s", name, got)
			}
			_ = c.Close(websocket.StatusNormalClosure, "")
		}
		if w := s.ask(`{"id":1,"method":"session"}`); w.Code != http.StatusNotFound {
			t.Errorf("session by POST: %d %s", w.Code, w.Body)
		}
	})
}

// What is refused before there is a websocket.
func TestSocketDoor(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, p *pipes) {
		with := func(k, v string) http.Header { h := basic("secret"); h.Set(k, v); return h }
		for _, x := range []struct {
			name   string
			header http.Header
			want   int
			after  time.Duration
		}{
			{"a wrong password", basic("guess"), 401, wrongDelay},
			{"a page of another site", with("Origin", "https://evil.example"), 403, 0},
			{"a page of another port", with("Origin", "http://localhost:3000"), 403, 0},
			{"a page in a file", with("Origin", "null"), 403, 0},
			{"another site, newer browser", with("Sec-Fetch-Site", "cross-site"), 403, 0},
			{"a page of another site that guesses", http.Header{"Origin": {"https://evil.example"}, "Authorization": basic("guess")["Authorization"]}, 403, 0},
		} {
			start := time.Now()
			c, resp, err := p.open(t.Context(), x.header)
			if err == nil {
				_ = c.CloseNow()
				t.Errorf("%s: let in", x.name)
			} else if resp.StatusCode != x.want || time.Since(start) != x.after {
				t.Errorf("%s: %d after %v, want %d after %v", x.name, resp.StatusCode, time.Since(start), x.want, x.after)
			}
		}
		mustOpen(t, p, with("Origin", "http://localhost"))
		for name, x := range map[string]struct {
			change func(*http.Request)
			want   int
		}{
			"no websocket":                        {func(*http.Request) {}, http.StatusUpgradeRequired},
			"a name that was made to lead here":   {func(r *http.Request) { r.Host = "evil.example" }, http.StatusForbidden},
			"a name that leads here, and a guess": {func(r *http.Request) { r.Host = "evil.example"; r.SetBasicAuth("a", "b") }, http.StatusForbidden},
		} {
			if w := s.ask("", func(r *http.Request) { r.Method = http.MethodGet; r.URL.Path = "/ws" }, x.change); w.Code != x.want {
				t.Errorf("%s: %d, want %d", name, w.Code, x.want)
			}
		}
	})
}

// Who has not logged in says one thing only, and soon.
func TestSocketFirstMessage(t *testing.T) {
	for _, x := range []struct {
		name, said string
		want       websocket.StatusCode
		after      time.Duration
	}{
		{"another call", anyCall, websocket.StatusPolicyViolation, 0},
		{"a batch", "[" + authCall + "]", websocket.StatusPolicyViolation, 0},
		{"no JSON", "hello", websocket.StatusPolicyViolation, 0},
		{"no password", `{"id":1,"method":"authenticate","params":["alice"]}`, websocket.StatusPolicyViolation, 0},
		{"by name", `{"id":1,"method":"authenticate","params":{"username":"alice"}}`, websocket.StatusPolicyViolation, 0},
		{"a wrong password", `{"id":1,"method":"authenticate","params":["alice","guess"]}`, cutOff, wrongDelay},
		{"too much", authCall + strings.Repeat(" ", maxLogin), websocket.StatusMessageTooBig, 0},
		{"nothing", "", cutOff, loginTimeout},
	} {
		t.Run(x.name, func(t *testing.T) {
			inMemory(t, nil, func(t *testing.T, s *Server, p *pipes) {
				c := mustOpen(t, p, nil)
				if x.said != "" {
					_ = c.Write(t.Context(), websocket.MessageText, []byte(x.said)) // the end may come before
				}
				if code, d := untilCut(c); code != x.want || d != x.after {
					t.Errorf("%v after %v, want %v after %v", code, d, x.want, x.after)
				}
				_ = c.CloseNow()
				synctest.Wait()
				if n := s.web.Room.Taken(); n != 0 {
					t.Errorf("%d places are taken", n)
				}
			})
		})
	}
}

// Guesses over websockets are counted with those of requests.
func TestSocketGuesses(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, p *pipes) {
		var list []*websocket.Conn
		for range maxWrongPerHost {
			c := mustOpen(t, p, nil)
			say(t, c, `{"id":1,"method":"authenticate","params":["alice","guess"]}`)
			list = append(list, c)
		}
		synctest.Wait()
		if w := s.ask(anyCall, func(r *http.Request) { r.RemoteAddr = "pipe"; r.SetBasicAuth("alice", "guess") }); w.Code != http.StatusTooManyRequests {
			t.Errorf("one more by POST: %d", w.Code)
		}
		c := mustOpen(t, p, nil)
		say(t, c, `{"id":1,"method":"authenticate","params":["alice","guess"]}`)
		if _, d := untilCut(c); d != 0 {
			t.Errorf("one more is cut after %v", d)
		}
		for _, c := range list {
			if _, d := untilCut(c); d != wrongDelay && c == list[0] {
				t.Errorf("a guess is cut after %v", d)
			}
		}
	})
}

// Who logs in twice is cut, as by btcd; so is who sends too much at once, or too slowly.
func TestSocketCut(t *testing.T) {
	small := func(c *Config) { c.Limits.Body = 10_000 }
	for _, x := range []struct {
		name  string
		do    func(t *testing.T, c *websocket.Conn)
		want  websocket.StatusCode
		after time.Duration
	}{
		{"logged in twice", func(t *testing.T, c *websocket.Conn) { say(t, c, authCall) }, websocket.StatusPolicyViolation, 0},
		{"too large", func(t *testing.T, c *websocket.Conn) {
			_ = c.Write(t.Context(), websocket.MessageText, make([]byte, 10_001)) // the end may come before
		}, websocket.StatusMessageTooBig, 0},
		{"too slow", func(t *testing.T, c *websocket.Conn) {
			w, err := c.Writer(t.Context(), websocket.MessageText)
			if err == nil {
				_, err = w.Write(make([]byte, 9000)) // more than is kept to be sent later
			}
			if err != nil {
				t.Error(err)
			}
		}, cutOff, DefaultTimeout},
	} {
		t.Run(x.name, func(t *testing.T) {
			inMemory(t, small, func(t *testing.T, _ *Server, p *pipes) {
				c := mustOpen(t, p, basic("secret"))
				x.do(t, c)
				if code, d := untilCut(c); code != x.want || d != x.after {
					t.Errorf("%v after %v, want %v after %v", code, d, x.want, x.after)
				}
			})
		})
	}
}

// The answer to stop is sent before the program ends.
func TestSocketStop(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newFake(t))
	ctx, stop := context.WithCancel(t.Context())
	cfg.Stop = stop
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	c, _, err := websocket.Dial(t.Context(), "ws://"+s.Addrs()[0].String()+"/ws", &websocket.DialOptions{HTTPHeader: basic("secret"), HTTPClient: newClient(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	say(t, c, `{"id":1,"method":"stop"}`)
	if got := hear(t, c); !strings.Contains(got, "stopping") {
		t.Errorf("%s", got)
	}
	if code, _ := untilCut(c); code != websocket.StatusGoingAway {
		t.Errorf("then %v", code)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A batch over a websocket has the same bounds as by POST.
func TestSocketBatch(t *testing.T) {
	inMemory(t, func(c *Config) { c.Limits.Batch = 2 }, func(t *testing.T, _ *Server, p *pipes) {
		c := mustOpen(t, p, basic("secret"))
		say(t, c, "["+anyCall+","+anyCall+","+anyCall+"]")
		if got := hear(t, c); !strings.Contains(got, "at most 2 calls") {
			t.Errorf("%s", got)
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "[%s,%s]", countReply, countReply)
		say(t, c, "["+anyCall+","+anyCall+"]")
		if got := hear(t, c); got != b.String() {
			t.Errorf("%s", got)
		}
	})
}
