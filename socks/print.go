package socks

import (
	"fmt"
	"io"
)

// String says where the proxy is, who logs in and whether connections are isolated.
// It does not show the password.
func (d Dialer) String() string {
	s := "socks5://"
	if d.Username != "" {
		s += d.Username + "@"
	}
	s += d.shown()
	if d.Isolate {
		s += " (isolated)"
	}
	return s
}

// Format writes String for every verb: without it, %+v, %#v and %d would show the
// password.
func (d Dialer) Format(f fmt.State, _ rune) { io.WriteString(f, d.String()) } //nolint:errcheck // fmt's writer keeps all

// MarshalText is String, for package slog and for encoders such as JSON's.
func (d Dialer) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
