package rotator

import (
	"errors"
	"os"
	"time"
)

// Sync syncs the live file to disk. Writes go on meanwhile. A logger may call it
// after a line that matters. The error is an *Error.
func (r *Rotator) Sync() error {
	f, err := func() (*os.File, error) {
		r.mu.Lock()
		defer r.leave()
		if r.closed {
			return nil, r.note(OpSync, r.filename, os.ErrClosed)
		}
		return r.f, nil
	}()
	if err != nil {
		return err
	}
	return r.syncFile(f)
}

// syncFile syncs a file that may be rotated away meanwhile; then retire syncs it.
func (r *Rotator) syncFile(f *os.File) error {
	err := r.step("sync live", f.Sync)
	if err == nil || errors.Is(err, os.ErrClosed) {
		return nil
	}
	r.mu.Lock()
	defer r.leave()
	return r.note(OpSync, r.filename, err)
}

// wrote has what was just written synced as Options.SyncEvery says. It must be
// called with the lock held.
func (r *Rotator) wrote() error {
	switch every := r.opts.SyncEvery; {
	case every < 0:
		if err := r.step("sync live", r.f.Sync); err != nil {
			return r.note(OpSync, r.filename, err)
		}
	case every > 0 && r.syncTimer == nil:
		r.wg.Add(1)
		var timer *time.Timer
		timer = time.AfterFunc(every, func() {
			defer r.wg.Done()
			r.mu.Lock()
			f := r.f
			if r.syncTimer == timer {
				r.syncTimer = nil
			}
			r.mu.Unlock()
			_ = r.syncFile(f) // noted
		})
		r.syncTimer = timer
	}
	return nil
}

// stopSync forgets the next sync, for the file will be synced anyhow. It must be
// called with the lock held.
func (r *Rotator) stopSync() {
	if r.syncTimer != nil && r.syncTimer.Stop() {
		r.wg.Done()
	}
	r.syncTimer = nil
}

// retire closes a file that is not the live one any more, and syncs it before if
// syncing is asked for. It must be called with the lock held.
func (r *Rotator) retire(f *os.File, name string) {
	r.stopSync()
	if r.opts.SyncEvery == 0 {
		if err := f.Close(); err != nil {
			r.note(OpClose, name, err)
		}
		return
	}
	r.wg.Go(func() {
		_ = r.syncFile(f) // noted
		if err := f.Close(); err != nil {
			r.mu.Lock()
			defer r.leave()
			r.note(OpClose, name, err)
		}
	})
}
