package rpc

import (
	"sync"
	"time"
)

const (
	// wrongDelay is what a failed login costs, as in Bitcoin Core (src/httprpc.cpp).
	wrongDelay = 250 * time.Millisecond

	// maxWrong and maxWrongPerHost are how many of those pay at once: 64 guesses a
	// second from one host, 256 in all.
	maxWrong        = 64
	maxWrongPerHost = 16

	// wrongTold is how often failed logins are logged at most.
	wrongTold = time.Second
)

// wrong counts logins that failed, for the log. The zero value is ready. It is safe for
// concurrent use.
type wrong struct {
	mu     sync.Mutex
	untold int // that failed, and are not logged
	told   time.Time
}

// count notes a failed login. It returns how many there were since it last returned a
// number, or 0 if that was just now.
func (w *wrong) count(now time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.untold++
	if now.Sub(w.told) < wrongTold {
		return 0
	}
	n := w.untold
	w.untold, w.told = 0, now
	return n
}

// slots bounds how much is under way.
type slots chan struct{}

// take reports whether there was a free slot, which must be given back.
func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }
