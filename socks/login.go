package socks

import (
	"context"
	"crypto/rand"
	"fmt"
)

// isolateUser is the user name by which Tor knows that the password is an isolation
// token: the prefix of its extended parameters, and the format 0, which has nothing
// else (Tor's socks-extensions, "Stream isolation"). A Tor from before it (0.4.9)
// isolates by any user name and password, so by this too.
const isolateUser = "<torS0X>0"

// token is a type of its own so that a context in print does not show it.
type token string

type tokenKey struct{}

// WithToken returns a context in which a Dialer with Isolate uses this token, of 1 to
// 255 bytes, and not a fresh random one: what has the same token may share a
// circuit. Other Dialers pay no heed to it.
func WithToken(ctx context.Context, isolation string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token(isolation))
}

// login is what is shown to the proxy. The zero login offers nothing.
type login struct {
	user, pass string
	must       bool // the proxy may not do without
}

func (d *Dialer) login(ctx context.Context) (login, error) {
	if !d.Isolate {
		return login{user: d.Username, pass: d.Password}, nil
	}
	if t, given := ctx.Value(tokenKey{}).(token); given {
		if len(t) < 1 || len(t) > maxField {
			return login{}, fmt.Errorf("an isolation token has 1 to 255 bytes, not %d", len(t))
		}
		return login{isolateUser, string(t), true}, nil
	}
	// 26 letters and digits: at least 128 random bits, so no two are ever the same.
	return login{isolateUser, rand.Text(), true}, nil
}

// methods returns what to offer, the preferred one first.
func (l login) methods() []byte {
	switch {
	case l.user == "":
		return []byte{methodNone}
	case l.must:
		return []byte{methodPassword}
	default:
		return []byte{methodPassword, methodNone}
	}
}
