package rotator

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"holdfast/internal/filelock"
)

// watchEvery is how long a removed live file can go unnoticed, and the pause
// before what failed is tried again.
const watchEvery = time.Second

// A Rotator is a log file that is rotated. Its methods are safe for concurrent
// use. It must be closed.
type Rotator struct {
	filename string // absolute, unless the working directory is unknown; no link

	mu sync.Mutex // guards all below

	opts   Options
	lock   *filelock.Lock
	begun  bool // left-overs are being, or have been, finished
	closed bool

	// The live file. It is never nil, and open until Close.
	f       *os.File
	info    fs.FileInfo // which file it is
	size    int64
	torn    bool  // it ends in half a line that nobody will finish
	midLine bool  // it ends in half a line that the next Write goes on with
	due     bool  // rotate at the end of this line
	lost    error // it was removed, and cannot be made anew: why

	watched     time.Time // when the file was last found in its place
	watchedSize int64     // and its size then
	rotateAfter time.Time // the last rotation failed: when to try again

	rolls   []*roll // the oldest first
	working bool    // the worker runs

	syncTimer *time.Timer // set: the file is to be synced when it fires
	syncs     int         // calls of Sync under way
	retired   []*os.File  // to be closed when there are none

	errors uint64
	told   map[Op]time.Time
	toTell []*Error

	wg sync.WaitGroup // goroutines and timers; added to under mu, while not closed
}

// Open opens a log file, or makes it, and its directory too. Then what an earlier
// process, of this package or of jrick/logrotate, has left behind is put in
// order: a last line without end gets one, temporary files are removed, the
// limits are applied, and rolls that are not compressed, or whose archive is not
// whole, are compressed in the background. A roll and an archive of it that do
// not hold the same both stay, which OnError is told.
//
// If filename is a symbolic link, the log is the file it points to now: rolls and
// the lock file are beside that, and errors name it. The link stays as it is, and
// is not looked at again.
//
// The error is an *Error. It matches ErrLocked if the file is in use.
func Open(filename string, opts Options) (*Rotator, error) {
	opts, err := opts.fill()
	if err != nil {
		return nil, newError(OpOpen, filename, err)
	}
	if abs, err := filepath.Abs(filename); err == nil {
		filename = abs
	}
	filename = follow(filename)
	r := &Rotator{filename: filename, opts: opts, told: make(map[Op]time.Time)}
	r.mu.Lock()
	defer r.leave()
	if err := r.takeLock(); err != nil {
		return nil, newError(OpLock, r.filename, err)
	}
	f, info, err := r.openLive()
	if err != nil {
		r.lock.Release()
		return nil, err
	}
	now := time.Now()
	r.setLive(f, info, now)
	r.rescan()
	r.trim(now)
	if !opts.lazy {
		r.begin()
	}
	return r, nil
}

// Write appends p to the file, all of it or nothing. If p ends a line and the
// file has reached its limit, the file is rotated. Write returns an *Error if p
// is not in the file (or, with SyncEvery below zero, not on disk), and only
// then: it matches os.ErrClosed after Close, and syscall.ENOSPC if the disk is
// full.
func (r *Rotator) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.leave()
	if r.closed {
		return 0, r.note(OpWrite, r.filename, os.ErrClosed)
	}
	r.begin()
	now := time.Now()
	if now.Sub(r.watched) >= watchEvery {
		r.watch(now)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.lost != nil {
		return 0, r.note(OpWrite, r.filename, r.lost)
	}
	if r.torn {
		if err := r.append(OpWrite, []byte{'\n'}); err != nil {
			return 0, err
		}
		r.torn = false
	}
	if err := r.append(OpWrite, p); err != nil {
		return 0, err
	}
	r.midLine = p[len(p)-1] != '\n'
	if err := r.wrote(); err != nil {
		return 0, err
	}
	if !r.midLine && (r.due || r.size >= r.opts.MaxSize) && !now.Before(r.rotateAfter) {
		if r.rotate(now) != nil { // noted; the line is safe in the old file
			r.rotateAfter = now.Add(watchEvery)
		}
	}
	return len(p), nil
}

// begin has left-overs finished. It must be called with the lock held.
func (r *Rotator) begin() {
	if !r.begun {
		r.begun = true
		r.work()
	}
}

// step does what tests look at, and make fail.
func (r *Rotator) step(name string, do func() error) error {
	if r.opts.hook != nil {
		if err := r.opts.hook(name); err != nil {
			return err
		}
	}
	return do()
}

// Close closes the file, and returns when the rolls of this log have been
// compressed and every goroutine has ended. If the file was removed in the last
// second, the lines since are in a new one. A second Close returns nil. The error
// is an *Error.
func (r *Rotator) Close() error {
	err := r.close()
	r.wg.Wait()
	// Nothing needs the lock file any more, not even a roll.
	r.mu.Lock()
	defer r.leave()
	r.lock.Release()
	return err
}

func (r *Rotator) close() error {
	r.mu.Lock()
	defer r.leave()
	if r.closed {
		return nil
	}
	var first error
	if r.size > r.watchedSize && r.removed() {
		first = r.moved()
	}
	r.closed = true
	r.stopSync()
	if r.opts.SyncEvery != 0 {
		if err := r.step("sync live", r.f.Sync); err != nil {
			err = r.note(OpSync, r.filename, err)
			if first == nil {
				first = err
			}
		}
	}
	if err := r.f.Close(); err != nil && first == nil {
		first = r.note(OpClose, r.filename, err)
	}
	return first
}
