package addrbook

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A snapshot is: the magic, the key (16), the bucket counts (4 each), the id of the
// Groups (32), the generation of the journal that goes on from here (8), the
// entries, a 0 for the end, and SHA-256 of all of that.
const snapshotMagic = "holdfast book 1\n"

// header is what a snapshot begins with, behind the magic.
type header struct {
	key          Key
	newBuckets   uint32
	triedBuckets uint32
	groups       [32]byte
	generation   uint64
}

// writeSnapshot writes the book. It locks it for one chunk after another, never for
// long: what changes meanwhile is in the snapshot as it was before or after. What is
// promoted meanwhile is in the journal of the generation too.
func (b *Book) writeSnapshot(w io.Writer, generation uint64) error {
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<18)
	id := b.groups.id()
	p := append([]byte(snapshotMagic), b.key[:]...)
	p = binary.LittleEndian.AppendUint32(p, uint32(b.newBuckets))
	p = binary.LittleEndian.AppendUint32(p, uint32(b.triedBuckets))
	p = append(p, id[:]...)
	p = binary.LittleEndian.AppendUint64(p, generation)
	for chunk, more := 0, true; more; chunk++ {
		if _, err := out.Write(p); err != nil {
			return err
		}
		p, more = b.appendChunk(p[:0], chunk)
	}
	if err := out.WriteByte(0); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

// appendChunk appends the entries of a chunk; false if there is no such chunk.
func (b *Book) appendChunk(p []byte, chunk int) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if chunk >= len(b.entries.chunks) {
		return p, false
	}
	for i := range b.entries.chunks[chunk] {
		if e := &b.entries.chunks[chunk][i]; e.addr.IsValid() {
			p = appendEntry(p, e, b.newNext)
		}
	}
	return p, true
}

// What can be wrong with a file.
var (
	errForeign  = errors.New("it is no address book of this program, or of a later version")
	errChecksum = errors.New("its checksum is wrong: it was damaged, or not written to its end")
)

// headerSize is the length of the magic and the header.
const headerSize = len(snapshotMagic) + 16 + 2*4 + 32 + 8

// readHeader reads the magic and the header.
func readHeader(f fields) (h header, err error) {
	if magic := f.bytes(len(snapshotMagic)); f.err == nil && string(magic) != snapshotMagic {
		return h, errForeign
	}
	copy(h.key[:], f.bytes(len(h.key)))
	h.newBuckets, h.triedBuckets = f.u32(), f.u32()
	copy(h.groups[:], f.bytes(len(h.groups)))
	h.generation = f.u64()
	if f.err != nil {
		return h, fmt.Errorf("%w: it is too short", errChecksum)
	}
	if h.key == (Key{}) || h.generation == 0 || h.generation > math.MaxInt64 {
		return h, errForeign
	}
	return h, nil
}

// restore puts an entry that was read where it was, or where it belongs now.
func (b *Book) restore(r *entry, group Group, slots []int32, now uint32) {
	if b.find(r.addr) != none {
		return
	}
	id := b.create(r.addr, r.source)
	e := b.entries.at(id)
	e.services, e.seen, e.lastTry, e.lastSuccess, e.fails = r.services, r.seen, r.lastTry, r.lastSuccess, r.fails
	if r.tried && r.lastSuccess != 0 {
		if slot := b.triedSlot(r.addr, group); b.triedSlots[slot] == 0 {
			b.putTried(id, slot, group)
			return
		}
	}
	from := b.groups.Group(r.source)
	for _, slot := range slots {
		if b.newSlots[slot] == 0 {
			b.putNew(id, slot, group, from)
		}
	}
	if e.refs == 0 {
		slot := b.newSlot(r.addr, group, from)
		if old := b.newSlots[slot] - 1; old != none && b.gives(old, true, r.addr.Host.Network(), group, from, now) {
			b.clearNew(slot)
		}
		if b.newSlots[slot] != 0 {
			b.discard(id)
			return
		}
		b.putNew(id, slot, group, from)
	}
}
