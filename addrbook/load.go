package addrbook

import (
	"io"
	"runtime"
	"sync"
)

const (
	// pieceSize is how many bytes of a snapshot are read at once: 400 entries and more,
	// which with what is worked out for them stay in a processor's cache.
	pieceSize = 16 << 10

	// likelyEntry is how long an entry is in a file, if it is an IPv4 address that an
	// IPv4 host told of: the shortest that there are many of.
	likelyEntry = 37

	// maxMoved is how many entries are put somewhere else since another has their
	// place. Those have changed while the snapshot was written: a few.
	maxMoved = 4096
)

// A loader fills an empty book from a snapshot. One goroutine cuts the file into pieces
// of whole entries, some work out where entries belong, and the caller puts them there,
// in the order of the file.
type loader struct {
	book *Book
	now  uint32

	// exact is whether each entry can have the places that it had. Else it gets others,
	// one after another, which takes longer.
	exact bool
	same  bool // the buckets of new are what they were

	free, work, order chan *piece
	failed            error // of the file; to be read when order is closed

	moved []record
	seen  uint64 // see fetch
}

// A piece is some entries of the file.
type piece struct {
	data    []byte
	records []record // to be used again
	found   []record // those of this piece
	err     error
	ready   chan struct{} // has room for one
}

// readSnapshot fills an empty book from the entries of a snapshot, of which there are so
// many bytes at most. It needs memory for what finds a place only. Whatever it meets, the
// book is consistent afterwards. It reads r to its end.
func (b *Book) readSnapshot(r io.Reader, size int64, h header) error {
	same := h.key == b.key && int(h.newBuckets) == b.newBuckets && h.groups == b.groups.id()
	workers := runtime.GOMAXPROCS(0)
	pieces := 2*workers + 2
	l := &loader{
		book: b, now: toUnix(b.now()), same: same, exact: same && int(h.triedBuckets) == b.triedBuckets,
		free: make(chan *piece, pieces), work: make(chan *piece, pieces), order: make(chan *piece, pieces),
	}
	for range pieces {
		l.free <- &piece{ready: make(chan struct{}, 1)}
	}
	places := int64(len(b.newSlots) + len(b.triedSlots))
	b.index.reserve(int(min(size/likelyEntry, places)))
	var wg sync.WaitGroup
	wg.Go(func() { l.failed = l.cut(r) })
	for range workers {
		wg.Go(func() {
			for p := range l.work {
				p.err = l.decode(p)
				p.ready <- struct{}{}
			}
		})
	}
	var err error
	for p := range l.order {
		<-p.ready
		if err == nil {
			err = p.err
		}
		if err == nil {
			l.put(p.found)
		}
		l.free <- p
	}
	wg.Wait()
	if l.failed != nil {
		return l.failed
	}
	if err == nil && l.exact {
		l.finish()
	}
	return err
}

// cut cuts what is read into pieces.
func (l *loader) cut(r io.Reader) error {
	defer close(l.order)
	defer close(l.work)
	var room [maxEntry]byte
	rest := room[:0] // the beginning of an entry
	for {
		p := <-l.free
		if p.data == nil { // most books are small
			p.data = make([]byte, pieceSize)
		}
		p.data = p.data[:copy(p.data[:pieceSize], rest)]
		n, err := io.ReadFull(r, p.data[len(p.data):pieceSize])
		if err != nil && !torn(err) {
			return err
		}
		p.data = p.data[:len(rest)+n]
		whole, end := 0, false
		for !end {
			n := entryLength(p.data[whole:])
			if n == 0 {
				break
			}
			end = p.data[whole] == 0
			whole += n
		}
		rest = room[:copy(room[:], p.data[whole:])]
		p.data = p.data[:whole]
		l.work <- p
		l.order <- p
		switch {
		case end:
			_, err := io.Copy(io.Discard, r)
			return err
		case err != nil:
			return io.ErrUnexpectedEOF
		}
	}
}

// decode reads the entries of a piece, and works out where they belong: what can be
// done without the book as it is.
func (l *loader) decode(p *piece) error {
	b := l.book
	n := 0
	for f := (fields{p: p.data}); len(f.p) > 0; {
		if n == len(p.records) {
			p.records = append(p.records, record{})
		}
		r := &p.records[n]
		f.record(r)
		if f.err != nil {
			return f.err
		}
		if r.addr.Port == 0 || !Routable(r.addr.Host, b.allowLocal) { // or the end of the list
			continue
		}
		n++
		// Times that lie ahead, from a clock that was wrong, would hold for long.
		r.lastTry, r.lastSuccess = min(r.lastTry, l.now), min(r.lastSuccess, l.now)
		r.group = b.groups.Group(r.addr.Host)
		if !l.exact {
			continue
		}
		r.hash = b.key.hashAddr(tagIndex, 0, r.addr)
		r.groupHash = b.fresh.hash(r.addr.Host.Network(), r.group)
		if r.tried {
			r.slots[0] = b.triedSlot(r.addr, r.group)
			continue
		}
		r.slots[0] = none // the record may have been another
		for i, bucket := range r.buckets[:r.refs] {
			r.slots[i] = none
			if int64(bucket) < int64(b.newBuckets) {
				r.slots[i] = b.position(r.addr, bucket, false)
			}
		}
	}
	p.found = p.records[:n]
	return nil
}

