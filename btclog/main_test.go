package btclog

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"
)

// recorder keeps each Write by itself. It has no lock: that is the point.
type recorder struct {
	writes []string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

func (r *recorder) all() (s string) {
	for _, w := range r.writes {
		s += w
	}
	return s
}

// noon is the time of lines in tests that do not compare with the real btclog.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 7_999_999, time.UTC)

const noonText = "2026-11-22 12:00:00.007 "

func atNoon() BackendOption {
	return WithTimeSource(func() time.Time { return noon })
}

// line returns what log writes through a backend, without the time.
func line(t *testing.T, log func(*Backend), opts ...BackendOption) string {
	t.Helper()
	var r recorder
	opts = append([]BackendOption{WithFlags(0), WithNoTimestamp()}, opts...)
	log(NewBackend(&r, opts...))
	if len(r.writes) > 1 {
		t.Errorf("%d Writes: %q", len(r.writes), r.writes)
	}
	return r.all()
}

func check(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

var errFull = errors.New("no space left on device")

// fullDisk fails until it has room.
type fullDisk struct {
	bytes.Buffer
	room bool
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if !d.room {
		return 0, errFull
	}
	return d.Buffer.Write(p)
}

// parallel runs fn n times at once.
func parallel(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}
