package node

import (
	"fmt"

	"holdfast/addrbook"
)

// Offence is what a peer should not do.
type Offence uint8

// The offences.
const (
	OffenceNone Offence = iota
	OffenceDuplicateVersion
	OffenceDuplicateVerack
	OffenceBeforeVersion
	OffenceLateFeature
	OffenceMalformed
	OffenceChecksum
	OffenceTooLong
	OffenceOversize
	OffenceAddrCount
	OffenceAddrFlood
	OffenceInvCount
	OffenceMessageFlood
	OffenceTransactions
	OffenceBloom
	OffenceFilters

	numOffences
)

// defaultBanThreshold is the score at which a peer is disconnected and its host
// banned. It is btcd's and was Core's.
const defaultBanThreshold = 100

// rule says what an offence costs.
type rule struct {
	name string // in words
	slug string // fit for a metric's label

	// What is added to both parts of the ban score. An offence that comes in
	// amounts has none here, and brings its own.
	persistent, transient uint32

	// ends says that the connection ends at once, whatever the score.
	ends bool

	// enforces is the rule of the protocol, or the practice, behind it.
	enforces string
}

var rules = [numOffences]rule{
	OffenceNone: {name: "nothing", slug: "none"},
	OffenceDuplicateVersion: {
		name: "sending version again", slug: "duplicate-version", persistent: 10,
		enforces: "one version a connection: btcd peer.go, formerly Core net_processing.cpp",
	},
	OffenceDuplicateVerack: {
		name: "sending verack again", slug: "duplicate-verack", persistent: 10,
		enforces: "one verack a connection: btcd peer.go",
	},
	OffenceBeforeVersion: {
		name: "speaking before its version", slug: "before-version", persistent: 10, ends: true,
		enforces: "version comes first: btcd peer.go ends the connection, Core net_processing.cpp ignores the message",
	},
	OffenceLateFeature: {
		name: "negotiating after the handshake", slug: "late-feature", ends: true,
		enforces: "BIP155 and BIP339: sendaddrv2 and wtxidrelay come before verack; Core net_processing.cpp ends the connection",
	},
	OffenceMalformed: {
		name: "sending a message that cannot be read", slug: "malformed", persistent: 20,
		enforces: "the encoding of a message is fixed: btcd peer.go ends the connection at the first one",
	},
	OffenceChecksum: {
		name: "sending a wrong checksum", slug: "checksum", transient: 20,
		enforces: "Core net.cpp drops the message only, since lines corrupt data; in quantity it is no accident",
	},
	OffenceTooLong: {
		name: "sending a message longer than its type allows", slug: "too-long", persistent: 20,
		enforces: "each type has a greatest length: wire's MaxPayloadLength",
	},
	OffenceOversize: {
		name: "announcing a message of more than 4 MB", slug: "oversize", persistent: 50, ends: true,
		enforces: "MAX_PROTOCOL_MESSAGE_LENGTH: Core net.cpp ends the connection, since what follows cannot be told apart",
	},
	OffenceAddrCount: {
		name: "sending more than 1000 addresses at once", slug: "addr-count", persistent: 20,
		enforces: "MAX_ADDR_TO_SEND: Core net_processing.cpp, 20 points while it had points",
	},
	OffenceAddrFlood: {
		name: "flooding addresses", slug: "addr-flood",
		enforces: "Core net_processing.cpp takes 0.1 addresses a second and drops the others",
	},
	OffenceInvCount: {
		name: "sending an inventory of more than 50000", slug: "inv-count", persistent: 20,
		enforces: "MAX_INV_SZ: Core net_processing.cpp, 20 points while it had points",
	},
	OffenceMessageFlood: {
		name: "flooding messages", slug: "message-flood",
		enforces: "we ask for no data, so nobody has much to tell us",
	},
	OffenceTransactions: {
		name: "sending transactions that were declined", slug: "transactions", transient: 10,
		enforces: "BIP37: our version says relay=false; Core net_processing.cpp ends the connection of such a peer",
	},
	OffenceBloom: {
		name: "asking for bloom filters, which are not offered", slug: "bloom", ends: true,
		enforces: "BIP111: without NODE_BLOOM such a request ends the connection",
	},
	OffenceFilters: {
		name: "asking for block filters, which are not offered", slug: "filters", ends: true,
		enforces: "BIP157: without NODE_COMPACT_FILTERS Core net_processing.cpp ends the connection",
	},
}

// String returns the offence in words that follow "for": "flooding addresses".
func (o Offence) String() string {
	if o < numOffences {
		return rules[o].name
	}
	return fmt.Sprintf("offence %d", uint8(o))
}

// Slug returns a name that is fit for a metric's label: "addr-flood".
func (o Offence) Slug() string {
	if o < numOffences {
		return rules[o].slug
	}
	return fmt.Sprintf("offence-%d", uint8(o))
}

// Enforces names the protocol rule or the practice behind the offence.
func (o Offence) Enforces() string {
	if o < numOffences {
		return rules[o].enforces
	}
	return ""
}

// offend records an offence of the cost that the table says.
func (s *session) offend(o Offence, detail string) {
	s.offendBy(o, rules[o].persistent, rules[o].transient, detail)
}

// offendBy records an offence of this cost. It ends the session if the offence
// does so, and bans the host if the score is full.
func (s *session) offendBy(o Offence, persistent, transient uint32, detail string) {
	before := s.score.Int()
	score := s.score.Increase(persistent, transient)
	policy := s.n.policy.Load()
	most := policy.Threshold
	full := score >= most && !policy.trusts(s.host)
	ends := rules[o].ends
	// A flood of offences must not be a flood of events: an event comes with the
	// first offence, with each quarter of the way to the ban, and with the end.
	if ends || full || before == 0 || score*4/most != before*4/most {
		s.n.publish(s.event(Event{Kind: KindOffence, Offence: o, Text: detail}))
	}
	switch {
	case full && !policy.NoBanning && s.mayBan():
		s.end(&ending{why: ReasonMisbehaved, text: fmt.Sprintf("%s (score %d)", o, score)})
		s.ban(policy.Duration, o, score)
	case full:
		s.discourage()
		s.end(&ending{why: ReasonMisbehaved, text: fmt.Sprintf("%s (score %d)", o, score)})
	case ends:
		s.discourage()
		s.end(&ending{why: ReasonViolation, text: o.String()})
	}
}

// mayBan reports whether the host of the session can be banned. The operator's
// own choice of peers is not overruled, and a local address is no host that
// could be kept out: it may be a proxy's, with everybody behind it.
func (s *session) mayBan() bool {
	return !s.permanent && s.isHost()
}

// discourage has who is behind the session be the first to be evicted from now on. He
// misbehaved, but not so that he would be banned.
func (s *session) discourage() {
	if s.isHost() && !s.n.whitelisted(s.host) {
		_, first := s.n.subscriber(s.host)
		s.n.discouraged.Add(first)
	}
}

// isDiscouraged reports whether discourage was called of who is behind the session.
func (s *session) isDiscouraged() bool {
	_, first := s.n.subscriber(s.host)
	return s.n.discouraged.Has(first)
}

// isHost reports whether the address of the session stands for one host.
func (s *session) isHost() bool {
	ip, isIP := s.host.IP()
	if !isIP {
		return s.host.IsValid() // an onion service that we dialed
	}
	return !isSelfHost(ip) && addrbook.Routable(s.host, s.n.cfg.AllowLoopback)
}
