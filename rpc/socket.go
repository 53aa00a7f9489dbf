package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"holdfast/internal/webserver"
)

const (
	// loginTimeout is how long a websocket may take to log in, as in btcd
	// (rpcAuthTimeoutSeconds in rpcserver.go).
	loginTimeout = 10 * time.Second

	// maxLogin is the size of the message that logs in.
	maxLogin = 4 << 10

	// pingEvery is how often a websocket is asked whether its client is still there, and
	// pongTimeout how long he may take to say so. He may be silent for ever otherwise:
	// btcd's rpcclient asks when its program does.
	pingEvery   = 2 * time.Minute
	pongTimeout = 30 * time.Second

	// closeTimeout is how long one who is told why his websocket ends may take to answer.
	closeTimeout = 5 * time.Second

	// turnEvery is how often a message that came too soon is looked at again.
	turnEvery = 100 * time.Millisecond
)

// socket is a websocket, as btcd's rpcclient opens one. Its messages are answered one after
// the other: so it holds two of them and one answer at most, and who does not read is not
// read from either.
type socket struct {
	*Server
	conn   *websocket.Conn
	place  *webserver.Place
	remote string

	heard, answered atomic.Uint64 // messages
}

// sessionKey is the key of a websocket's number in the context of its calls.
type sessionKey struct{}

// serveSocket makes a websocket of a connection, and answers what comes until it ends.
// Who logs in does it by the header of the request or by the first message.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if err := sameOrigin(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	_, _, given := r.BasicAuth()
	if given && !s.loggedIn(w, r) {
		return
	}
	defer s.web.Hold()()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it was answered
	}
	defer conn.CloseNow()                                                  //nolint:errcheck // it is closed already, or nobody is there
	ctx := context.WithValue(r.Context(), sessionKey{}, rand.Uint64()>>11) // whole in JavaScript, too
	c := &socket{Server: s, conn: conn, place: webserver.PlaceIn(ctx), remote: r.RemoteAddr}
	if !given && !c.authenticate(ctx) {
		return
	}
	conn.SetReadLimit(int64(s.cfg.Limits.Body))
	c.run(ctx)
}

// sameOrigin refuses what a page of another site has a browser do. A websocket begins as a
// GET, but is as good as a POST. The websocket package would look at the Origin only, and
// after the login.
func sameOrigin(r *http.Request) error {
	post := *r
	post.Method = http.MethodPost
	return http.NewCrossOriginProtection().Check(&post)
}

// authenticate waits for btcd's command of that name, which must be the first, and answers
// it. It reports whether the login is right; if not, there is no answer, as of btcd.
func (c *socket) authenticate(ctx context.Context) bool {
	defer c.cutAfter(loginTimeout)()
	c.conn.SetReadLimit(maxLogin)
	body, err := c.read()
	if err != nil {
		return false
	}
	calls, batch, bad := decode(body, 1)
	var login []string
	if batch || bad != nil || calls[0].method != "authenticate" || json.Unmarshal(calls[0].params, &login) != nil || len(login) != 2 {
		c.close(websocket.StatusPolicyViolation, "log in first")
		return false
	}
	if !c.logins.ok(login[0], login[1]) {
		c.guessed(ctx, c.remote)
		return false
	}
	c.place.Set(webserver.State{Trusted: true})
	var b bytes.Buffer
	calls[0].reply(&b, json.RawMessage("null"), nil)
	return c.write(&b) == nil
}

// run answers messages until the client goes or the server stops.
func (c *socket) run(ctx context.Context) {
	here, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer c.conn.CloseNow() //nolint:errcheck // as above; it ends both
	defer cancel()
	in := make(chan []byte)
	wg.Go(func() { defer cancel(); c.receive(here, in) })
	wg.Go(func() { defer cancel(); c.watch(here) })
	for {
		select {
		case body := <-in:
			if !c.answerMessage(here, body) {
				return
			}
		case <-here.Done():
			if ctx.Err() != nil {
				c.close(websocket.StatusGoingAway, "the node stops")
			}
			return
		}
	}
}

// receive reads messages, one ahead.
func (c *socket) receive(ctx context.Context, in chan<- []byte) {
	for {
		body, err := c.read()
		if err != nil {
			return
		}
		c.heard.Add(1)
		select {
		case in <- body:
		case <-ctx.Done():
			return
		}
	}
}

// watch returns when the client is not there any more.
func (c *socket) watch(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		n := c.heard.Load()
		if n != c.answered.Load() {
			continue // then his answer may be behind a message that waits for its turn
		}
		patience, done := context.WithTimeout(context.WithoutCancel(ctx), pongTimeout)
		err := c.conn.Ping(patience)
		done()
		if err != nil && c.heard.Load() == n {
			return
		}
	}
}

// read waits for a message as long as it takes, but for all of it as for a request.
func (c *socket) read() ([]byte, error) {
	_, r, err := c.conn.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	defer c.cutAfter(c.cfg.Limits.Timeout)()
	return io.ReadAll(r)
}

// close says why the websocket ends, and waits for the client to say that he heard, as the
// protocol has it; a little while only, whatever he sends meanwhile.
func (c *socket) close(code websocket.StatusCode, why string) {
	defer c.cutAfter(closeTimeout)()
	_ = c.conn.Close(code, why) // he may be gone
}

// cutAfter ends the connection below the websocket after a time, unless stop is called
// before. (The websocket's own CloseNow does nothing while it closes already.)
func (c *socket) cutAfter(d time.Duration) (stop func()) {
	late := time.AfterFunc(d, func() { _ = c.place.Close() })
	return func() { late.Stop() }
}

// answerMessage makes the calls of a message when it is its turn, and sends the answer. It
// reports whether the client may go on.
func (c *socket) answerMessage(ctx context.Context, body []byte) bool {
	defer c.answered.Add(1)
	calls, batch, bad := decode(body, c.cfg.Limits.Batch)
	if !batch && bad == nil && calls[0].method == "authenticate" { // as in btcd
		c.close(websocket.StatusPolicyViolation, "you have logged in")
		return false
	}
	if !c.turn(ctx, max(len(calls), 1)) {
		return false
	}
	c.place.Set(webserver.State{Trusted: true, Busy: true})
	defer c.place.Set(webserver.State{Trusted: true})
	var b bytes.Buffer
	_, after := c.answer(ctx, &b, calls, batch, bad)
	if b.Len() > 0 && c.write(&b) != nil && after == nil {
		return false
	}
	if after != nil {
		after()
	}
	return true
}

// turn waits until so many calls may be made, and takes a slot. It reports false if ctx
// ends before. An answer that refuses them would be of no use: rpcclient would wait on.
func (c *socket) turn(ctx context.Context, n int) bool {
	for !c.rates.Allow(webserver.RemoteHost(c.remote), n, time.Now()) {
		select {
		case <-time.After(turnEvery):
		case <-ctx.Done():
			return false
		}
	}
	select {
	case c.working <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// write sends an answer. Who does not read it in time is cut.
func (c *socket) write(b *bytes.Buffer) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Limits.Timeout)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, b.Bytes())
}
