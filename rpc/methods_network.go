package rpc

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/node"
)

// The methods about the node in its network.
func networkMethods() []method {
	return []method{
		{
			name:    "getnetworkinfo",
			summary: "Returns the state of networking.",
			result:  "{...} as in Bitcoin Core 29.0, whose version it tells; what this node is says subversion; relayfee and incrementalfee are 0 and localrelay is false, since nothing is relayed",
			run:     getNetworkInfo,
		},
		{
			name:    "getnettotals",
			summary: "Returns what went over the wire since the start.",
			result:  "{\"totalbytesrecv\": n, \"totalbytessent\": n, \"timemillis\": time, \"uploadtarget\": {...}, \"bytessent_per_msg\": {...}, \"bytesrecv_per_msg\": {...}}",
			run:     getNetTotals,
		},
		{
			name:    "getconnectioncount",
			summary: "Returns the number of connections, those that shake hands included.",
			result:  "n",
			run:     func(c *call) (any, error) { return c.cfg.Node.PeerCount(), nil },
		},
		{
			name:    "setnetworkactive",
			summary: "Switches networking off, or on again. While it is off there are no peers.",
			params:  []param{{name: "state", kinds: kindBool, required: true, help: "true to switch it on"}},
			result:  "true|false (what was set)",
			run: func(c *call) (any, error) {
				c.cfg.Node.SetNetworkActive(c.truth(0, true))
				return c.cfg.Node.NetworkActive(), nil
			},
		},
		{
			name:    "getnodeaddresses",
			summary: "Returns known addresses, drawn at random.",
			params: []param{
				{name: "count", kinds: kindNumber, help: "How many at most, 1 by default; 0 means all"},
				{name: "network", kinds: kindString, help: "ipv4, ipv6, onion, i2p or cjdns; all by default"},
			},
			result: "[{\"time\": time, \"services\": n, \"address\": \"host\", \"port\": n, \"network\": \"name\"}, ...]",
			run:    getNodeAddresses,
		},
		{
			name:    "getaddrmaninfo",
			summary: "Returns how many addresses are known by network, heard of (new) and reached (tried).",
			result:  "{\"network\": {\"new\": n, \"tried\": n, \"total\": n}, ..., \"all_networks\": {...}}",
			run:     getAddrmanInfo,
		},
		{
			name:    "addpeeraddress",
			summary: "Puts an address into the address book. For tests.",
			params: []param{
				{name: "address", kinds: kindString, required: true, help: "The IP address, or the name of an onion service or I2P destination"},
				{name: "port", kinds: kindNumber, required: true, help: "The port"},
				{name: "tried", kinds: kindBool, help: "Whether it counts as reached"},
			},
			result: "{\"success\": true|false, \"error\": \"text\"}",
			run:    addPeerAddress,
		},
		{
			name:    "getinfo",
			summary: "Returns the state of the node (btcd's). Blocks and difficulty are not known, and left out.",
			result:  "{\"version\": n, \"protocolversion\": n, \"timeoffset\": seconds, \"connections\": n, \"proxy\": \"host:port\", \"testnet\": true|false, \"relayfee\": 0, \"errors\": \"\"}",
			run:     getInfo,
		},
		{
			name:    "getcurrentnet",
			summary: "Returns the number of the network (btcd's): its magic bytes.",
			result:  "n",
			run: func(c *call) (any, error) {
				if c.cfg.Magic == 0 {
					return nil, fail(CodeMisc, "the number of this network is not known")
				}
				return c.cfg.Magic, nil
			},
		},
	}
}

type networkInfo struct {
	Version         int            `json:"version"`
	SubVersion      string         `json:"subversion"`
	ProtocolVersion uint32         `json:"protocolversion"`
	LocalServices   string         `json:"localservices"`
	ServicesNames   []string       `json:"localservicesnames"`
	LocalRelay      bool           `json:"localrelay"`
	TimeOffset      int64          `json:"timeoffset"`
	NetworkActive   bool           `json:"networkactive"`
	Connections     int            `json:"connections"`
	ConnectionsIn   int            `json:"connections_in"`
	ConnectionsOut  int            `json:"connections_out"`
	OutboundTarget  int            `json:"outbound_target"` // ours: how many automatic ones there should be
	Networks        []network      `json:"networks"`
	RelayFee        float64        `json:"relayfee"`
	IncrementalFee  float64        `json:"incrementalfee"`
	LocalAddresses  []localAddress `json:"localaddresses"`
	Warnings        []string       `json:"warnings"`
}

type network struct {
	Name      string `json:"name"`
	Limited   bool   `json:"limited"`
	Reachable bool   `json:"reachable"`
	Proxy     string `json:"proxy"`

	// RandomCredentials: each connection has a login, and so with Tor a circuit, of its own.
	RandomCredentials bool `json:"proxy_randomize_credentials"`
}

