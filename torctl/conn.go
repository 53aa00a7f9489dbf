package torctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Conn is a control connection that Tor has let in. Its methods are safe for
// concurrent use; commands are sent one at a time, in any order. The onion services
// that were added by it go when it ends.
type Conn struct {
	nc      net.Conn
	version string
	notices chan Notice
	read    chan struct{} // closed when the reader has ended

	// turn holds a token while no command is under way. A command whose caller has
	// left is under way until its reply has come.
	turn chan struct{}

	mu      sync.Mutex
	waiting chan<- reply // who gets the next reply; has room for it
	err     error        // why the connection has ended; set before done is closed
	done    chan struct{}
}

// Dial connects to a control port and is let in there.
//
// The error is ErrAuth if Tor does not let us in, ErrProtocol if that is no Tor, else
// what the dial, or the end of ctx, gave. With an error all is closed.
func Dial(ctx context.Context, opts Options) (*Conn, error) {
	nc, err := opts.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := newConn(nc)
	if err := c.authenticate(ctx, opts.Password); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func newConn(nc net.Conn) *Conn {
	c := &Conn{
		nc:      nc,
		notices: make(chan Notice, noticeQueue),
		read:    make(chan struct{}),
		turn:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	c.turn <- struct{}{}
	go c.reader()
	return c
}

// Version is Tor's version as Tor tells it, such as "0.4.9.8"; "" if it does not.
func (c *Conn) Version() string { return c.version }

// Done is closed when the connection has ended, be it by Close or by Tor.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns nil while the connection lasts; then why it has ended: ErrClosed after
// Close.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection, and all calls that are under way. Tor removes the onion
// services that were added by it. Close waits for the reader's goroutine. It returns
// nil.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	<-c.read
	return nil
}

// fail ends the connection. The first reason counts.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		close(c.done)
	}
	c.mu.Unlock()
	if first {
		_ = c.nc.Close()
	}
}

// reader hands each reply to whom it is for, until the connection ends.
func (c *Conn) reader() {
	defer close(c.read)
	defer close(c.notices)
	in := newReplyReader(c.nc)
	for {
		r, err := in.read()
		switch {
		case errors.Is(err, ErrProtocol):
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			err = fmt.Errorf("torctl: Tor has closed the control connection: %w", io.ErrUnexpectedEOF)
		case err != nil:
			err = fmt.Errorf("torctl: the control connection broke: %w", err)
		case r.code == eventCode:
			c.tell(r)
			continue
		case !c.answer(r):
			err = protocolError("the answer %d %q to no question", r.code, printable(r.last()))
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// answer hands a reply to the command that is under way, and reports whether there is
// one.
func (c *Conn) answer(r reply) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		return false
	}
	c.waiting <- r
	c.waiting = nil
	c.turn <- struct{}{}
	return true
}

// command sends a line and waits for its reply, which is one with the code 250 or 251;
// any other is a *ReplyError. secret, unless "", is taken out of the text of that.
//
// When ctx ends command returns at once. The connection goes on, if the line has gone
// out in full or not at all.
func (c *Conn) command(ctx context.Context, secret string, words ...string) (reply, error) {
	for _, w := range words {
		if err := checkWord(w); err != nil {
			return reply{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return reply{}, commandError(words[0], err)
	}
	select {
	case <-c.turn:
	case <-c.done:
		return reply{}, c.Err()
	case <-ctx.Done():
		return reply{}, commandError(words[0], ctx.Err())
	}
	got := make(chan reply, 1)
	c.mu.Lock()
	c.waiting = got
	c.mu.Unlock()
	if err := c.send(ctx, strings.Join(words, " ")+"\r\n"); ctx.Err() != nil && err != nil {
		return reply{}, commandError(words[0], ctx.Err())
	} else if err != nil {
		return reply{}, err
	}
	select {
	case r := <-got:
		return r.check(secret)
	case <-ctx.Done():
		return reply{}, commandError(words[0], ctx.Err())
	case <-c.done:
	}
	// What came before the end counts: Tor says why it closes.
	select {
	case r := <-got:
		return r.check(secret)
	default:
		return reply{}, c.Err()
	}
}

// send writes a line, and cuts that short when ctx ends. After an error there is no
// command under way.
func (c *Conn) send(ctx context.Context, line string) error {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		_ = c.nc.SetWriteDeadline(time.Unix(1, 0))
	})
	n, err := io.WriteString(c.nc, line)
	if !stop() {
		<-cut
		_ = c.nc.SetWriteDeadline(time.Time{})
	}
	switch {
	case err == nil:
		return nil
	case n == 0 && ctx.Err() != nil:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.waiting != nil { // else something was said meanwhile, and taken for the answer
			c.waiting = nil
			c.turn <- struct{}{}
		}
		return ctx.Err()
	}
	c.fail(fmt.Errorf("torctl: the control connection broke: %w", err))
	return c.Err()
}

// check tells good replies from others.
func (r reply) check(secret string) (reply, error) {
	if r.code == 250 || r.code == 251 {
		return r, nil
	}
	text := r.last()
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "(secret)")
	}
	return reply{}, &ReplyError{Code: r.code, Text: text}
}

// checkWord keeps a word from being two, or another command.
func checkWord(w string) error {
	for _, b := range []byte(w) {
		if b <= ' ' || b > '~' {
			return fmt.Errorf("torctl: a word of a command has the character %q, which it cannot have", b)
		}
	}
	if w == "" {
		return errors.New("torctl: a word of a command is empty")
	}
	return nil
}

// commandError says which command it was, if it is not said yet.
func commandError(name string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %s: %w", ErrSilent, name, err)
	}
	return fmt.Errorf("torctl: %s: %w", name, err)
}
