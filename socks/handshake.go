package socks

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// ask has the proxy do one thing. The connection is the caller's to close if there
// is no error, and closed if there is one.
func (d *Dialer) ask(ctx context.Context, command byte, t target) (net.Conn, answer, error) {
	if err := d.check(); err != nil {
		return nil, answer{}, err
	}
	l, err := d.login(ctx)
	if err != nil {
		return nil, answer{}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, answer{}, err
	}
	conn, err := d.reach(ctx)
	if err != nil {
		return nil, answer{}, err
	}
	// Closing wakes a read and a write alike, whatever kind of connection it is, and
	// there is no deadline to take off afterwards.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	a, asked, err := talk(conn, l, command, t)
	if !stop() { // the connection is closed, or is about to be
		err = ended(ctx, asked)
	}
	if err != nil {
		conn.Close() //nolint:errcheck // there is an error already
		return nil, answer{}, err
	}
	return conn, a, nil
}

// reach connects to the proxy.
func (d *Dialer) reach(ctx context.Context) (net.Conn, error) {
	dial := d.DialProxy
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	network, address := d.at()
	conn, err := dial(ctx, network, address)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ended(ctx, false)
	case pastDeadline(ctx, err):
		return nil, late(context.DeadlineExceeded)
	}
	return nil, faultf("the proxy cannot be reached: %w", err)
}

// pastDeadline reports whether err is that of a dialer which saw the deadline of ctx
// pass a moment before ctx itself did.
func pastDeadline(ctx context.Context, err error) bool {
	var ne net.Error
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline) && errors.As(err, &ne) && ne.Timeout()
}

// ended returns the error for a context that has ended. Asked says whether the proxy
// had taken the request: then it was the target, or the way there, that took long.
func ended(ctx context.Context, asked bool) error {
	err := ctx.Err()
	if !asked && errors.Is(err, context.DeadlineExceeded) {
		return late(err)
	}
	return err
}

func late(err error) error { return faultf("the proxy did not answer in time: %w", err) }

// talk is the whole exchange with a proxy. Each answer is waited for before the next
// message is sent. Asked says whether the request went out.
func talk(conn io.ReadWriter, l login, command byte, t target) (a answer, asked bool, err error) {
	if err := logIn(conn, l); err != nil {
		return answer{}, false, err
	}
	if command == cmdNone {
		return answer{}, false, nil
	}
	if err := send(conn, request(command, t)); err != nil {
		return answer{}, false, err
	}
	a, err = readReply(conn)
	return a, true, err
}

// logIn agrees with the proxy on a way to log in, and does.
func logIn(conn io.ReadWriter, l login) error {
	if err := send(conn, greeting(l.methods())); err != nil {
		return err
	}
	method, err := readPair(conn, version)
	switch {
	case err != nil:
		return err
	case method == methodNone && !l.must:
		return nil
	case method == methodNone:
		return faultf("%w: it wants none, so it does not isolate (a proxy that is not Tor's cannot)", ErrAuth)
	case method == methodPassword && l.user == "":
		return faultf("%w: it wants a user name and password", ErrAuth)
	case method == methodRefused:
		return faultf("%w: it takes none that was offered", ErrAuth)
	case method != methodPassword:
		return faultf("%w: it wants the method 0x%02x", ErrAuth, method)
	}
	if err := send(conn, l.message()); err != nil {
		return err
	}
	status, err := readPair(conn, loginVersion)
	if err != nil {
		return err
	}
	if status != 0 {
		return faultf("%w: user name or password is wrong (status 0x%02x)", ErrAuth, status)
	}
	return nil
}

// send writes one message.
func send(w io.Writer, message []byte) error {
	if _, err := w.Write(message); err != nil {
		return faultf("the connection to the proxy broke: %w", err)
	}
	return nil
}
