package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxAnswer bounds the memory that an answer takes.
const maxAnswer = 64 << 20

// patience is how often a client tries again that was told to come later.
const patience = 10

// errLogin says that the daemon knows nobody of that name and password.
var errLogin = errors.New("the daemon refuses the login: it is another one's cookie, or a wrong name or password")

// callError is what the daemon answered to refuse a call.
type callError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// codeMisc is the code of any other error, also of too few or too many arguments.
const codeMisc = -1

// Error is the daemon's message on a line. To a call with too few or too many arguments
// the daemon answers with the help of the method, of which this is the usage.
func (e *callError) Error() string {
	text := strings.TrimPrefix(e.Message, "Error: ")
	if usage, _, long := strings.Cut(text, "\n\n"); long && e.Code == codeMisc {
		text = "it is called as: " + usage
	}
	return plain(oneLine(text))
}

// refused reports whether an error is a call that the daemon refused with a code.
func refused(err error, code int) bool {
	var e *callError
	return errors.As(err, &e) && e.Code == code
}

// request is one call. Params are a []any, or a map for named ones.
type request struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params,omitempty"`
}

// answer is what comes back.
type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *callError      `json:"error"`
}

// into puts the result into v.
func (a *answer) into(method string, v any) error {
	if a.Error != nil {
		return a.Error
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(a.Result, v); err != nil {
		return fmt.Errorf("%s: the daemon's answer is not understood: %w", method, err)
	}
	return nil
}

// call calls a method. The result is put into result if that is not nil.
func (c *client) call(ctx context.Context, result any, method string, params ...any) error {
	raw, err := c.raw(ctx, method, params)
	if err != nil {
		return err
	}
	return (&answer{Result: raw}).into(method, result)
}

// raw calls a method, and returns its result as it came. An error of the method is a
// *callError.
func (c *client) raw(ctx context.Context, method string, params any) (json.RawMessage, error) {
	var a answer
	if err := c.post(ctx, request{"2.0", 0, method, params}, &a); err != nil {
		return nil, err
	}
	if a.Error != nil {
		return nil, a.Error
	}
	return a.Result, nil
}

// batch makes calls in one request, and returns the answers in their order.
func (c *client) batch(ctx context.Context, calls []request) ([]answer, error) {
	for i := range calls {
		calls[i].Version, calls[i].ID = "2.0", i
	}
	var answers []answer
	if err := c.post(ctx, calls, &answers); err != nil {
		return nil, err
	}
	slices.SortFunc(answers, func(a, b answer) int { return a.ID - b.ID })
	if len(answers) != len(calls) {
		return nil, fmt.Errorf("the daemon answers %d of %d calls", len(answers), len(calls))
	}
	return answers, nil
}

// post sends a request, and again if the daemon is busy.
func (c *client) post(ctx context.Context, req, answer any) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		status, text, err := c.exchange(ctx, body)
		busy := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
		switch {
		case err != nil:
			return err
		case busy && try < patience && pauseFor(ctx, time.Second):
			continue
		case status == http.StatusUnauthorized:
			return errLogin
		case json.Unmarshal(text, answer) != nil:
			return fmt.Errorf("the daemon answers %d %s: %.200s", status, http.StatusText(status), plain(oneLine(string(text))))
		}
		return nil
	}
}

// exchange sends a body and returns what comes back.
func (c *client) exchange(ctx context.Context, body []byte) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(c.user, c.pass)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		var where *url.Error
		if errors.As(err, &where) {
			err = where.Err
		}
		return 0, nil, unreachableError{fmt.Errorf("no daemon answers at %s: %w", req.URL.Host, err)}
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, unreachableError{fmt.Errorf("the daemon's answer broke off: %w", err)}
	}
	return resp.StatusCode, text, nil
}

// close gives back the connections that are kept for the next call.
func (c *client) close() { c.http.CloseIdleConnections() }

// away reports whether an error means that the daemon is gone, or that another one has
// come, whose cookie is a new one.
func away(err error) bool {
	var gone unreachableError
	return errors.As(err, &gone) || errors.Is(err, errLogin)
}

// liveClient is a client of the daemon that runs now, for who stays while it is started
// anew. It is for one goroutine at a time.
type liveClient struct {
	flags *clientFlags
	c     *client // nil: to be opened anew
}

// with calls do with a client. One that does not reach the daemon is not used again:
// the next daemon has another cookie, and maybe another address.
func (l *liveClient) with(do func(*client) error) error {
	if l.c == nil {
		c, err := l.flags.open()
		if err != nil {
			return err
		}
		l.c = c
	}
	err := do(l.c)
	if away(err) {
		l.c.close()
		l.c = nil
	}
	return err
}

// show calls a method and prints its result: as it is for programs, else as people
// print it.
func (c *client) show(ctx context.Context, people func(json.RawMessage) error, method string, params ...any) error {
	raw, err := c.raw(ctx, method, params)
	switch {
	case err != nil:
		return err
	case c.json:
		return c.print(raw)
	}
	return people(raw)
}

// order calls a method that changes something, and says so.
func (c *client) order(ctx context.Context, done, method string, params ...any) error {
	return c.show(ctx, func(json.RawMessage) error {
		_, err := fmt.Fprintln(c.out, plain(done))
		return err
	}, method, params...)
}

// print prints JSON, indented.
func (c *client) print(raw json.RawMessage) error {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		b.Reset()
		b.Write(raw)
	}
	b.WriteByte('\n')
	_, err := c.out.Write(b.Bytes())
	return err
}
