package rotator

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A roll is what is left of a former live file: a plain file, an archive, or
// both if a process ended in between.
type roll struct {
	n        int64
	suffixes []string // of its files, unordered; "" is the plain file
	size     int64    // of all its files
	mod      time.Time
	retry    time.Time // not to be compressed before: it failed
	both     bool      // the plain file and an archive are both to stay; see errBoth
}

func (r *roll) plain() bool { return slices.Contains(r.suffixes, "") }

// A listing is what a directory holds of one log.
type listing struct {
	rolls []*roll // the oldest first
	tmps  []rollName
}

// list reads the directory of the log file. Anything but regular files is
// somebody else's.
func list(filename, suffix string) (listing, error) {
	var l listing
	base := filepath.Base(filename)
	entries, err := os.ReadDir(filepath.Dir(filename))
	if err != nil {
		return l, err
	}
	byNumber := make(map[int64]*roll)
	for _, entry := range entries {
		name, ok := parseName(base, entry.Name(), suffix)
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		if name.tmp {
			l.tmps = append(l.tmps, name)
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return l, err
		}
		r := byNumber[name.n]
		if r == nil {
			r = &roll{n: name.n}
			byNumber[name.n] = r
			l.rolls = append(l.rolls, r)
		}
		r.suffixes = append(r.suffixes, name.suffix)
		r.size += info.Size()
		if info.ModTime().After(r.mod) {
			r.mod = info.ModTime()
		}
	}
	slices.SortFunc(l.rolls, func(a, b *roll) int {
		if a.n < b.n {
			return -1
		}
		return 1
	})
	return l, nil
}

// surplus returns how many of the oldest rolls must go.
func surplus(rolls []*roll, o *Options, now time.Time) int {
	count := 0
	if o.MaxRolls >= 0 {
		count = max(0, len(rolls)-o.MaxRolls)
	}
	for o.MaxAge > 0 && count < len(rolls) && now.Sub(rolls[count].mod) > o.MaxAge {
		count++
	}
	if o.MaxTotalBytes > 0 {
		total := o.MaxSize
		for _, r := range rolls[count:] {
			total += r.size
		}
		for total > o.MaxTotalBytes && count < len(rolls)-1 {
			total -= rolls[count].size
			count++
		}
	}
	return count
}

// rescan reads anew which rolls there are. If that fails, what is remembered
// stays. It must be called with the lock held.
func (r *Rotator) rescan() {
	l, err := list(r.filename, r.opts.Suffix)
	if err != nil {
		r.note(OpScan, filepath.Dir(r.filename), err)
		return
	}
	for _, roll := range l.rolls {
		if known := r.find(roll.n); known != nil {
			roll.retry, roll.both = known.retry, known.both
		}
	}
	r.rolls = l.rolls
	if r.working {
		return // a temporary may be the worker's
	}
	for _, tmp := range l.tmps {
		r.remove(tmp.in(r.filename))
	}
}

// trim removes the rolls that must go. It must be called with the lock held.
func (r *Rotator) trim(now time.Time) {
	count := surplus(r.rolls, &r.opts, now)
	if count > 0 && r.opts.MaxTotalBytes > 0 {
		r.rescan() // what others removed makes room
		count = surplus(r.rolls, &r.opts, now)
	}
	var kept []*roll
	for _, old := range r.rolls[:count] {
		gone := true
		for _, suffix := range old.suffixes {
			gone = r.remove(rollName{n: old.n, suffix: suffix}.in(r.filename)) && gone
		}
		if !gone {
			kept = append(kept, old) // tried again the next time
		}
	}
	r.rolls = append(kept, r.rolls[count:]...)
}

// find returns the roll with this number, or nil. It must be called with the
// lock held.
func (r *Rotator) find(n int64) *roll {
	for _, roll := range slices.Backward(r.rolls) {
		if roll.n == n {
			return roll
		}
	}
	return nil
}

// measure looks anew how large a roll is. It must be called with the lock held.
func (r *Rotator) measure(roll *roll) {
	roll.size = 0
	for _, suffix := range roll.suffixes {
		if info, err := os.Lstat(rollName{n: roll.n, suffix: suffix}.in(r.filename)); err == nil {
			roll.size += info.Size()
		}
	}
}

// remove removes a file and says whether it is gone. It must be called with the
// lock held.
func (r *Rotator) remove(path string) bool {
	err := r.step("remove", func() error { return os.Remove(path) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.note(OpRemove, path, err)
		return false
	}
	return true
}