type localAddress struct {
	Address string `json:"address"`
	Port    uint16 `json:"port"`
	Score   int    `json:"score"`
}

func getNetworkInfo(c *call) (any, error) {
	n := c.cfg.Node
	info, peers := n.Info(), n.Peers()
	r := networkInfo{
		Version:         likeCore,
		SubVersion:      info.UserAgent,
		ProtocolVersion: info.ProtocolVersion,
		LocalServices:   fmt.Sprintf("%016x", uint64(info.Services)),
		ServicesNames:   servicesNames(uint64(info.Services)),
		TimeOffset:      timeOffset(peers),
		NetworkActive:   n.NetworkActive(),
		Connections:     len(peers),
		OutboundTarget:  info.TargetOutbound,
		LocalAddresses:  []localAddress{},
		Warnings:        warnings(n.Manager()),
	}
	for _, p := range peers {
		if p.Inbound {
			r.ConnectionsIn++
		}
	}
	r.ConnectionsOut = r.Connections - r.ConnectionsIn
	reachable := n.Reachable()
	for _, x := range netaddr.Networks() {
		proxy := info.Proxies[x]
		r.Networks = append(r.Networks, network{
			Name:              x.String(),
			Limited:           !reachable.Has(x),
			Reachable:         reachable.Has(x),
			Proxy:             proxy,
			RandomCredentials: proxy != "" && !info.Shared[x],
		})
	}
	for _, a := range n.LocalAddresses() {
		r.LocalAddresses = append(r.LocalAddresses, localAddress{a.Host.String(), a.Port, 1})
	}
	return r, nil
}

// warnings are the networks that are down, and why there are not enough peers.
func warnings(snap connmgr.Snapshot) []string {
	list := []string{}
	for _, x := range snap.Networks {
		if x.Down {
			list = append(list, fmt.Sprintf("Network %s is down since %s", x.Name, x.Since.UTC().Format(time.RFC3339)))
		}
	}
	if o := snap.Outbound; o.Why != 0 {
		list = append(list, "Outbound peers: "+o.String())
	}
	return list
}

// likeCore is the version that getnetworkinfo tells: that of the Bitcoin Core whose
// answers ours are like, 29.0. Its clients choose by it what they ask for and how they
// read the answers, and bitcoin-cli -netinfo takes nothing older than 0.21. What we are
// is in subversion.
const likeCore = 290000

// versionNumber is a version as one number, as btcd writes it.
func versionNumber(version string) int {
	parts := strings.SplitN(version, ".", 3)
	sum := 0
	for i, weight := range []int{1000000, 10000, 100} {
		if i < len(parts) {
			digits, _, _ := strings.Cut(parts[i], "-") // of 0.1.0-rc1
			n, _ := strconv.Atoi(digits)
			sum += n * weight
		}
	}
	return sum
}

// serviceBits are the names that Bitcoin Core gives the services (src/protocol.cpp).
var serviceBits = []struct {
	bit  uint64
	name string
}{
	{1 << 0, "NETWORK"},
	{1 << 2, "BLOOM"},
	{1 << 3, "WITNESS"},
	{1 << 6, "COMPACT_FILTERS"},
	{1 << 10, "NETWORK_LIMITED"},
	{1 << 11, "P2P_V2"},
}

func servicesNames(services uint64) []string {
	names := []string{}
	for i := range 64 {
		bit := uint64(1) << i
		if services&bit == 0 {
			continue
		}
		name := fmt.Sprintf("UNKNOWN[2^%d]", i)
		for _, x := range serviceBits {
			if x.bit == bit {
				name = x.name
			}
		}
		names = append(names, name)
	}
	return names
}

// minOffsets is of how many outbound peers the clocks must be known to judge ours, as in
// Bitcoin Core (src/node/timeoffsets.cpp).
const minOffsets = 5

// timeOffset is the median of how far the clocks of outbound peers are ahead, in
// seconds; 0 with too few of them. Inbound ones do not count: they choose us.
func timeOffset(peers []node.PeerInfo) int64 {
	var all []time.Duration
	for _, p := range peers {
		if !p.Inbound && p.State == node.StateReady {
			all = append(all, p.TimeOffset)
		}
	}
	if len(all) < minOffsets {
		return 0
	}
	slices.Sort(all)
	return int64(all[len(all)/2].Seconds())
}

