package banlist

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"holdfast/netaddr"
)

// coreReason is the reason of what comes from Bitcoin Core, which keeps none.
const coreReason = "imported from Bitcoin Core"

// coreVersion is CBanEntry::CURRENT_VERSION of Bitcoin Core, src/net_types.h.
const coreVersion = 1

// A coreEntry is an entry of Core's banlist.json: src/net_types.cpp.
type coreEntry struct {
	Version *int    `json:"version"`
	Created *int64  `json:"ban_created"`
	Until   *int64  `json:"banned_until"`
	Address *string `json:"address"`
}

// ExportCore writes the bans in force as Bitcoin Core's banlist.json. Reasons and
// origins are lost. Core knows no ban for ever: such a one lasts until the end of
// the year 9999. The errors are those of w.
func (l *List) ExportCore(w io.Writer) error {
	return writeJSON(w, `{"banned_nets":[`, l.sorted(), func(r record) any {
		version, address := coreVersion, coreAddress(r.subject)
		since, until := int64(r.since), min(r.until, lastSecond)
		return coreEntry{&version, &since, &until, &address}
	})
}

// ImportCore is Import for the banlist.json of Bitcoin Core 22 and later. The origin
// of what it holds is Operator, since Core bans nobody by itself. A ban until the
// end of the year 9999 or later is one for ever; one with a netmask instead of a
// length is read too, as Core does.
func (l *List) ImportCore(r io.Reader) (int, error) {
	var all []record
	var warning string // Core writes one to whoever edits the file
	err := readJSON(r, "banned_nets", map[string]any{"_warning_": &warning}, func(e coreEntry) error {
		r, err := e.record()
		all = append(all, r)
		return err
	})
	if err != nil {
		return 0, err
	}
	return l.merge(all)
}

func (e coreEntry) record() (record, error) {
	if e.Version == nil || e.Created == nil || e.Until == nil || e.Address == nil {
		return record{}, errors.New("version, ban_created, banned_until or address is missing")
	}
	if *e.Version != coreVersion {
		return record{}, fmt.Errorf("the version is %d, not %d", *e.Version, coreVersion)
	}
	s, err := ParseSubject(*e.Address)
	if err != nil {
		return record{}, err
	}
	return newRecord(s, coreReason, Operator, *e.Created, *e.Until)
}

// coreAddress is CSubNet::ToString of Core, src/netaddress.cpp: IP addresses have a
// length always, others never. What is in fc00::/8 is a CJDNS address to Core if it
// has no length.
func coreAddress(s Subject) string {
	p, ok := s.Prefix()
	if !ok || !s.isRange() && cjdns(s.host) {
		return s.String()
	}
	return p.String()
}

// cjdns reports whether an address is in fc00::/8.
func cjdns(h netaddr.Host) bool {
	ip, _ := h.IP()
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfc}), 8).Contains(ip)
}
