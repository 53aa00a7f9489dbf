package addrbook

import (
	"bufio"
	"io"
	"runtime"
	"sync"

	"holdfast/netaddr"
)

const (
	// pieceSize is room for a chunk of entries, however long they are: 34 KB. So what is
	// worked on stays in a processor's cache.
	pieceSize = chunkSize * maxEntry

	// likelyEntry is how long an entry is in a file, if it is an IPv4 address that an
	// IPv4 host told of: the shortest that there are many of.
	likelyEntry = 37

	// maxMoved is how many entries are put somewhere else since another has their
	// place. Those have changed while the snapshot was written: a few.
	maxMoved = 4096
)

// A loader fills an empty book from a snapshot. One goroutine cuts the file into pieces
// of whole entries, some read them into memory of the book and work out where they belong,
// and the caller puts them there, in the order of the file.
type loader struct {
	book *Book
	now  uint32

	// exact is whether each entry can have the places that it had. Else it gets others,
	// one after another, which takes longer.
	exact bool
	same  bool // the buckets of new are what they were

	free, work, order chan *piece
	failed            error // of the file; to be read when order is closed

	fresh, tried members
	tellers      []named // like near of members
	moved        []record
	seen         uint64 // see fetch
}

// A piece is some entries of the file: a chunk of them, or fewer.
type piece struct {
	data    []byte
	entries *[chunkSize]entry // n of them; those of the book, if exact
	places  [chunkSize]place
	n       int
	err     error
	ready   chan struct{} // has room for one
}

// A place is where an entry belongs.
type place struct {
	hash    uint64 // in the index
	group   Group
	from    Group          // of who told of it; not of tried
	slots   [maxRefs]int32 // of new, or one of tried
	n       uint8          // how many slots
	tried   bool
	network netaddr.Network
}

// A record is an entry that has no place.
type record struct {
	entry
	group Group
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
	if l.exact {
		likely := int(size / likelyEntry)
		b.index.reserve(min(likely, len(b.newSlots)+len(b.triedSlots)))
		l.tellers = make([]named, 1<<16)
		l.fresh.init(&b.fresh, min(likely, len(b.newSlots)))
		l.tried.init(&b.tried, min(likely, len(b.triedSlots)))
	}
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
			l.put(p)
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
	in := bufio.NewReaderSize(r, 4*pieceSize)
	for {
		data, err := in.Peek(pieceSize)
		if err != nil && !torn(err) {
			return err
		}
		whole, n, end := 0, 0, false
		for n < chunkSize && !end {
			length := entryLength(data[whole:])
			if length == 0 {
				break
			}
			end = data[whole] == 0
			whole += length
			n++
		}
		p := <-l.free
		p.data = append(p.data[:0], data[:whole]...)
		in.Discard(whole) // it never fails: they are there
		l.work <- p
		l.order <- p
		switch {
		case end:
			_, err := io.Copy(io.Discard, in)
			return err
		case n < chunkSize:
			return io.ErrUnexpectedEOF
		}
	}
}

// decode reads the entries of a piece, and works out where they belong: what can be
// done without the book as it is. The slots that it writes into them are those that they
// have unless putExact says otherwise.
func (l *loader) decode(p *piece) error {
	b := l.book
	if l.exact || p.entries == nil {
		p.entries = new([chunkSize]entry)
	}
	p.n = 0
	var in buckets
	for f := (fields{p: p.data}); len(f.p) > 0; {
		e, at := &p.entries[p.n], &p.places[p.n]
		f.entry(e, &in)
		if f.err != nil {
			return f.err
		}
		if !b.takes(&e.addr) { // or the end of the list
			*e = entry{}
			continue
		}
		p.n++
		// Times that lie ahead, from a clock that was wrong, would hold for long.
		e.lastTry, e.lastSuccess = min(e.lastTry, l.now), min(e.lastSuccess, l.now)
		e.from = none
		at.group = b.groups.Group(e.addr.Host)
		at.n, at.tried, at.network = 0, e.tried, e.addr.Host.Network()
		if l.exact {
			at.hash = b.hash(e.addr)
			if e.tried && e.lastSuccess != 0 {
				at.slots[0], at.n = b.triedSlot(e.addr, at.group), 1
				e.slot = at.slots[0]
			}
		}
		if l.exact && !e.tried {
			at.from = b.groups.Group(e.source)
		}
		if !l.same || e.tried {
			continue
		}
		for _, bucket := range in[:e.refs] {
			if int64(bucket) < int64(b.newBuckets) {
				at.slots[at.n] = b.position(e.addr, bucket, false)
				e.slot = at.slots[at.n]
				at.n++
			}
		}
		e.refs = at.n
	}
	return nil
}