func getNetTotals(c *call) (any, error) {
	t := c.cfg.Node.Traffic()
	type target struct {
		Timeframe  int64 `json:"timeframe"`
		Target     int64 `json:"target"`
		Reached    bool  `json:"target_reached"`
		Historical bool  `json:"serve_historical_blocks"` // we serve none
		BytesLeft  int64 `json:"bytes_left_in_cycle"`
		TimeLeft   int64 `json:"time_left_in_cycle"`
	}
	return struct {
		Received   uint64            `json:"totalbytesrecv"`
		Sent       uint64            `json:"totalbytessent"`
		Millis     int64             `json:"timemillis"`
		Target     target            `json:"uploadtarget"`
		SentBy     map[string]uint64 `json:"bytessent_per_msg"`
		ReceivedBy map[string]uint64 `json:"bytesrecv_per_msg"`
	}{t.Received, t.Sent, time.Now().UnixMilli(), target{Timeframe: 86400}, orEmpty(t.SentBy), orEmpty(t.ReceivedBy)}, nil
}

// orEmpty returns a map that is written as {}.
func orEmpty(m map[string]uint64) map[string]uint64 {
	if m == nil {
		return map[string]uint64{}
	}
	return m
}

func getNodeAddresses(c *call) (any, error) {
	count, err := c.number(0, 1, 0, math.MaxInt32)
	if err != nil {
		return nil, &Error{CodeParameter, "Address count out of range"} // Core's words
	}
	var only netaddr.Network
	if c.has(1) {
		if only, err = netaddr.ParseNetwork(c.text(1)); err != nil {
			return nil, fail(CodeParameter, "Network not recognized: %s", c.text(1))
		}
	}
	type address struct {
		Time     int64  `json:"time"`
		Services uint64 `json:"services"`
		Address  string `json:"address"`
		Port     uint16 `json:"port"`
		Network  string `json:"network"`
	}
	list := []address{}
	for _, k := range c.cfg.Node.Addresses(int(count), only) {
		h := k.Addr.Host
		list = append(list, address{k.Seen.Unix(), k.Services, h.String(), k.Addr.Port, h.Network().String()})
	}
	return list, nil
}

func getAddrmanInfo(c *call) (any, error) {
	type count struct {
		New   int `json:"new"`
		Tried int `json:"tried"`
		Total int `json:"total"`
	}
	stats := c.cfg.Node.BookStats()
	all := make(map[string]count)
	for _, n := range netaddr.Networks() {
		x := stats.Networks[n]
		all[n.String()] = count{x.New, x.Tried, x.New + x.Tried}
	}
	all["all_networks"] = count{stats.Total.New, stats.Total.Tried, stats.Total.New + stats.Total.Tried}
	return all, nil
}

func addPeerAddress(c *call) (any, error) {
	host, err := netaddr.Parse(c.text(0))
	if err != nil {
		return nil, &Error{CodeInvalidSubnet, "Invalid IP address"} // Core's words
	}
	if ip, ok := host.IP(); ok && cjdns.Contains(ip) && c.cfg.Node.Reachable().Has(netaddr.CJDNS) {
		host, _ = netaddr.FromBytes(netaddr.CJDNS, host.Bytes()) // it is one, where CJDNS is spoken
	}
	port, err := c.number(1, 0, 1, math.MaxUint16)
	if err != nil {
		return nil, err
	}
	type result struct {
		Success bool   `json:"success"`
		Error   string `json:"error,omitempty"`
	}
	if err := c.cfg.Node.AddAddress(netaddr.Addr{Host: host, Port: uint16(port)}, c.truth(2, false)); err != nil {
		return result{Error: err.Error()}, nil
	}
	return result{Success: true}, nil
}

func getInfo(c *call) (any, error) {
	info, peers := c.cfg.Node.Info(), c.cfg.Node.Peers()
	return struct {
		Version         int     `json:"version"`
		ProtocolVersion uint32  `json:"protocolversion"`
		TimeOffset      int64   `json:"timeoffset"`
		Connections     int     `json:"connections"`
		Proxy           string  `json:"proxy"`
		TestNet         bool    `json:"testnet"`
		RelayFee        float64 `json:"relayfee"`
		Errors          string  `json:"errors"`
	}{
		Version:         versionNumber(c.cfg.Version),
		ProtocolVersion: info.ProtocolVersion,
		TimeOffset:      timeOffset(peers),
		Connections:     len(peers),
		Proxy:           info.Proxies[netaddr.IPv4],
		TestNet:         strings.HasPrefix(info.Network, "testnet"),
		Errors:          strings.Join(warnings(c.cfg.Node.Manager()), "; "),
	}, nil
}

// hostOnly is an address without its port, for comparison.
func hostOnly(addr string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	ip, err := netip.ParseAddr(strings.Trim(addr, "[]"))
	return ip.Unmap().WithZone(""), err == nil
}
