package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"holdfast/internal/webserver"
)

// maxAnswer is the size at which a batch gets no more answers: a batch of lists of
// 100,000 bans would fill the memory.
const maxAnswer = 32 << 20

// work answers a request of somebody who has logged in. The request is read before it has a
// slot, and the answer is made before it is written, when the slot is given back: so a slow
// client holds nothing but memory.
func (s *Server) work(w http.ResponseWriter, r *http.Request) {
	place := webserver.PlaceIn(r.Context())
	place.Set(webserver.State{Trusted: true, Busy: true})
	defer place.Set(webserver.State{Trusted: true})
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.cfg.Limits.Body)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the request did not come in time, or not to its end", http.StatusBadRequest)
		return
	}
	calls, batch, bad := decode(body, s.cfg.Limits.Batch)
	if !s.rates.Allow(webserver.RemoteHost(r.RemoteAddr), max(len(calls), 1), time.Now()) {
		tooMany(w, "too many calls: "+strconv.Itoa(s.cfg.Limits.Rate)+" a second are allowed")
		return
	}
	if !s.working.take() {
		http.Error(w, "Work queue depth exceeded", http.StatusServiceUnavailable) // Core's words
		return
	}
	var b bytes.Buffer
	status, after := s.answer(r.Context(), &b, calls, batch, bad)
	s.write(w, &b, status, after != nil)
	if after != nil {
		after()
	}
}

// answer makes the answer to a request that has a slot, and gives that back.
func (s *Server) answer(ctx context.Context, b *bytes.Buffer, calls []request, batch bool, bad *Error) (status int, after func()) {
	defer s.working.give()
	switch {
	case bad != nil:
		none := request{bad: bad}
		none.reply(b, nil, bad)
		return none.status(bad), nil
	case batch:
		return http.StatusOK, s.batch(ctx, b, calls)
	}
	return s.single(ctx, b, &calls[0])
}

func (s *Server) single(ctx context.Context, b *bytes.Buffer, r *request) (int, func()) {
	result, after, e := s.do(ctx, r, false)
	if r.notification() {
		return http.StatusNoContent, after
	}
	r.reply(b, result, e)
	return r.status(e), after
}

// batch writes the answers to the calls of a batch, in their order. An empty batch has
// an empty list; one of notifications has no answer.
func (s *Server) batch(ctx context.Context, b *bytes.Buffer, calls []request) (after func()) {
	n := 0
	for i := range calls {
		r := &calls[i]
		var result json.RawMessage
		e := &Error{CodeInternal, "the answer to this batch is too long: ask for less at once"}
		if b.Len() < maxAnswer {
			var then func()
			if result, then, e = s.do(ctx, r, true); then != nil {
				after = then
			}
		}
		if r.notification() {
			continue
		}
		if n++; n == 1 {
			b.WriteByte('[')
		} else {
			b.WriteByte(',')
		}
		r.reply(b, result, e)
	}
	switch {
	case len(calls) == 0:
		b.WriteString("[]")
	case n > 0:
		b.WriteByte(']')
	}
	return after
}

// write sends an answer; one that is empty is that to notifications.
func (s *Server) write(w http.ResponseWriter, b *bytes.Buffer, status int, last bool) {
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(s.cfg.Limits.Timeout)) // Config's holds if this one cannot be set
	if last {
		w.Header().Set("Connection", "close")
	}
	if b.Len() == 0 {
		w.WriteHeader(http.StatusNoContent)
	} else {
		b.WriteByte('\n')
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
		w.WriteHeader(status)
		_, _ = w.Write(b.Bytes()) // who is gone does not want it
	}
	_ = c.Flush()
}

// do makes one call. It may return what is to be done when the answer is sent.
func (s *Server) do(ctx context.Context, r *request, batch bool) (json.RawMessage, func(), *Error) {
	if r.bad != nil {
		return nil, nil, r.bad
	}
	m := s.methods[r.method]
	if m == nil {
		return nil, nil, fail(CodeNoMethod, "Method not found: this node keeps connections and follows no chain; help lists what it can do")
	}
	a, e := m.bind(r.params)
	if e != nil {
		return nil, nil, e
	}
	defer s.active.begin(m.name)()
	c := &call{Server: s, method: m, args: a, ctx: ctx, batch: batch}
	v, err := m.run(c)
	if err != nil {
		return nil, nil, asError(err)
	}
	s.encoding <- struct{}{}
	result, err := encode(v)
	s.encoding.give()
	if err != nil {
		return nil, nil, fail(CodeInternal, "the answer cannot be written: %v", err)
	}
	return result, c.after, nil
}

// call is one call of a method.
type call struct {
	*Server
	args
	method *method
	batch  bool            // it is one of several
	ctx    context.Context // of the request: it ends when the client is gone or the server stops
	after  func()          // to be called when the answer is sent
}

func (c *call) number(i int, otherwise, least, most int64) (int64, error) {
	return c.args.number(c.method, i, otherwise, least, most)
}

// active are the calls under way, for getrpcinfo.
type active struct {
	mu   sync.Mutex
	list []*running
}

type running struct {
	method string
	since  time.Time
}

// begin notes a call, and returns what notes its end.
func (a *active) begin(method string) (end func()) {
	x := &running{method, time.Now()}
	a.mu.Lock()
	a.list = append(a.list, x)
	a.mu.Unlock()
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		i := slices.Index(a.list, x)
		a.list = slices.Delete(a.list, i, i+1)
	}
}

// now returns the calls under way, the oldest first.
func (a *active) now() []running {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]running, 0, len(a.list))
	for _, x := range a.list {
		all = append(all, *x)
	}
	return all
}
