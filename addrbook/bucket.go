package addrbook

import (
	"encoding/binary"

	"holdfast/netaddr"
)

// The sizes of Bitcoin Core's address manager (src/addrman_impl.h, src/addrman.cpp).
const (
	defaultNewBuckets   = 1024
	defaultTriedBuckets = 256

	// bucketSize is how many entries one bucket holds.
	bucketSize = 64

	// newPerSource is over how many new buckets the addresses are spread that one
	// group tells us of: a flooder reaches no others.
	newPerSource = 64

	// triedPerGroup is over how many tried buckets the addresses of one group are
	// spread.
	triedPerGroup = 8

	// maxRefs is in how many new buckets one address can be.
	maxRefs = 8
)

// What is hashed begins with one of these, so that no two uses of the key can be
// played against each other. With other numbers, what is in a file had other places.
const (
	tagTriedSpread byte = iota + 3
	tagTried
	tagNewSpread
	tagNew
	tagPosition
)

// hashAddr hashes an address, and x with it.
func (k Key) hashAddr(tag byte, x uint32, a netaddr.Addr) uint64 {
	var room [48]byte
	p := append(room[:0], tag)
	p = binary.LittleEndian.AppendUint32(p, x)
	p = binary.LittleEndian.AppendUint16(p, a.Port)
	p = append(p, byte(a.Host.Network()))
	return k.sum(a.Host.AppendBytes(p))
}

// hashGroups hashes two groups, or a group and a number.
func (k Key) hashGroups(tag byte, x, y uint64) uint64 {
	var room [17]byte
	room[0] = tag
	binary.LittleEndian.PutUint64(room[1:], x)
	binary.LittleEndian.PutUint64(room[9:], y)
	return k.sum(room[:])
}

// newSlot is where in the new table an address belongs that source told us: a
// bucket of the source's, which of them depends on the address's group.
func (b *Book) newSlot(a netaddr.Addr, group, source Group) int32 {
	spread := b.key.hashGroups(tagNewSpread, uint64(group), uint64(source)) % newPerSource
	bucket := b.key.hashGroups(tagNew, uint64(source), spread) % uint64(b.newBuckets)
	return b.position(a, uint32(bucket), false)
}

// triedSlot is where in the tried table an address belongs.
func (b *Book) triedSlot(a netaddr.Addr, group Group) int32 {
	spread := b.key.hashAddr(tagTriedSpread, 0, a) % triedPerGroup
	bucket := b.key.hashGroups(tagTried, uint64(group), spread) % uint64(b.triedBuckets)
	return b.position(a, uint32(bucket), true)
}

// position is the slot of an address in a bucket. It has only one in each, so that
// nobody can fill a bucket by telling us of it again and again.
func (b *Book) position(a netaddr.Addr, bucket uint32, tried bool) int32 {
	x := bucket << 1
	if tried {
		x |= 1
	}
	return int32(bucket)*bucketSize + int32(b.key.hashAddr(tagPosition, x, a)%bucketSize)
}
