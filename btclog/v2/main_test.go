package btclog

import "testing"

type recorder struct{ writes []string }

func (r *recorder) Write(p []byte) (int, error) {
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

// take returns what was written, and forgets it.
func (r *recorder) take() (s string) {
	for _, w := range r.writes {
		s += w
	}
	r.writes = nil
	return s
}

func check(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func newLogger(opts ...HandlerOption) (Logger, *recorder) {
	var r recorder
	opts = append([]HandlerOption{WithNoTimestamp(), WithCallerFlags(0)}, opts...)
	return NewSLogger(NewDefaultHandler(&r, opts...)), &r
}
