package rotator

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"slices"
)

// A roll and an archive of it are both there if a process ended between the
// rename of the one and the removal of the other. Mostly they hold the same, but
// either can be cut short: the archive if jrick/logrotate was killed while it
// wrote it, the roll if after a power cut it came back though it was removed.
// So neither is believed for its name: one of them goes only if the other, on
// disk, holds all that can be read of it. If that is not so, both stay.

// errBoth says that a roll and its archive are left as they are.
var errBoth = errors.New("the roll and its archive do not hold the same, or cannot be compared; both are kept: see which of them is whole, and remove the other")

// weigh compares a roll with the archives that are beside it, and returns the
// endings of files that need not stay: that of the plain file if an archive
// holds all of it, those of archives if the plain file does. What stays in their
// place is on disk. The error is errBoth if the archive that is wanted must not
// be made.
func (r *Rotator) weigh(j job, plain string) (surplus []string, err error) {
	for _, suffix := range j.archives {
		if suffix != gzipSuffix {
			if j.suffix == "" {
				return nil, errBoth
			}
			// It cannot be read here. If it is in the way of the new archive,
			// see mayReplace; if not, it stays beside it.
			continue
		}
		path := rollName{n: j.n, suffix: suffix}.in(r.filename)
		c, err := compareGzip(plain, path)
		switch {
		case err != nil:
			return nil, err
		case c.inArchive && (j.suffix != "" || !c.inPlain):
			if err := r.step("sync archive", func() error { return syncPath(path) }); err != nil {
				return nil, err
			}
			if err := r.syncDir(); err != nil {
				return nil, err
			}
			return []string{""}, nil
		case c.inPlain:
			if err := r.step("sync roll", func() error { return syncPath(plain) }); err != nil {
				return nil, err
			}
			surplus = append(surplus, suffix)
		case j.suffix == "" || j.suffix == suffix:
			return nil, errBoth
		}
	}
	return surplus, nil
}

// mayReplace says whether a new archive may take the name final, in the form of
// an error if not. An archive in its place that weigh cannot read must be the
// beginning of the new one.
func (j *job) mayReplace(final, tmp string) error {
	if j.suffix == gzipSuffix || !slices.Contains(j.archives, j.suffix) {
		return nil
	}
	before, err := openRead(final)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer before.Close()
	now, err := openRead(tmp)
	if err != nil {
		return err
	}
	defer now.Close()
	c, err := compare(now, before)
	if err == nil && !c.inPlain {
		err = errBoth
	}
	return err
}

// A comparison is what is known of a roll and an archive.
type comparison struct {
	inPlain   bool // the roll holds all that can be read of the archive
	inArchive bool // the archive is whole and holds all of the roll
	whole     bool // the archive can be read to its end
}

// compareGzip compares a roll with its archive.
func compareGzip(plain, archive string) (c comparison, err error) {
	p, err := openRead(plain)
	if err != nil {
		return c, err
	}
	defer p.Close()
	a, err := openRead(archive)
	if errors.Is(err, fs.ErrNotExist) {
		return comparison{inPlain: true}, nil // others removed it
	}
	if err != nil {
		return c, err
	}
	defer a.Close()
	var content io.Reader = bytes.NewReader(nil)
	z, broken := gzip.NewReader(a)
	if broken == nil {
		content = z
	}
	c, err = compare(p, content)
	if err != nil || broken == nil && c.whole {
		return c, err
	}
	// What cannot be read of an archive may be more than a short roll holds.
	long, err := a.Stat()
	if err != nil {
		return c, err
	}
	short, err := p.Stat()
	return comparison{inPlain: c.inPlain && err == nil && long.Size() <= short.Size()}, err
}

// compare reads both to their ends, or archive, which is what is in one, to
// where it is broken. The error is one of plain.
func compare(plain, archive io.Reader) (c comparison, err error) {
	m := matcher{plain: plain}
	_, broken := io.Copy(&m, archive)
	if m.err != nil || m.differs {
		return c, m.err
	}
	c.inPlain, c.whole = !m.longer, broken == nil
	var next [1]byte
	switch _, err = io.ReadFull(plain, next[:]); {
	case errors.Is(err, io.EOF):
		c.inArchive = c.whole
	case err != nil:
		return c, err
	}
	return c, nil
}

// A matcher compares what is written to it with what plain holds.
type matcher struct {
	plain   io.Reader
	buf     []byte
	differs bool
	longer  bool  // more was written than plain holds
	err     error // of plain
}

func (m *matcher) Write(p []byte) (int, error) {
	m.buf = slices.Grow(m.buf[:0], len(p))[:len(p)]
	n, err := io.ReadFull(m.plain, m.buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		m.longer = true
	} else if err != nil {
		m.err = err
		return 0, err
	}
	if !bytes.Equal(m.buf[:n], p[:n]) {
		m.differs = true
		return 0, errBoth
	}
	return len(p), nil
}
