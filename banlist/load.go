package banlist

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Open returns the List that is kept in a file. The file need not exist: it is made
// by the first change, with the mode 0600. Beside it the names PATH.tmp and
// PATH.bad-TIME are used.
//
// If the file is damaged the List is ready for use nevertheless, and the Damage says
// what was found and where the file is now. An error means that the file could not
// be read at all, for example for its permissions; then there is no List.
//
// The file must not be changed by others while it is in use; what they change is
// overwritten.
func Open(path string, o Options) (*List, *Damage, error) {
	if path == "" {
		return nil, nil, errors.New("banlist: open: no file is named; New makes a list without one")
	}
	l := New(o)
	l.path = path
	var d *Damage
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		// To open a pipe may take for ever.
		return nil, nil, fmt.Errorf("banlist: open: %s is no regular file (%v); name another file", path, info.Mode())
	}
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, fmt.Errorf("banlist: open: %w; see to its permissions, or name another file", err)
	default:
		d, err = l.load(f)
		f.Close()
		if err != nil {
			return nil, nil, fmt.Errorf("banlist: open: %w; see to the disk, or name another file", err)
		}
	}
	// A process that was killed while it wrote a file may have left it.
	_ = os.Remove(path + ".tmp")
	if d != nil {
		l.repair(d)
	}
	return l, d, nil
}

// load reads the file. Nobody else has l yet.
func (l *List) load(f *os.File) (d *Damage, err error) {
	now := l.second()
	var found contents
	l.table.inBulk(func() { found, err = readLines(f, l.table) })
	if err != nil {
		return nil, err
	}
	l.prune(now)
	l.size, l.lines, l.limit = found.whole, found.lines, 2*l.table.len()+l.spare
	if found.wrong == nil {
		return nil, nil
	}
	return &Damage{Path: l.path, Kept: l.table.len(), Lost: found.bad, Line: found.firstBad, Err: found.wrong}, nil
}

// contents is what was found in a file, besides the bans.
type contents struct {
	whole    int64 // how many bytes there are up to the end of the last line
	lines    int   // good ones, but the header
	bad      int   // others, an incomplete last one included
	firstBad int   // from 1
	wrong    error // ErrForeign, ErrCorrupt, ErrTorn, or nil
}

// readLines brings the lines of a file into a table.
func readLines(f io.Reader, t *table) (c contents, err error) {
	in := bufio.NewReaderSize(f, maxLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		length, whole := len(line), err == nil
		good := whole && c.line(n, line[:len(line)-1], t)
		for errors.Is(err, bufio.ErrBufferFull) { // longer than any of ours
			line, err = in.ReadSlice('\n')
			length += len(line)
			whole = err == nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return contents{}, err
		}
		if length > 0 && !good || n == 1 && length == 0 {
			if c.bad++; c.bad == 1 {
				c.firstBad = n
			}
			switch {
			case n == 1:
				c.wrong = ErrForeign
			case !whole && c.wrong == nil:
				c.wrong = ErrTorn
			case c.wrong == nil:
				c.wrong = ErrCorrupt
			}
		}
		if !whole {
			return c, nil
		}
		c.whole += int64(length)
	}
}

// line takes a line, and reports whether it is good.
func (c *contents) line(n int, line []byte, t *table) bool {
	if n == 1 {
		return string(line) == header
	}
	r, err := parseLine(line)
	if err != nil {
		return false
	}
	c.lines++
	if r.origin != 0 {
		t.put(r)
	} else {
		t.remove(r.subject)
	}
	return true
}

// repair cuts off a torn last line, or sets the file aside and writes a new one. Nobody else
// has l yet.
func (l *List) repair(d *Damage) {
	if errors.Is(d.Err, ErrTorn) && l.step("cut", func() error { return os.Truncate(l.path, l.size) }) == nil {
		return
	}
	l.aside = freeName(l.path + ".bad-" + l.now().UTC().Format("20060102T150405Z"))
	d.SetAside = l.aside
	l.size, l.all = unknown, true
	l.change++
	d.Pending = l.save(l.change)
}

// freeName returns a name that no file has.
func freeName(name string) string {
	free := name
	for i := 2; ; i++ {
		if _, err := os.Lstat(free); errors.Is(err, fs.ErrNotExist) || i > 1000 {
			return free
		}
		free = fmt.Sprint(name, "-", i)
	}
}

// same reports whether two names are of one file.
func same(a, b string) bool {
	infoA, errA := os.Lstat(a)
	infoB, errB := os.Lstat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// setAside gives a file that is about to be overwritten a second name, so that there
// is a file under the first one at any moment. Where there are no links it is
// renamed.
func setAside(path, name string) error {
	err := os.Link(path, name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		if same(path, name) { // an attempt that failed later did it
			return nil
		}
		return err
	}
	return os.Rename(path, name)
}
