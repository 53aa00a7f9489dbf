package geodb

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
)

// A small writer of MaxMind's format (version 2.0), enough for tests: a tree of bits with
// 24 bits a branch, the records, and what the database is.

type (
	m      = map[string]any
	single float32 // a float of 32 bits
)

// records are what a database has, by network.
type records map[string]any

// database is the file of some records. IPv4 is below ::/96, as the format has it.
func database(kind string, list records) []byte {
	type node [2]any // each: nil, *node, or the offset of a record
	root := new(node)
	nodes := []*node{root}
	var data []byte
	for _, text := range slices.Sorted(maps.Keys(list)) {
		p := netip.MustParsePrefix(text)
		ip, bits := p.Addr().As16(), p.Bits()
		if p.Addr().Is4() {
			ip[10], ip[11] = 0, 0
			bits += 96
		}
		offset := len(data)
		data = appendValue(data, list[text])
		at := root
		for i := range bits {
			branch := &at[ip[i/8]>>(7-i%8)&1]
			if i == bits-1 {
				*branch = offset
				break
			}
			next, there := (*branch).(*node)
			if !there {
				next = new(node)
				nodes = append(nodes, next)
				*branch = next
			}
			at = next
		}
	}
	number := make(map[*node]int)
	for i, n := range nodes {
		number[n] = i
	}
	var b []byte
	for _, n := range nodes {
		for _, branch := range n {
			to := len(nodes) // nothing is known
			switch branch := branch.(type) {
			case *node:
				to = number[branch]
			case int:
				to = len(nodes) + 16 + branch
			}
			b = append(b, byte(to>>16), byte(to>>8), byte(to))
		}
	}
	b = append(b, make([]byte, 16)...)
	b = append(b, data...)
	b = append(b, "\xab\xcd\xefMaxMind.com"...)
	return appendValue(b, m{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0),
		"build_epoch": uint64(1_767_225_600), "database_type": kind, "ip_version": uint16(6),
		"node_count": uint32(len(nodes)), "record_size": uint16(24),
	})
}

// appendValue adds a value as the format has it: a byte with its type and size, a second
// one with the type if that is above 7, more of the size if it is above 28, and the value.
func appendValue(b []byte, v any) []byte {
	head := func(kind, size int) {
		more := []byte(nil)
		if size >= 29+256 {
			panic("too long for this writer")
		}
		if size >= 29 {
			size, more = 29, []byte{byte(size - 29)}
		}
		if kind > 7 {
			b = append(b, byte(size), byte(kind-7))
		} else {
			b = append(b, byte(kind<<5|size))
		}
		b = append(b, more...)
	}
	switch v := v.(type) {
	case string:
		head(2, len(v))
		return append(b, v...)
	case float64:
		head(3, 8)
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	case uint16:
		head(5, 2)
		return binary.BigEndian.AppendUint16(b, v)
	case uint32:
		head(6, 4)
		return binary.BigEndian.AppendUint32(b, v)
	case uint64:
		head(9, 8)
		return binary.BigEndian.AppendUint64(b, v)
	case single:
		head(15, 4)
		return binary.BigEndian.AppendUint32(b, math.Float32bits(float32(v)))
	case m:
		head(7, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = appendValue(appendValue(b, k), v[k])
		}
		return b
	}
	panic(fmt.Sprintf("this writer has no %T", v))
}
