package rotator

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast/internal/durable"
)

// retryCompress is the wait after a compression that failed, unless the file is
// rotated before: on a full disk each try costs the time and brings nothing.
const retryCompress = time.Minute

// A job is one roll to be compressed.
type job struct {
	n        int64
	z        Compressor
	suffix   string   // empty: it stays plain
	archives []string // the endings of archives that are there
}

// work has a goroutine compress what there is to compress. At most one runs. It
// must be called with the lock held.
func (r *Rotator) work() {
	if r.working || r.closed || !r.hasJob() {
		return
	}
	r.working = true
	r.wg.Go(func() {
		var z Compressor // the default one, kept for this run: it is large
		for {
			j, ok := r.takeJob()
			if !ok {
				return
			}
			if j.z == nil {
				if z == nil {
					z = gzip.NewWriter(nil)
				}
				j.z = z
			}
			r.finish(j, r.compress(j))
		}
	})
}

// dueRoll returns the oldest roll that is to be compressed now, or nil. It must be
// called with the lock held.
func (r *Rotator) dueRoll() *roll {
	now := time.Now()
	for _, roll := range r.rolls {
		if !roll.plain() || now.Before(roll.retry) {
			continue
		}
		if paired := len(roll.suffixes) > 1; paired && !roll.both || !paired && !r.opts.Plain {
			return roll
		}
	}
	return nil
}

func (r *Rotator) hasJob() bool { return r.dueRoll() != nil }

// takeJob returns what to do next. If there is nothing, the worker has ended.
func (r *Rotator) takeJob() (job, bool) {
	r.mu.Lock()
	defer r.leave()
	roll := r.dueRoll()
	if roll == nil {
		r.working = false
		return job{}, false
	}
	j := job{n: roll.n}
	for _, suffix := range roll.suffixes {
		if suffix != "" {
			j.archives = append(j.archives, suffix)
		}
	}
	if !r.opts.Plain {
		j.z, j.suffix = r.opts.Compressor, r.opts.Suffix
	}
	return j, true
}

// compress makes the archive of a roll and removes the plain file, in an order
// that leaves one of both whole on disk at every moment, and no half of the
// other beside it: the archive gets its name only when its content is on disk,
// and that of the plain file too, which may come back after a power cut; the
// plain file goes only when the name of the archive is on disk. An archive that
// was there before is replaced only if the plain file holds what it does.
func (r *Rotator) compress(j job) error {
	plain := rollName{n: j.n}.in(r.filename)
	surplus, err := r.weigh(j, plain)
	if err != nil {
		return err
	}
	if j.suffix != "" && !slices.Contains(surplus, "") {
		if err := r.archive(j, plain); err != nil {
			return err
		}
		surplus = slices.DeleteFunc(surplus, func(s string) bool { return s == j.suffix })
		surplus = append(surplus, "")
	}
	return r.drop(j.n, surplus)
}

// drop removes the files of a roll that have these endings.
func (r *Rotator) drop(n int64, suffixes []string) error {
	r.mu.Lock()
	defer r.leave()
	roll := r.find(n)
	if roll == nil {
		return nil // trimmed
	}
	defer r.measure(roll)
	for _, suffix := range suffixes {
		path := rollName{n: n, suffix: suffix}.in(r.filename)
		err := r.step("remove plain", func() error { return os.Remove(path) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return newError(OpRemove, path, err)
		}
		roll.suffixes = slices.DeleteFunc(roll.suffixes, func(s string) bool { return s == suffix })
	}
	return nil
}

// errTrimmed: the roll is not wanted any more.
var errTrimmed = errors.New("trimmed")

// archive makes the archive of a roll, synced and under its name.
func (r *Rotator) archive(j job, plain string) error {
	name := rollName{n: j.n, suffix: j.suffix, tmp: true}
	tmp := name.in(r.filename)
	name.tmp = false
	final := name.in(r.filename)

	err := r.fill(j, plain, tmp)
	if err == nil {
		err = j.mayReplace(final, tmp)
	}
	if err == nil {
		err = func() error {
			r.mu.Lock()
			defer r.leave()
			roll := r.find(j.n)
			if roll == nil {
				return errTrimmed
			}
			if err := r.step("rename archive", func() error { return os.Rename(tmp, final) }); err != nil {
				return err
			}
			if !slices.Contains(roll.suffixes, j.suffix) {
				roll.suffixes = append(roll.suffixes, j.suffix)
			}
			return nil
		}()
	}
	if err != nil {
		if rerr := os.Remove(tmp); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	return r.syncDir()
}

func (r *Rotator) syncDir() error {
	return r.step("sync dir", func() error { return durable.SyncDir(filepath.Dir(r.filename)) })
}

// fill compresses the file plain into the file tmp. Both are on disk then.
func (r *Rotator) fill(j job, plain, tmp string) (err error) {
	if err := r.step("sync roll", func() error { return syncPath(plain) }); err != nil {
		return err
	}
	src, err := openRead(plain)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, r.opts.Mode)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := dst.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			// MaxAge counts from the last line, not from the compression.
			err = os.Chtimes(tmp, time.Time{}, info.ModTime())
		}
	}()
	j.z.Reset(dst)
	defer j.z.Reset(io.Discard) // let go of the file
	err = r.step("compress", func() error {
		if _, err := io.Copy(j.z, src); err != nil {
			return err
		}
		return j.z.Close()
	})
	if err != nil {
		return err
	}
	return r.step("sync archive", dst.Sync)
}

// syncPath has the content of a file on disk when it returns.
func syncPath(path string) error {
	f, err := openSync(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// finish is called with the outcome of a job.
func (r *Rotator) finish(j job, err error) {
	if err == nil || errors.Is(err, errTrimmed) {
		return
	}
	r.mu.Lock()
	defer r.leave()
	roll := r.find(j.n)
	if roll == nil {
		return // trimmed meanwhile, which may well be why
	}
	roll.retry = time.Now().Add(retryCompress)
	plain := rollName{n: j.n}.in(r.filename)
	if errors.Is(err, fs.ErrNotExist) && !exists(plain) {
		r.rescan() // others removed the roll
		return
	}
	roll.both = errors.Is(err, errBoth)
	r.note(OpCompress, plain, err)
}