// put puts the entries of a piece where they belong. If they have the places that they
// had, all but the members of their groups is done afterwards.
func (l *loader) put(p *piece) {
	if !l.exact {
		for i := range p.entries[:p.n] {
			at := &p.places[i]
			l.book.restore(&p.entries[i], at.group, at.slots[:at.n], l.now)
		}
		return
	}
	s := &l.book.entries
	for int(s.used) < len(s.chunks)*chunkSize { // of the piece before
		s.free = append(s.free, s.used)
		s.used++
	}
	s.chunks = append(s.chunks, p.entries)
	l.fetch(p.places[:p.n])
	for i := range p.places[:p.n] {
		l.putExact(s.used, &p.places[i])
		s.used++
	}
}

// fetch reads what putExact will want from memory. Nothing here waits for anything, so
// the processor fetches many at once, where putExact would wait for one after another.
func (l *loader) fetch(places []place) {
	for i := range places {
		at := &places[i]
		_, slots := l.of(at)
		l.seen += l.book.index.at(at.hash)
		if at.n > 0 {
			l.seen += uint64(slots[at.slots[0]])
		}
	}
}

// of returns the groups and the slots of the table that an entry is in.
func (l *loader) of(at *place) (*members, []int32) {
	if at.tried {
		return &l.tried, l.book.triedSlots
	}
	return &l.fresh, l.book.newSlots
}

// putExact puts an entry where it was. A place that another has by now it does not get;
// if there is none left it has to wait for the others.
func (l *loader) putExact(id int32, at *place) {
	b := l.book
	if !b.index.claim(id, at.hash, func(other int32) bool { return b.entries.at(other).addr == b.entries.at(id).addr }) {
		b.entries.release(id)
		return
	}
	m, slots := l.of(at)
	taken, last := uint8(0), none
	for _, s := range at.slots[:at.n] {
		if slots[s] != 0 {
			continue
		}
		slots[s] = id + 1
		if !at.tried {
			b.newNext[s] = last
		}
		last = s
		taken++
	}
	if taken == 0 {
		if len(l.moved) < maxMoved {
			l.moved = append(l.moved, record{*b.entries.at(id), at.group})
		}
		b.discard(id)
		return
	}
	if taken < at.n {
		e := b.entries.at(id)
		e.slot, e.refs = last, taken
	}
	m.add(id, at)
	if !at.tried {
		b.sources.add(b.entries.at(id), l.teller(at.from))
	}
}

// teller returns the number of a group in sources.
func (l *loader) teller(g Group) int32 {
	if g == 0 { // it is ourselves, and stands for an empty place below
		return none
	}
	near := &l.tellers[uint16(g^g>>16)]
	if near.group != g {
		*near = named{group: g, number: l.book.sources.number(g)}
	}
	return near.number
}

// finish gives all groups their members, and then places for the entries that have lost
// theirs.
func (l *loader) finish() {
	var wg sync.WaitGroup
	wg.Go(l.fresh.link)
	wg.Go(l.tried.link)
	wg.Wait()
	for i := range l.moved {
		l.book.restore(&l.moved[i].entry, l.moved[i].group, nil, l.now)
	}
}

// members has the entries of a pool, to give all its groups their members at once.
type members struct {
	pool *pool
	list []member

	// near has the numbers of groups by what is low in their names, which for IPv4 is all
	// that differs. Another's place is simply taken.
	near []named
}

// A member is an entry with the number of its group.
type member struct{ id, group int32 }

// A named is a group with its number. That of no network is none.
type named struct {
	group   Group
	number  int32
	network netaddr.Network
}

// init makes room for n members.
func (m *members) init(p *pool, n int) {
	m.pool, m.list, m.near = p, make([]member, 0, n), make([]named, 1<<16)
}

// cell returns where a group's number may be.
func (m *members) cell(g Group) *named { return &m.near[uint16(g^g>>16)] }

func (m *members) add(id int32, at *place) {
	near := m.cell(at.group)
	if near.group != at.group || near.network != at.network {
		*near = named{at.group, m.pool.number(at.network, at.group), at.network}
	}
	m.list = append(m.list, member{id, near.number})
}

// link gives each group its members. They are anywhere in memory; that all
// of them are known before has the processor fetch many at once.
func (m *members) link() {
	p := m.pool
	end := make([]int32, len(p.groups)) // of each group, so far; the next begins where one ends at last
	for _, x := range m.list {
		end[x.group]++
	}
	total := int32(0)
	for i, n := range end {
		end[i] = total
		total += n
	}
	ids := make([]int32, total)
	for _, x := range m.list {
		ids[end[x.group]] = x.id
		end[x.group]++
	}
	at := int32(0)
	for i, end := range end {
		info := &p.groups[i]
		info.members = ids[at:end:end]
		at = end
		p.counts[info.network] += int32(len(info.members))
		for k, id := range info.members {
			e := p.book.entries.at(id)
			e.group, e.place = int32(i), int32(k)
		}
	}
}
