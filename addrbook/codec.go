package addrbook

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"holdfast/netaddr"
)

// An entry in a file: the address, who told of it, services (8), the times of seen,
// last try and last success (4 each), failures (1), then how many buckets of new it
// is in (1), and each of them (4); isTried instead for an entry of tried. A host is
// its network (1), 0 for none, and its bytes; numbers are little endian.
const (
	isTried  = 255
	maxEntry = 1 + 32 + 2 + 1 + 32 + 8 + 12 + 1 + 1 + 4*maxRefs
)

// record is an entry as it is read from a file.
type record struct {
	entry
	buckets [maxRefs]uint32 // of new: refs of them
}

var errRecord = errors.New("damaged entry")

// appendHost appends a host.
func appendHost(p []byte, h netaddr.Host) []byte {
	return h.AppendBytes(append(p, byte(h.Network())))
}

// appendAddr appends an address and its port.
func appendAddr(p []byte, a netaddr.Addr) []byte {
	return binary.LittleEndian.AppendUint16(appendHost(p, a.Host), a.Port)
}

// appendEntry appends an entry. next gives the next slot of a slot of new.
func appendEntry(p []byte, e *entry, next []int32) []byte {
	p = appendHost(appendAddr(p, e.addr), e.source)
	p = binary.LittleEndian.AppendUint64(p, e.services)
	for _, t := range []uint32{e.seen, e.lastTry, e.lastSuccess} {
		p = binary.LittleEndian.AppendUint32(p, t)
	}
	if e.tried {
		return append(p, e.fails, isTried)
	}
	p = append(p, e.fails, e.refs)
	for s := e.slot; s != none; s = next[s] {
		p = binary.LittleEndian.AppendUint32(p, uint32(s/bucketSize))
	}
	return p
}

// byteReader is what is read from: short reads are errors of its own.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// fields reads one field after another, until the first error.
type fields struct {
	r   byteReader
	err error
	buf [32]byte
}

func (f *fields) bytes(n int) []byte {
	p := f.buf[:n]
	if f.err == nil {
		if _, err := io.ReadFull(f.r, p); err != nil {
			f.err = err
		}
	}
	if f.err != nil {
		clear(p)
	}
	return p
}

func (f *fields) u8() byte    { return f.bytes(1)[0] }
func (f *fields) u16() uint16 { return binary.LittleEndian.Uint16(f.bytes(2)) }
func (f *fields) u32() uint32 { return binary.LittleEndian.Uint32(f.bytes(4)) }
func (f *fields) u64() uint64 { return binary.LittleEndian.Uint64(f.bytes(8)) }

func (f *fields) host() (h netaddr.Host) {
	n := netaddr.Network(f.u8())
	size := 0
	switch n {
	case 0:
		return netaddr.Host{}
	case netaddr.IPv4:
		size = 4
	case netaddr.IPv6, netaddr.CJDNS:
		size = 16
	case netaddr.Onion, netaddr.I2P:
		size = 32
	}
	p := f.bytes(size)
	if f.err == nil {
		if h, f.err = netaddr.FromBytes(n, p); f.err != nil {
			f.err = fmt.Errorf("%w: %w", errRecord, f.err)
		}
	}
	return h
}

func (f *fields) addr() netaddr.Addr {
	h := f.host()
	if !h.IsValid() { // the end of a list
		return netaddr.Addr{}
	}
	return netaddr.Addr{Host: h, Port: f.u16()}
}

// record reads an entry; one without an address is the end of a list.
func (f *fields) record() (r record) {
	r.addr = f.addr()
	if f.err != nil || !r.addr.IsValid() {
		return r
	}
	r.source = f.host()
	r.services = f.u64()
	r.seen, r.lastTry, r.lastSuccess = f.u32(), f.u32(), f.u32()
	r.fails, r.refs = f.u8(), f.u8()
	if r.refs == isTried {
		r.tried, r.refs = true, 0
	}
	if r.refs > maxRefs {
		if f.err == nil {
			f.err = fmt.Errorf("%w: in %d buckets", errRecord, r.refs)
		}
		return r
	}
	for i := range r.refs {
		r.buckets[i] = f.u32()
	}
	return r
}
