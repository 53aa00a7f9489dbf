package rotator

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// The file is rotated away in the middle of a Sync. With SyncEvery it is synced
// before it is closed; without, it is not closed before it is synced.
func TestSyncWhileRotated(t *testing.T) {
	for _, every := range []time.Duration{0, time.Hour} {
		file := tempLog(t)
		synctest.Test(t, func(t *testing.T) {
			var r *Rotator
			var old *os.File
			closed := func() bool {
				_, err := old.Stat()
				return errors.Is(err, os.ErrClosed)
			}
			r = open(t, file, Options{Plain: true, SyncEvery: every, hook: func(step string) error {
				if step == "sync live" && old == nil {
					old = r.f
					if err := r.Rotate(); err != nil {
						t.Error(err)
					}
					synctest.Wait()
					if closed() != (every > 0) {
						t.Errorf("SyncEvery %v: closed %v", every, closed())
					}
				}
				return nil
			}})
			write(t, r, "a")
			if err := r.Sync(); err != nil {
				t.Errorf("SyncEvery %v: Sync = %v", every, err)
			}
			if !closed() {
				t.Errorf("SyncEvery %v: still open", every)
			}
		})
	}
}

// Close comes in the middle of a Sync, without SyncEvery: Sync does not say that
// the lines are on disk.
func TestSyncWhileClosed(t *testing.T) {
	var r *Rotator
	r = open(t, tempLog(t), Options{OnError: func(error) {}, hook: func(step string) error {
		if step == "sync live" {
			shut(t, r)
		}
		return nil
	}})
	write(t, r, "a")
	if err := r.Sync(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Sync = %v", err)
	}
}
