package rpc

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"holdfast/connmgr"
	"holdfast/node"
)

// peerInfo is a connection as getpeerinfo shows it: Bitcoin Core's fields in Core's
// order, then btcd's, then ours. All of Core 29's are there; of btcd's not currentheight,
// which this node cannot know. Blocks and transactions it takes from nobody, which is what
// their fields say.
type peerInfo struct {
	ID              uint64            `json:"id"`
	Addr            string            `json:"addr"`
	AddrBind        string            `json:"addrbind,omitempty"`
	AddrLocal       string            `json:"addrlocal,omitempty"`
	Network         string            `json:"network"`
	MappedAS        uint32            `json:"mapped_as,omitempty"`
	Services        string            `json:"services"`
	ServicesNames   []string          `json:"servicesnames"`
	RelayTxes       bool              `json:"relaytxes"`
	LastSend        int64             `json:"lastsend"`
	LastRecv        int64             `json:"lastrecv"`
	LastTransaction int64             `json:"last_transaction"` // 0: never
	LastBlock       int64             `json:"last_block"`       // 0: never
	BytesSent       uint64            `json:"bytessent"`
	BytesRecv       uint64            `json:"bytesrecv"`
	ConnTime        int64             `json:"conntime"`
	TimeOffset      int64             `json:"timeoffset"`
	PingTime        seconds           `json:"pingtime,omitempty"`
	MinPing         seconds           `json:"minping,omitempty"`
	PingWait        seconds           `json:"pingwait,omitempty"`
	Version         uint32            `json:"version"`
	SubVer          string            `json:"subver"`
	Inbound         bool              `json:"inbound"`
	BIP152To        bool              `json:"bip152_hb_to"`   // we ask nobody for blocks
	BIP152From      bool              `json:"bip152_hb_from"` // nobody is sent blocks
	StartingHeight  int32             `json:"startingheight"`
	PresyncHeaders  int               `json:"presynced_headers"` // -1: not known, as in Core
	SyncedHeaders   int               `json:"synced_headers"`    // the same
	SyncedBlocks    int               `json:"synced_blocks"`     // the same
	Inflight        []int             `json:"inflight"`          // no block is asked for
	AddrRelay       bool              `json:"addr_relay_enabled"`
	AddrProcessed   uint64            `json:"addr_processed"`
	AddrRateLimited uint64            `json:"addr_rate_limited"`
	Permissions     []string          `json:"permissions"`
	MinFeeFilter    coins             `json:"minfeefilter"`
	SentBy          map[string]uint64 `json:"bytessent_per_msg"`
	RecvBy          map[string]uint64 `json:"bytesrecv_per_msg"`
	Type            string            `json:"connection_type"`
	Transport       string            `json:"transport_protocol_type"`
	SessionID       string            `json:"session_id"` // "" with version 1, as in Core

	BanScore   uint32 `json:"banscore"`
	FeeFilter  int64  `json:"feefilter"` // minfeefilter, in satoshis
	SyncNode   bool   `json:"syncnode"`  // nobody is
	V2         bool   `json:"v2_connection"`
	State      string `json:"state"`
	Class      string `json:"class,omitempty"`
	Group      string `json:"group,omitempty"`
	AddrV2     bool   `json:"addrv2"`
	RequestID  uint64 `json:"reqid"`
	Persistent bool   `json:"persistent"`
}

// seconds is a duration as Core writes it, in seconds.
type seconds time.Duration

// MarshalJSON writes them to the microsecond as Core does, without an exponent.
func (s seconds) MarshalJSON() ([]byte, error) {
	d := time.Duration(s).Round(time.Microsecond)
	return strconv.AppendFloat(nil, d.Seconds(), 'f', -1, 64), nil
}

// coins is an amount in satoshis, as Core writes it: in bitcoins.
type coins int64

// MarshalJSON writes all eight decimals, as Core does.
func (c coins) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%08d", c/1e8, c%1e8), nil
}

var _, _ json.Marshaler = seconds(0), coins(0)

func newPeerInfo(p node.PeerInfo) peerInfo {
	x := peerInfo{
		ID:              p.ID,
		Addr:            addrText(p.Addr),
		AddrBind:        addrText(p.LocalAddr),
		Network:         networkName(p),
		MappedAS:        p.MappedAS,
		Services:        fmt.Sprintf("%016x", uint64(p.Services)),
		ServicesNames:   servicesNames(uint64(p.Services)),
		RelayTxes:       p.RelayTxes,
		LastSend:        unix(p.LastSend),
		LastRecv:        unix(p.LastRecv),
		BytesSent:       p.BytesOut,
		BytesRecv:       p.BytesIn,
		ConnTime:        unix(p.Since),
		TimeOffset:      int64(p.TimeOffset.Seconds()),
		PingTime:        seconds(p.Ping),
		MinPing:         seconds(p.MinPing),
		PingWait:        seconds(p.PingWait),
		Version:         p.Version,
		SubVer:          p.UserAgent,
		Inbound:         p.Inbound,
		StartingHeight:  p.Height,
		PresyncHeaders:  -1,
		SyncedHeaders:   -1,
		SyncedBlocks:    -1,
		Inflight:        []int{},
		AddrRelay:       p.AddrRelay,
		AddrProcessed:   p.AddrProcessed,
		AddrRateLimited: p.AddrRateLimited,
		Permissions:     []string{},
		MinFeeFilter:    coins(p.MinFee),
		FeeFilter:       p.MinFee,
		SentBy:          orEmpty(p.SentBy),
		RecvBy:          orEmpty(p.ReceivedBy),
		Type:            connectionType(p),
		Transport:       "v1",
		BanScore:        p.BanScore,
		State:           p.State.String(),
		Class:           string(p.Class),
		Group:           p.Group,
		AddrV2:          p.AddrV2,
		RequestID:       p.ReqID,
		Persistent:      p.Permanent,
	}
	if p.AddrLocal.IsValid() {
		x.AddrLocal = p.AddrLocal.String()
	}
	if p.Whitelisted {
		x.Permissions = append(x.Permissions, "noban")
	}
	return x
}

// addrText is an address or "".
func addrText(a interface{ String() string }) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// unix is a time as Core writes it; 0 is never.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// networkName is the network that a peer is on. Core calls that of a loopback or private
// address, and what it cannot tell, not_publicly_routable.
func networkName(p node.PeerInfo) string {
	const none = "not_publicly_routable"
	if p.Network == 0 {
		return none
	}
	if ip, ok := hostOnly(addrText(p.Addr)); ok && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()) {
		return none
	}
	return p.Network.String()
}

// connectionType is Core's name for the class of a connection. Our outbound peers
// exchange addresses and no transactions, for which Core has no name; it is the one of
// full relay since that of block relay stands for no addresses.
func connectionType(p node.PeerInfo) string {
	switch {
	case p.Inbound:
		return "inbound"
	case p.Class == node.ClassFeeler:
		return "feeler"
	case p.Class == node.ClassSeed:
		return "addr-fetch"
	case p.Permanent || p.Class != "" && p.Class != connmgr.ClassOutbound:
		return "manual"
	}
	return "outbound-full-relay"
}
