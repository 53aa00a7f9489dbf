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

// buckets are those of new that an entry is in: as many as it has refs.
type buckets [maxRefs]uint32

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

// fields reads one field after another from p, until the first error.
type fields struct {
	p   []byte
	err error
}

// zeros is what is read after an error. It is never written to.
var zeros [32]byte

func (f *fields) fail(err error) {
	f.p = nil
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) bytes(n int) []byte {
	if n > len(f.p) {
		f.fail(io.ErrUnexpectedEOF)
		return zeros[:n]
	}
	p := f.p[:n]
	f.p = f.p[n:]
	return p
}

func (f *fields) u8() byte    { return f.bytes(1)[0] }
func (f *fields) u16() uint16 { return binary.LittleEndian.Uint16(f.bytes(2)) }
func (f *fields) u32() uint32 { return binary.LittleEndian.Uint32(f.bytes(4)) }
func (f *fields) u64() uint64 { return binary.LittleEndian.Uint64(f.bytes(8)) }

// hostSize is how many bytes an address on a network has; 0 for none, and for a
// network that is not known.
func hostSize(n netaddr.Network) int {
	switch n {
	case netaddr.IPv4:
		return 4
	case netaddr.IPv6, netaddr.CJDNS:
		return 16
	case netaddr.Onion, netaddr.I2P:
		return 32
	}
	return 0
}

// host reads a host to where it is wanted: to return it, and what it is in, would take
// longer than to read it.
func (f *fields) host(h *netaddr.Host) {
	n := netaddr.Network(f.u8())
	if n == 0 {
		*h = netaddr.Host{}
		return
	}
	p := f.bytes(hostSize(n))
	if f.err != nil {
		*h = netaddr.Host{}
		return
	}
	var err error
	if *h, err = netaddr.FromBytes(n, p); err != nil {
		f.fail(fmt.Errorf("%w: %w", errRecord, err))
	}
}

// addr reads an address; the zero one is the end of a list.
func (f *fields) addr(a *netaddr.Addr) {
	f.host(&a.Host)
	a.Port = 0
	if a.Host.IsValid() {
		a.Port = f.u16()
	}
}

// entry reads an entry; one without an address is the end of a list. What a file does
// not have of it is left as it is.
func (f *fields) entry(e *entry, in *buckets) {
	f.addr(&e.addr)
	if !e.addr.Host.IsValid() {
		return
	}
	f.host(&e.source)
	p := f.bytes(8 + 3*4 + 1 + 1)
	e.services = binary.LittleEndian.Uint64(p)
	e.seen, e.lastTry = binary.LittleEndian.Uint32(p[8:]), binary.LittleEndian.Uint32(p[12:])
	e.lastSuccess = binary.LittleEndian.Uint32(p[16:])
	e.fails, e.refs = p[20], p[21]
	e.tried = e.refs == isTried
	if e.tried {
		e.refs = 0
	}
	if e.refs > maxRefs {
		f.fail(fmt.Errorf("%w: in %d buckets", errRecord, e.refs))
		return
	}
	for i := range e.refs {
		in[i] = f.u32()
	}
}

// entryLength returns how long the entry is that p begins with; 0 if p does not have
// all of it, and 1 for the end of a list. What it is of is not looked at: entry does.
func entryLength(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	if p[0] == 0 {
		return 1
	}
	source := 1 + hostSize(netaddr.Network(p[0])) + 2
	if source >= len(p) {
		return 0
	}
	refs := source + 1 + hostSize(netaddr.Network(p[source])) + 8 + 3*4 + 1
	if refs >= len(p) {
		return 0
	}
	n := refs + 1
	if p[refs] <= maxRefs {
		n += 4 * int(p[refs])
	}
	if n > len(p) {
		return 0
	}
	return n
}