// put puts the entries of a piece where they belong. If they have the places that they
// had, all but the rings of their groups is done afterwards.
func (l *loader) put(records []record) {
	if !l.exact {
		for i := range records {
			l.book.restore(&records[i], l.same, l.now)
		}
		return
	}
	l.fetch(records)
	for i := range records {
		l.putExact(&records[i])
	}
}

// fetch reads what putExact will want from memory. Nothing here waits for anything, so
// the processor fetches many at once, where putExact would wait for one after another.
func (l *loader) fetch(records []record) {
	b := l.book
	for i := range records {
		r := &records[i]
		l.seen += b.index.at(r.hash)
		slots := b.newSlots
		if r.tried {
			slots = b.triedSlots
		}
		l.seen += uint64(slots[max(r.slots[0], 0)])
		l.seen += b.pool(r.tried).index.at(r.groupHash)
	}
	for i := range records {
		r := &records[i]
		p := b.pool(r.tried)
		if c := p.index.at(r.groupHash); c != 0 {
			l.seen += uint64(p.groups[number(c)].count)
		}
	}
}

// pool returns the pool of a table.
func (b *Book) pool(tried bool) *pool {
	if tried {
		return &b.tried
	}
	return &b.fresh
}

// putExact puts an entry where it was. A place that another has by now it does not get;
// if there is none left it has to wait for the others.
func (l *loader) putExact(r *record) {
	b := l.book
	if b.index.find(r.hash, func(id int32) bool { return b.entries.at(id).addr == r.addr }) != none {
		return
	}
	if r.tried && (r.lastSuccess == 0 || b.triedSlots[r.slots[0]] != 0) {
		l.wait(r)
		return
	}
	id := b.entries.alloc()
	slot, refs := r.slots[0], uint8(0)
	if r.tried {
		b.triedSlots[slot] = id + 1
	} else {
		slot = none
		for _, s := range r.slots[:r.refs] {
			if s != none && b.newSlots[s] == 0 {
				b.newSlots[s], b.newNext[s] = id+1, slot
				slot = s
				refs++
			}
		}
		if refs == 0 {
			b.entries.used-- // give it back: nothing was released yet
			l.wait(r)
			return
		}
	}
	e := b.entries.at(id)
	*e = r.entry
	e.slot, e.refs = slot, refs
	e.group = b.pool(r.tried).join(r.addr.Host.Network(), r.group, r.groupHash)
	b.index.add(id, r.hash)
}

// wait keeps an entry for when all others have their places.
func (l *loader) wait(r *record) {
	if len(l.moved) < maxMoved {
		l.moved = append(l.moved, *r)
	}
}

// finish makes the rings of all groups, and then places for the entries that have lost
// theirs.
func (l *loader) finish() {
	b := l.book
	var fresh, tried members
	fresh.init(&b.fresh)
	tried.init(&b.tried)
	for id := range b.entries.used {
		if e := b.entries.at(id); e.tried {
			tried.add(e.group, id)
		} else {
			fresh.add(e.group, id)
		}
	}
	var wg sync.WaitGroup
	wg.Go(fresh.link)
	wg.Go(tried.link)
	wg.Wait()
	for i := range l.moved {
		b.restore(&l.moved[i], false, l.now)
	}
}

// members has the entries of each group of a pool, one group after another.
type members struct {
	pool *pool
	ids  []int32
	end  []int32 // of each group, so far; the next group begins where one ends at last
}

func (m *members) init(p *pool) {
	m.pool, m.end = p, make([]int32, len(p.groups))
	total := int32(0)
	for i := range p.groups {
		m.end[i] = total
		total += p.groups[i].count
	}
	m.ids = make([]int32, total)
}

func (m *members) add(group, id int32) {
	m.ids[m.end[group]] = id
	m.end[group]++
}

// link makes a ring of the entries of each group. They are anywhere in memory; that all
// of them are known before has the processor fetch many at once.
func (m *members) link() {
	at := int32(0)
	for i, end := range m.end {
		ring := m.ids[at:end]
		at = end
		m.pool.groups[i].head = ring[0]
		prev := ring[len(ring)-1]
		for k, id := range ring {
			next := ring[0]
			if k+1 < len(ring) {
				next = ring[k+1]
			}
			e := m.pool.book.entries.at(id)
			e.prev, e.next = prev, next
			prev = id
		}
	}
}
