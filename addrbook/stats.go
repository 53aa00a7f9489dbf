package addrbook

import (
	"iter"

	"holdfast/netaddr"
)

// Count is how many addresses are in each table.
type Count struct{ New, Tried int }

// Stats is a book in numbers.
type Stats struct {
	Total      Count
	Networks   map[netaddr.Network]Count // all networks, also those with none
	Groups     Count                     // a group on two networks counts twice
	Capacity   Count                     // how many places there are
	Collisions int                       // addresses that wait for a place in tried
}

// Stats returns the book in numbers.
func (b *Book) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Stats{
		Networks:   make(map[netaddr.Network]Count),
		Groups:     Count{b.fresh.size(AllNetworks), b.tried.size(AllNetworks)},
		Capacity:   Count{len(b.newSlots), len(b.triedSlots)},
		Collisions: len(b.collisions),
	}
	for _, n := range netaddr.Networks() {
		c := Count{int(b.fresh.counts[n]), int(b.tried.counts[n])}
		s.Networks[n] = c
		s.Total.New += c.New
		s.Total.Tried += c.Tried
	}
	return s
}

// Len returns how many addresses the book has.
func (b *Book) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entries.len()
}

// Lookup returns what is known of an address.
func (b *Book) Lookup(a netaddr.Addr) (Entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id := b.find(a); id != none {
		return b.entries.at(id).public(), true
	}
	return Entry{}, false
}

// All yields all entries in no particular order. The book is not locked while the
// caller looks at them: what is added or removed meanwhile may be there or not.
func (b *Book) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		var batch []Entry
		for chunk := 0; ; chunk++ {
			batch = batch[:0]
			b.mu.Lock()
			more := chunk < len(b.entries.chunks)
			if more {
				for i := range b.entries.chunks[chunk] {
					if e := &b.entries.chunks[chunk][i]; e.addr.IsValid() {
						batch = append(batch, e.public())
					}
				}
			}
			b.mu.Unlock()
			if !more {
				return
			}
			for _, e := range batch {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Group returns the group of a host, by the Groups of the Config.
func (b *Book) Group(h netaddr.Host) Group { return b.groups.Group(h) }
