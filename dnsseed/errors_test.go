package dnsseed

import (
	"context"
	"fmt"
	"net"
	"testing"
)

// atProxy is an error of a proxy, as socks.Error is one.
type atProxy struct {
	error
	local bool
}

func (e atProxy) Unwrap() error { return e.error }
func (e atProxy) Local() bool   { return e.local }

// TestLocalErrors: what failed on the way to the proxy is not said of the seed, nor
// taken for its answer.
func TestLocalErrors(t *testing.T) {
	unknown := &net.DNSError{Err: "no such host", Name: "tor.example", IsNotFound: true}
	for _, tt := range []struct {
		err   error
		want  string
		found bool // that there is no such seed
	}{
		{unknown, "dnsseed: x9.s: no such host", true},
		{&net.DNSError{UnwrapErr: atProxy{net.ErrClosed, false}, Err: "no such host", IsNotFound: true}, "dnsseed: x9.s: no such host", true},
		{atProxy{unknown, true}, "dnsseed: x9.s: lookup tor.example: no such host", false},
		{fmt.Errorf("through the proxy: %w", atProxy{context.DeadlineExceeded, true}), "dnsseed: x9.s: through the proxy: context deadline exceeded", false},
		{atProxy{context.DeadlineExceeded, false}, "dnsseed: x9.s: no answer in time", false},
	} {
		err := &LookupError{Seed: "s", Host: "x9.s", Err: tt.err}
		if err.Error() != tt.want || notFound(err) != tt.found {
			t.Errorf("%q, not found: %v; want %q, %v", err, notFound(err), tt.want, tt.found)
		}
	}
}
