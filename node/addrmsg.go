package node

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

// The messages addr and addrv2 are read and written here: wire knows neither I2P nor
// CJDNS, and it holds what has come twice. The form of addrv2 is BIP155's.

const (
	// maxToldHost is the longest address of a host that addrv2 may have, of any network.
	maxToldHost = 512

	addrEntry   = 4 + 8 + 16 + 2                  // time, services, address, port
	addrV2Entry = 4 + 9 + 1 + 3 + maxToldHost + 2 // the same, and the network; at most
)

// toldSizes has the length of the addresses of each network that BIP155 lists, of those too
// that are nothing to us: 3 is Tor v2, which is no more, and 7 Yggdrasil.
var toldSizes = map[netaddr.Network]int{
	netaddr.IPv4: 4, netaddr.IPv6: 16, 3: 10, netaddr.Onion: 32, netaddr.I2P: 32, netaddr.CJDNS: 16, 7: 16,
}

// toldAddrs is what is in either message.
type toldAddrs struct {
	list  []addrbook.Known // those that can be told in it
	count int              // of those that were received, with what is not in list
}

// told is for who takes either message.
func (t *toldAddrs) told() *toldAddrs { return t }

// addrList is an addr, addrV2List an addrv2.
type (
	addrList   struct{ toldAddrs }
	addrV2List struct{ toldAddrs }
)

// newAddrList returns a message that tells what an addr can, and newAddrV2List one that
// tells all.
func newAddrList(list []addrbook.Known) *addrList {
	list = slices.DeleteFunc(slices.Clone(list), func(k addrbook.Known) bool {
		_, isIP := k.Addr.Host.IP()
		return !isIP
	})
	return &addrList{toldAddrs{list: list}}
}

func newAddrV2List(list []addrbook.Known) *addrV2List { return &addrV2List{toldAddrs{list: list}} }

// Command and what follows make a wire.Message of each.
func (*addrList) Command() string   { return wire.CmdAddr }
func (*addrV2List) Command() string { return wire.CmdAddrV2 }

// MaxPayloadLength returns the size of the longest message.
func (*addrList) MaxPayloadLength(uint32) uint32 {
	return wire.MaxVarIntPayload + wire.MaxAddrPerMsg*addrEntry
}

func (*addrV2List) MaxPayloadLength(uint32) uint32 {
	return wire.MaxVarIntPayload + wire.MaxV2AddrPerMsg*addrV2Entry
}

// BtcEncode writes the message.
func (m *addrList) BtcEncode(w io.Writer, _ uint32, _ wire.MessageEncoding) error {
	b := appendCount(nil, uint64(len(m.list)))
	for _, k := range m.list {
		ip, _ := k.Addr.Host.IP()
		b16 := ip.As16()
		b = binary.LittleEndian.AppendUint32(b, seconds(k.Seen))
		b = binary.LittleEndian.AppendUint64(b, k.Services)
		b = append(b, b16[:]...)
		b = binary.BigEndian.AppendUint16(b, k.Addr.Port)
	}
	_, err := w.Write(b)
	return err
}

// BtcEncode writes the message.
func (m *addrV2List) BtcEncode(w io.Writer, _ uint32, _ wire.MessageEncoding) error {
	b := appendCount(nil, uint64(len(m.list)))
	for _, k := range m.list {
		host := k.Addr.Host.Bytes()
		b = binary.LittleEndian.AppendUint32(b, seconds(k.Seen))
		b = appendCount(b, k.Services)
		b = append(b, byte(k.Addr.Host.Network()))
		b = appendCount(b, uint64(len(host)))
		b = append(b, host...)
		b = binary.BigEndian.AppendUint16(b, k.Addr.Port)
	}
	_, err := w.Write(b)
	return err
}

// BtcDecode reads the message as it comes.
func (m *addrList) BtcDecode(r io.Reader, pver uint32, _ wire.MessageEncoding) error {
	return m.decode(r, pver, func() (k addrbook.Known, ok bool, err error) {
		var b [addrEntry]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return k, false, err
		}
		k.Seen = time.Unix(int64(binary.LittleEndian.Uint32(b[:])), 0)
		k.Services = binary.LittleEndian.Uint64(b[4:])
		k.Addr.Host = netaddr.FromIP(netip.AddrFrom16([16]byte(b[12:])))
		k.Addr.Port = binary.BigEndian.Uint16(b[28:])
		return k, !isOnionCat(k.Addr.Host), nil
	})
}

// BtcDecode reads the message as it comes. What is of a network that is not known here,
// or can be no address of its network, is counted and left out; one whose length is
// wrong makes the message one that cannot be read.
func (m *addrV2List) BtcDecode(r io.Reader, pver uint32, _ wire.MessageEncoding) error {
	return m.decode(r, pver, func() (k addrbook.Known, ok bool, err error) {
		var b [maxToldHost + 2]byte
		if _, err := io.ReadFull(r, b[:4]); err != nil {
			return k, false, err
		}
		k.Seen = time.Unix(int64(binary.LittleEndian.Uint32(b[:])), 0)
		if k.Services, err = wire.ReadVarInt(r, pver); err != nil {
			return k, false, err
		}
		if _, err := io.ReadFull(r, b[:1]); err != nil {
			return k, false, err
		}
		network := netaddr.Network(b[0])
		n, err := wire.ReadVarInt(r, pver)
		if err != nil {
			return k, false, err
		}
		if n > maxToldHost {
			return k, false, fmt.Errorf("%d bytes of address", n)
		}
		if _, err := io.ReadFull(r, b[:n+2]); err != nil {
			return k, false, err
		}
		if size, known := toldSizes[network]; known && int(n) != size {
			return k, false, fmt.Errorf("%d bytes of address; network %d has %d", n, network, size)
		}
		k.Addr.Port = binary.BigEndian.Uint16(b[n:])
		if k.Addr.Host, err = netaddr.FromBytes(network, b[:n]); err != nil {
			return k, false, nil
		}
		return k, !isOnionCat(k.Addr.Host) && (network != netaddr.I2P || k.Addr.Port == 0), nil
	})
}

// decode reads the count, and as many entries; next says whether one is to be kept.
func (t *toldAddrs) decode(r io.Reader, pver uint32, next func() (addrbook.Known, bool, error)) error {
	n, err := wire.ReadVarInt(r, pver)
	if err != nil {
		return err
	}
	if n > wire.MaxAddrPerMsg {
		return fmt.Errorf("%d addresses", n)
	}
	t.count = int(n)
	for i := range t.count {
		k, ok, err := next()
		if err != nil {
			return fmt.Errorf("address %d of %d: %w", i+1, n, err)
		}
		if ok {
			t.list = append(t.list, k)
		}
	}
	return nil
}

// isOnionCat reports whether an address is that of an onion service of version 2, which
// are no more.
func isOnionCat(h netaddr.Host) bool {
	ip, ok := h.IP()
	return ok && onionCat.Contains(ip)
}

var onionCat = netip.MustParsePrefix("fd87:d87e:eb43::/48")

// seconds returns a time as both messages have it.
func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }

// appendCount appends what Bitcoin calls a CompactSize.
func appendCount(b []byte, n uint64) []byte {
	switch {
	case n < 0xfd:
		return append(b, byte(n))
	case n <= math.MaxUint16:
		return binary.LittleEndian.AppendUint16(append(b, 0xfd), uint16(n))
	case n <= math.MaxUint32:
		return binary.LittleEndian.AppendUint32(append(b, 0xfe), uint32(n))
	}
	return binary.LittleEndian.AppendUint64(append(b, 0xff), n)
}
