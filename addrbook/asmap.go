package addrbook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/netip"
)

// MaxASMap is the size in bytes of the largest ASMap that is read. Those of today
// have less than 2 MB; Bitcoin Core has the same bound (MAX_ASMAP_FILESIZE).
const MaxASMap = 8 << 20

// ErrASMap says that a file is not a sane ASMap. The errors of ReadASMap and
// ParseASMap that are about the contents wrap it.
var ErrASMap = errors.New("not a sane ASMap")

// ASMap tells the number of the autonomous system that announces an IP address. It
// does not change, and is safe for concurrent use.
type ASMap struct{ data []byte }

// ReadASMap reads a file in the format of Bitcoin Core's -asmap. Its errors wrap
// those of package os, or ErrASMap.
func ReadASMap(name string) (*ASMap, error) {
	f, err := openFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the ASMap: %w", err)
	}
	defer f.Close() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, MaxASMap+1))
	if err != nil {
		return nil, fmt.Errorf("reading the ASMap: %w", err)
	}
	m, err := ParseASMap(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// ParseASMap checks data, and keeps a copy of it. What it accepts can be looked up
// with any address without running out of the map.
func ParseASMap(data []byte) (*ASMap, error) {
	if len(data) > MaxASMap {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrASMap, MaxASMap)
	}
	m := &ASMap{bytes.Clone(data)}
	if err := m.check(128); err != nil {
		return nil, err
	}
	return m, nil
}

// Lookup returns the number of the autonomous system of an IP address, 0 if it is
// in none.
func (m *ASMap) Lookup(ip netip.Addr) uint32 {
	if !ip.IsValid() {
		return 0
	}
	in := ip.As16() // an IPv4 address as ::ffff:a.b.c.d
	r := asReader{data: m.data, end: uint32(len(m.data)) * 8}
	used, otherwise := 0, uint32(0)
	next := func() uint32 {
		bit := in[used/8] >> (7 - used%8) & 1
		used++
		return uint32(bit)
	}
	for {
		op, ok := r.op()
		if !ok {
			return 0 // cannot be: check has seen to that, here and below
		}
		switch op {
		case asReturn:
			as, _ := r.number(asNumber)
			return as
		case asDefault:
			otherwise, _ = r.number(asNumber)
		case asJump:
			by, ok := r.number(asDistance)
			if !ok || used >= 128 || by > r.end-r.at {
				return 0
			}
			if next() == 1 {
				r.at += by
			}
		case asMatch:
			pattern, ok := r.number(asPattern)
			n := bits.Len32(pattern) - 1
			if !ok || used+n > 128 {
				return 0
			}
			for i := n - 1; i >= 0; i-- {
				if next() != pattern>>i&1 {
					return otherwise
				}
			}
		}
	}
}

// An ASMap is a program of four instructions, packed into bits, that walks down the
// bits of an address (Bitcoin Core, src/util/asmap.cpp).
const (
	asReturn  = 0 // the answer
	asJump    = 1 // if the next bit of the address is 1, go on that much further down
	asMatch   = 2 // if the next bits are not these, the answer is the default
	asDefault = 3 // the default, from now on
)

// A number is written as its class, that many ones and a zero (no zero behind the
// last class), and then as many bits as the class has.
type asCode struct {
	least uint32 // the smallest number
	bits  []uint8
}

var (
	asType     = asCode{0, []uint8{0, 0, 1}}
	asNumber   = asCode{1, []uint8{15, 16, 17, 18, 19, 20, 21, 22, 23, 24}}
	asPattern  = asCode{2, []uint8{1, 2, 3, 4, 5, 6, 7, 8}}
	asDistance = asCode{17, []uint8{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30}}
)

// asReader reads the bits of a map, the lowest of each byte first.
type asReader struct {
	data    []byte
	at, end uint32 // in bits; MaxASMap keeps them far from overflow
}

func (r *asReader) bit() (uint32, bool) {
	if r.at >= r.end {
		return 0, false
	}
	bit := r.data[r.at/8] >> (r.at % 8) & 1
	r.at++
	return uint32(bit), true
}

func (r *asReader) op() (uint32, bool) { return r.number(asType) }

// number reads a number of a code; false if the map ends in it.
func (r *asReader) number(c asCode) (uint32, bool) {
	x := c.least
	for i, n := range c.bits {
		if i < len(c.bits)-1 {
			more, ok := r.bit()
			if !ok {
				return 0, false
			}
			if more == 1 {
				x += 1 << n
				continue
			}
		}
		for k := int(n) - 1; k >= 0; k-- {
			bit, ok := r.bit()
			if !ok {
				return 0, false
			}
			x += bit << k
		}
		return x, true
	}
	return 0, false
}

// check goes once through the whole map, along all ways at once, and refuses what
// could run out of the map or of the width bits of an address, what cannot be
// reached, and what could be said shorter: the rules of Bitcoin Core's
// SanityCheckASMap.
func (m *ASMap) check(width int) error {
	r := asReader{data: m.data, end: uint32(len(m.data)) * 8}
	bad := func(why string) error { return fmt.Errorf("%w: bit %d: %s", ErrASMap, r.at, why) }
	type target struct {
		at   uint32 // where a jump leads
		left int    // how many bits of the address are left there
	}
	var jumps []target // not yet reached, the nearest last; at most width
	last := uint32(asJump)
	partial := false // there was a match of less than 8 bits among those in a row
	for r.at < r.end {
		if len(jumps) > 0 && r.at >= jumps[len(jumps)-1].at {
			return bad("a jump leads into an instruction")
		}
		op, ok := r.op()
		if !ok {
			return bad("it ends in an instruction")
		}
		switch op {
		case asReturn, asDefault:
			if last == asDefault {
				return bad("a default that is of no use")
			}
			if _, ok := r.number(asNumber); !ok {
				return bad("it ends in a number")
			}
			if op == asDefault {
				break
			}
			if len(jumps) == 0 {
				return m.checkPadding(r)
			}
			to := jumps[len(jumps)-1]
			if r.at != to.at {
				return bad("instructions that are never reached")
			}
			width, jumps, op = to.left, jumps[:len(jumps)-1], asJump
		case asJump:
			by, ok := r.number(asDistance)
			if !ok || by > r.end-r.at {
				return bad("a jump out of the map")
			}
			if width == 0 {
				return bad("it asks for more bits than an address has")
			}
			width--
			to := r.at + by
			if len(jumps) > 0 && to >= jumps[len(jumps)-1].at {
				return bad("jumps that cross")
			}
			jumps = append(jumps, target{to, width})
		case asMatch:
			pattern, ok := r.number(asPattern)
			if !ok {
				return bad("it ends in a match")
			}
			n := bits.Len32(pattern) - 1
			if last != asMatch {
				partial = false
			}
			if n < 8 && partial {
				return bad("matches that could be one")
			}
			partial = n < 8
			if width < n {
				return bad("it asks for more bits than an address has")
			}
			width -= n
		}
		last = op
	}
	return bad("it ends without an answer")
}

// checkPadding checks what is behind the last instruction: less than a byte of
// zeros.
func (m *ASMap) checkPadding(r asReader) error {
	if r.end-r.at > 7 {
		return fmt.Errorf("%w: %d bits behind its end", ErrASMap, r.end-r.at)
	}
	for r.at < r.end {
		if bit, _ := r.bit(); bit != 0 {
			return fmt.Errorf("%w: the bits behind its end are not 0", ErrASMap)
		}
	}
	return nil
}
