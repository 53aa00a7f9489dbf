package rotator

import (
	"errors"
	"os"
	"time"
)

// Sync syncs the live file to disk. Writes go on meanwhile. A logger may call it
// after a line that matters. The error is an *Error.
func (r *Rotator) Sync() error {
	r.mu.Lock()
	if r.closed {
		defer r.leave()
		return r.note(OpSync, r.filename, os.ErrClosed)
	}
	f := r.f
	r.syncs++
	r.mu.Unlock()

	err := r.syncFile(f)

	r.mu.Lock()
	defer r.leave()
	if r.syncs--; r.syncs == 0 {
		for _, old := range r.retired {
			r.closeFile(old, r.filename)
		}
		r.retired = nil
	}
	return err
}

// syncFile syncs a file that may be rotated away meanwhile. If it was closed,
// that was done with a sync, unless syncing is not asked for.
func (r *Rotator) syncFile(f *os.File) error {
	err := r.step("sync live", f.Sync)
	if err == nil || errors.Is(err, os.ErrClosed) && r.opts.SyncEvery != 0 {
		return nil
	}
	r.mu.Lock()
	defer r.leave()
	return r.note(OpSync, r.filename, err)
}

// closeFile must be called with the lock held.
func (r *Rotator) closeFile(f *os.File, name string) {
	if err := f.Close(); err != nil {
		r.note(OpClose, name, err)
	}
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
		r.syncTimer = time.AfterFunc(every, func() {
			defer r.wg.Done()
			r.mu.Lock()
			f := r.f // the one before, if there was one, was synced when it was retired
			r.syncTimer = nil
			r.mu.Unlock()
			_ = r.syncFile(f) // noted
		})
	}
	return nil
}

// stopSync forgets the next sync, for Close syncs the file. It must be called with the
// lock held.
func (r *Rotator) stopSync() {
	if r.syncTimer != nil && r.syncTimer.Stop() {
		r.wg.Done()
	}
	r.syncTimer = nil
}

// retire closes a file that is not the live one any more, and syncs it before if
// syncing is asked for. It must be called with the lock held.
func (r *Rotator) retire(f *os.File, name string) {
	if r.opts.SyncEvery == 0 {
		if r.syncs > 0 {
			r.retired = append(r.retired, f) // a Sync may still need it
		} else {
			r.closeFile(f, name)
		}
		return
	}
	r.wg.Go(func() {
		_ = r.syncFile(f) // noted
		r.mu.Lock()
		defer r.leave()
		r.closeFile(f, name)
	})
}
