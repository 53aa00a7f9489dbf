package rpc

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"holdfast/internal/webserver"
)

// Who sends calls faster than he may waits for his answers, and gets all of them.
func TestSocketFlood(t *testing.T) {
	few := func(c *Config) { c.Limits.Rate, c.Limits.Requests = 10, 1 }
	inMemory(t, few, func(t *testing.T, s *Server, p *pipes) {
		c := mustOpen(t, p, basic("secret"))
		start := time.Now()
		const calls = 50
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range calls {
				say(t, c, anyCall)
			}
		}()
		for range calls {
			if got := hear(t, c); got != countReply {
				t.Errorf("%s", got)
			}
		}
		<-done
		if d := time.Since(start); d < 3*time.Second-turnEvery || d > 3*time.Second+turnEvery { // 20 at once
			t.Errorf("it took %v", d)
		}
		// It is nobody's slot that is taken.
		time.Sleep(time.Minute) // virtual
		s.working.take()
		say(t, c, anyCall)
		synctest.Wait()
		s.working.give()
		if got := hear(t, c); got != countReply || len(s.working) != 0 {
			t.Errorf("%s; %d slots are taken", got, len(s.working))
		}
	})
}

// Who does not read is not read from, holds no slot, and is cut.
func TestSocketNeverReads(t *testing.T) {
	one := func(c *Config) { c.Limits.Requests = 1 }
	inMemory(t, one, func(t *testing.T, s *Server, p *pipes) {
		var raw net.Conn
		c, _, err := websocket.Dial(t.Context(), "ws://localhost/ws", &websocket.DialOptions{
			HTTPHeader: basic("secret"),
			HTTPClient: &http.Client{Transport: &http.Transport{
				DialContext: func(context.Context, string, string) (net.Conn, error) { raw = p.dial(); return raw, nil },
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		start := time.Now()
		sent := 0
		for c.Write(context.Background(), websocket.MessageText, []byte(anyCall)) == nil {
			sent++
			synctest.Wait()
			if len(s.working) != 0 {
				t.Error("he holds a slot")
			}
		}
		// One is answered, one is read ahead, one is in the buffers of the connection.
		if d := time.Since(start); d != DefaultTimeout || sent > 3 {
			t.Errorf("cut after %v and %d messages", d, sent)
		}
		_ = raw.Close()
		synctest.Wait()
		if n := s.web.Room.Taken(); n != 0 {
			t.Errorf("%d places are taken", n)
		}
	})
}

// Who is told why his websocket ends, and sends a message without end instead of saying
// that he heard, has his place for a few seconds only.
func TestSocketClose(t *testing.T) {
	upgrade := "GET /ws HTTP/1.1\r\nHost: localhost\r\n%sConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	login := "Authorization: " + basic("secret").Get("Authorization") + "\r\n"
	for name, tt := range map[string]struct {
		header, first string
		most          time.Duration
	}{
		"log in first":       {"", string(frame(websocket.MessageText, anyCall)), loginTimeout},
		"you have logged in": {login, string(frame(websocket.MessageText, authCall)), closeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, nil, func(t *testing.T, s *Server, p *pipes) {
				conn := p.dial()
				fmt.Fprintf(conn, upgrade, tt.header)
				go func() {
					_, _ = io.WriteString(conn, tt.first+"\x82\xff\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
				}()
				if _, d := untilClosed(conn); d > tt.most {
					t.Errorf("cut after %v", d)
				}
				_ = conn.Close()
				synctest.Wait()
				if n := s.web.Room.Taken(); n != 0 {
					t.Errorf("%d places are taken", n)
				}
			})
		})
	}
}

// frame is a message as a client sends it, with a mask of zeros.
func frame(typ websocket.MessageType, text string) []byte {
	b := []byte{0x80 | byte(typ), 0x80 | 126, byte(len(text) >> 8), byte(len(text)), 0, 0, 0, 0}
	return append(b, text...)
}

// Who is idle stays for as long as he answers pings, and makes room if there is none.
func TestSocketIdle(t *testing.T) {
	three := func(c *Config) { c.Limits.Connections = 3 }
	inMemory(t, three, func(t *testing.T, s *Server, p *pipes) {
		alive, dead := mustOpen(t, p, basic("secret")), p.dial()
		fmt.Fprintf(dead, "GET /ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", basic("secret").Get("Authorization"))
		answer := make(chan string, 1)
		go func() { // it answers pings
			_, b, _ := alive.Read(context.Background())
			answer <- string(b)
		}()
		if _, d := untilClosed(dead); d != pingEvery+pongTimeout {
			t.Errorf("who does not answer is cut after %v", d)
		}
		_ = dead.Close()
		time.Sleep(time.Hour) // virtual
		synctest.Wait()
		if n := s.web.Room.Taken(); n != 1 {
			t.Errorf("%d places are taken after an hour", n)
		}
		say(t, alive, anyCall)
		if got := <-answer; got != countReply {
			t.Errorf("after an hour: %q", got)
		}
		for range 3 {
			mustOpen(t, p, basic("secret"))
		}
		if _, _, err := alive.Read(context.Background()); err == nil {
			t.Error("who idles for longest does not make room")
		}
	})
}

// Who has logged in by a message keeps his place before strangers, and for as long as he
// waits for an answer before all.
func TestSocketPlace(t *testing.T) {
	two := func(c *Config) { c.Limits.Connections = 2 }
	inMemory(t, two, func(t *testing.T, s *Server, p *pipes) {
		first := mustOpen(t, p, nil)
		say(t, first, authCall)
		hear(t, first)
		stranger := mustOpen(t, p, nil)
		second := mustOpen(t, p, basic("secret"))
		if code, d := untilCut(stranger); code != cutOff || d != 0 {
			t.Errorf("the stranger: %v after %v", code, d)
		}
		say(t, first, waitCall)
		say(t, second, waitCall)
		synctest.Wait()
		if _, err := p.dial().Read(make([]byte, 1)); err == nil || s.web.Room.Taken() != 2 {
			t.Errorf("who comes when all wait for answers: %v, %d places are taken", err, s.web.Room.Taken())
		}
		for _, c := range []*websocket.Conn{first, second} {
			hear(t, c)
		}
	})
}

// Who answers no pings and calls now and then is there all the same.
func TestSocketNoPong(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, _ *Server, p *pipes) {
		c, _, err := websocket.Dial(t.Context(), "ws://localhost/ws", &websocket.DialOptions{
			HTTPHeader:     basic("secret"),
			OnPingReceived: func(context.Context, []byte) bool { return false },
			HTTPClient: &http.Client{Transport: &http.Transport{
				DialContext: func(context.Context, string, string) (net.Conn, error) { return p.dial(), nil },
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		go func() {
			for range 100 {
				time.Sleep(pongTimeout - time.Second) // virtual
				_ = c.Write(context.Background(), websocket.MessageText, []byte(anyCall))
			}
		}()
		for i := range 100 {
			if _, _, err := c.Read(context.Background()); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
	})
}

// Who waits for an event answers no ping meanwhile if he sent more, and is not cut.
func TestSocketBusy(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, _ *Server, p *pipes) {
		c := mustOpen(t, p, basic("secret"))
		const waits = 8
		go func() {
			for range waits {
				say(t, c, waitCall)
			}
		}()
		for i := range waits { // it takes as many minutes
			if got := hear(t, c); !strings.Contains(got, `"events":[]`) {
				t.Errorf("%d: %s", i, got)
			}
		}
	})
}

// At the end who waits is answered, who idles is told, and who does not read is cut: within
// the last words.
func TestSocketEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := handlerOf(t, testConfig(newFake(t)))
		p := newPipes()
		s.web.Add(p)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx) }()
		idle, waits, mute := mustOpen(t, p, basic("secret")), mustOpen(t, p, basic("secret")), mustOpen(t, p, basic("secret"))
		stranger := mustOpen(t, p, nil)
		say(t, waits, waitCall)
		say(t, mute, anyCall)
		synctest.Wait()
		start := time.Now()
		cancel()
		if got := hear(t, waits); !strings.Contains(got, `"events":[]`) {
			t.Errorf("who waits is told %s", got)
		}
		for name, c := range map[string]*websocket.Conn{"idle": idle, "waited": waits} {
			if code, d := untilCut(c); code != websocket.StatusGoingAway || d != 0 {
				t.Errorf("who %s: %v after %v", name, code, d)
			}
		}
		if code, d := untilCut(stranger); code != cutOff || d != 0 {
			t.Errorf("a stranger: %v after %v", code, d)
		}
		if err := <-done; err != nil || time.Since(start) != webserver.LastWords {
			t.Errorf("the end took %v, %v", time.Since(start), err)
		}
	})
}

// Who hangs up while he waits frees his slot.
func TestSocketHangsUp(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, p *pipes) {
		c := mustOpen(t, p, basic("secret"))
		say(t, c, waitCall)
		synctest.Wait()
		if len(s.waiting) != 1 {
			t.Fatalf("%d wait", len(s.waiting))
		}
		_ = c.CloseNow()
		synctest.Wait()
		if len(s.waiting) != 0 || s.web.Room.Taken() != 0 {
			t.Errorf("%d wait, %d places are taken", len(s.waiting), s.web.Room.Taken())
		}
	})
}
