package simnet

import (
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// Behaviour says how a peer acts, as data. The zero value is an honest node; each
// field departs from that in one way, and fields can be combined. The functions of
// this package that return a Behaviour (Honest, Slow and so on) name the useful ones.
type Behaviour struct {
	// Name is a short name for logs and tables: "honest".
	Name string

	// Expect says in one sentence what a good node does with such a peer.
	Expect string

	// NoListener lets nobody listen at the peer's address: dials are refused.
	NoListener bool

	// CloseOnAccept closes each connection at once.
	CloseOnAccept bool

	// Mute takes connections and reads from them, and sends nothing.
	Mute bool

	// Garbage is how many random bytes are sent instead of a handshake; after
	// them the peer is mute. 0 means none.
	Garbage int

	// Magic is the network that is spoken. 0 means the Network's own. With
	// another, the peer sends its version without waiting, and is mute after it.
	Magic wire.BitcoinNet

	// Version is the protocol version that is told. 0 means wire.ProtocolVersion.
	Version int32

	// EchoNonce tells the nonce of the other side's version as its own, as a
	// connection to oneself does. It can act on inbound connections only, where
	// the other side's version comes first.
	EchoNonce bool

	// NoVerack never ends the handshake.
	NoVerack bool

	// Delay is waited before each answer.
	Delay time.Duration

	// NoPong answers no pings.
	NoPong bool

	// CloseAfter closes the connection this long after the handshake. 0 means
	// never.
	CloseAfter time.Duration

	// Flood is sent after the handshake.
	Flood Flood
}

// Flood is what a peer sends unasked. It ends after Count messages.
type Flood struct {
	Kind  FloodKind
	Count int           // messages; 0 means no flood
	Every time.Duration // pause between two; 0 means as fast as they are taken
	Size  int           // entries or bytes of a message; 0 means the default of Kind
}

// FloodKind is what a flood consists of.
type FloodKind uint8

// The kinds of floods.
const (
	FloodPings    FloodKind = iota // pings; Size is not used
	FloodAddrs                     // addr with Size random addresses; by default 1000, the most allowed
	FloodOversize                  // addr with Size entries, more than allowed; by default 1001
	FloodInv                       // inv with Size transactions nobody asked for; by default 1000
	FloodUnknown                   // a command nobody knows, with Size bytes; by default 1024
	FloodVersion                   // version again; Size is not used
)

// What the behaviours below use where the caller has no say.
const (
	garbageLen      = 4096
	oldVersion      = 31402 // before version, relay and ping had today's form; Core wants 31800
	defaultFloodLen = 1000
)

// Honest is a node that does what it should: it shakes hands, answers pings and
// the first getaddr of an inbound connection, asks nothing and relays nothing.
//
// A good node keeps it.
func Honest() Behaviour {
	return Behaviour{Name: "honest", Expect: "keep it"}
}

// Slow is honest, but waits for delay before each answer.
//
// A good node keeps it if delay is below its handshake and ping time limits,
// and lets it not hold up others.
func Slow(delay time.Duration) Behaviour {
	return Behaviour{
		Name: "slow", Delay: delay,
		Expect: "keep it while it answers in time, and serve others meanwhile",
	}
}

// Silent accepts connections and never says a word.
//
// A good node gives up after its handshake time limit, does not count the
// address as good, and tries others first afterwards. It is no reason for a ban.
func Silent() Behaviour {
	return Behaviour{
		Name: "silent", Mute: true,
		Expect: "give up at the handshake time limit, do not mark it good, do not ban",
	}
}

// Staller sends its version and never the verack.
//
// A good node gives up after its handshake time limit, as with Silent.
func Staller() Behaviour {
	return Behaviour{
		Name: "staller", NoVerack: true,
		Expect: "give up at the handshake time limit, do not mark it good, do not ban",
	}
}

// Dropper accepts a connection and closes it at once.
//
// A good node takes this for a failed try, although the dial succeeded: it waits
// longer before each new try, and does not spin.
func Dropper() Behaviour {
	return Behaviour{
		Name: "dropper", CloseOnAccept: true,
		Expect: "count a failure and back off, although the dial succeeded",
	}
}

// LateDropper shakes hands, and closes the connection after a while.
//
// A good node replaces it, backs off before it tries it again, and does not
// treat each short success as a reason to start afresh.
func LateDropper(after time.Duration) Behaviour {
	return Behaviour{
		Name: "late-dropper", CloseAfter: after,
		Expect: "replace it, and back off before trying it again",
	}
}

// NoPong is honest, but answers no pings.
//
// A good node drops it at its ping time limit. It is no reason for a ban.
func NoPong() Behaviour {
	return Behaviour{
		Name: "no-pong", NoPong: true,
		Expect: "drop it at the ping time limit, do not ban",
	}
}

// Garbage sends 4096 random bytes where a version should be.
//
// A good node drops it at the first wrong magic, without reading on or reserving
// memory by what the bytes say.
func Garbage() Behaviour {
	return Behaviour{
		Name: "garbage", Garbage: garbageLen,
		Expect: "drop it at the first wrong magic, do not mark it good",
	}
}

// Flooder is honest until the handshake is done, and then sends what flood says.
//
// A good node limits the rate at which it handles messages and stores addresses,
// raises the peer's ban score for what no honest node does, and bans it in the end;
// its other peers notice nothing.
func Flooder(flood Flood) Behaviour {
	if flood.Count == 0 {
		flood.Count = defaultFloodLen
	}
	return Behaviour{
		Name: "flooder", Flood: flood,
		Expect: "limit its rate, raise its ban score, ban it in the end",
	}
}

// BadMagic speaks the protocol of another network.
//
// A good node drops it at the first message, and does not try the address again
// soon: it will not change.
func BadMagic(magic wire.BitcoinNet) Behaviour {
	return Behaviour{
		Name: "bad-magic", Magic: magic,
		Expect: "drop it at the first message, do not mark it good, do not ban",
	}
}

// OldVersion tells a protocol version that is too old, 31402.
//
// A good node drops it after its version, and prefers others afterwards. It is no
// reason for a ban.
func OldVersion() Behaviour {
	return Behaviour{
		Name: "old-version", Version: oldVersion,
		Expect: "drop it after its version, do not mark it good, do not ban",
	}
}

// SelfEcho tells the node's own nonce back, as if the node had dialed itself.
//
// A good node drops it as a connection to itself, and does not dial the address
// again.
func SelfEcho() Behaviour {
	return Behaviour{
		Name: "self-echo", EchoNonce: true,
		Expect: "take it for a connection to itself: drop it, do not dial it again",
	}
}

// Dead does not listen: dials to it are refused. (For dials that get no answer at
// all, see Fabric.BlackHole.)
//
// A good node waits longer before each new try, and forgets the address in the end.
func Dead() Behaviour {
	return Behaviour{
		Name: "dead", NoListener: true,
		Expect: "back off more after each try, and forget it in the end",
	}
}

// Behaviours returns one of each kind, with the usual numbers, for tests that try
// them all and for tables.
func Behaviours() []Behaviour {
	return []Behaviour{
		Honest(),
		Slow(3 * time.Second),
		Silent(),
		Staller(),
		Dropper(),
		LateDropper(10 * time.Second),
		NoPong(),
		Garbage(),
		Flooder(Flood{Kind: FloodPings}),
		BadMagic(wire.MainNet),
		OldVersion(),
		SelfEcho(),
		Dead(),
	}
}

// Mix returns n peers as a node meets them: about two thirds honest, the rest
// one of each other kind in turn. The result is the same for the same n.
func Mix(n int) []Spec {
	kinds := Behaviours()
	specs := make([]Spec, 0, max(n, 0))
	for i := range n {
		b := kinds[0]
		if i%3 == 2 {
			b = kinds[1+(i/3)%(len(kinds)-1)]
		}
		specs = append(specs, Spec{Behaviour: b})
	}
	return specs
}
