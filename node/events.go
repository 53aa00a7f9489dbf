package node

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/socks"
)

// Event is one change of state: one of connmgr's, where Kind is KindConnection,
// or one of the node's own. All share one order (Seq). The log, the demo and the
// tools show its String.
type Event struct {
	// Event is connmgr's. For events of the node's own, Seq, Time, Addr, ID (as
	// in connmgr's events of the same connection), Class and Inbound are set, and
	// Err is the cause if there is one.
	connmgr.Event

	Kind     Kind
	Why      Reason    // why a session ended or did not begin
	Peer     *PeerInfo // the peer's facts at that moment; nil if it is not about one
	Offence  Offence
	Ban      *banlist.Entry // of KindBanned
	Counts   Counts         // of KindReady, KindLost and KindStarted
	Eviction Eviction       // of KindEvicted
	Text     string         // more for the reader; of KindSeed and KindSeedFailed the seed's name, "" for those that are addresses; of KindNetworkChanged what changed

	// Told and New are how many addresses were told, and how many of them were
	// new; Ignored is how many were over the limit. Of KindAddresses and KindSeed.
	// Of KindNoSeed, Told is how many seeds were asked. Of KindBanned, Ignored is how many
	// bans before it were Quiet.
	Told, New, Ignored int

	// Quiet says that too many of its kind come at once for each to be information. Of
	// KindBanned.
	Quiet bool
}

// publish puts an event of the node's into connmgr's stream.
func (n *Node) publish(e Event) {
	e.Event.Detail = nil
	carried := e.Event
	carried.Detail = e
	n.cm.Publish(carried)
}

// trouble tells what went wrong with a file. At the end of Run, when connmgr's stream of
// events has ended, this is the only one that still has something to tell.
func (n *Node) trouble(k Kind, err error) {
	e := Event{Kind: k, Event: connmgr.Event{Err: err}}
	if !n.streamEnded.Load() {
		n.publish(e)
		return
	}
	n.onEvent(connmgr.Event{Type: connmgr.EventOwner, Seq: n.lastSeq.Load() + 1, Time: time.Now(), Err: err, Detail: e})
}

// onEvent is connmgr's OnEvent: it hands each event to the owner.
func (n *Node) onEvent(ce connmgr.Event) {
	n.lastSeq.Store(ce.Seq)
	e, ok := ce.Detail.(Event)
	if !ok {
		e.Kind = KindConnection
	}
	ce.Detail = nil
	e.Event = ce
	if ce.Type == connmgr.EventNetworkUp {
		n.forgive()
	}
	n.lostProxy(ce)
	if n.cfg.OnEvent != nil {
		n.cfg.OnEvent(e)
	}
}

// Subsystem names the part of the node that the event is about.
func (e Event) Subsystem() string {
	if e.Kind < numKinds {
		return kindSubsystems[e.Kind]
	}
	return SubsystemNode
}

// LevelTrace is the level below debug, of what is too much even for that. The
// number is btclog's.
const LevelTrace = slog.Level(-5)

// Level returns how loud the event is in a log. A change of the peers that the node
// chose is information, what happens to connections on the way there is for debugging,
// except for the peers that the operator asked for by name. What others can cause as
// often as they like, as to come and go, is never louder than debug.
func (e Event) Level() slog.Level {
	named := e.Class == ClassManual || e.Class == ClassConnect || e.Class == ClassTry
	switch e.Kind {
	case KindConnection:
		if named && e.Type == connmgr.EventRetryAt && e.Reason != connmgr.ReasonNetworkDown && e.worthALine() {
			return slog.LevelInfo
		}
		if e.Type == connmgr.EventFailed && e.Class == ClassTry {
			return slog.LevelInfo
		}
		if e.Type == connmgr.EventFailed && e.Addr == nil {
			return LevelTrace // each free slot says so every few seconds
		}
		if e.Type == connmgr.EventLimitReached && e.Reason == connmgr.ReasonTooManyFails {
			return slog.LevelWarn
		}
		return e.Event.Level()
	case KindBanned:
		if e.Quiet {
			return slog.LevelDebug
		}
		return slog.LevelInfo
	case KindStarted, KindSeed, KindProxyBack, KindOnion, KindAdded, KindRemoved, KindNetworkActive:
		return slog.LevelInfo
	case KindNoSeed, KindProxyLost, KindUnwatched, KindBookTrouble, KindBansTrouble:
		return slog.LevelWarn
	case KindOnionTrouble:
		if e.Count > 1 && e.At.Sub(e.Time) < time.Minute {
			return slog.LevelDebug // the first is told, and then one a minute at most
		}
		return slog.LevelWarn
	case KindPong:
		return LevelTrace // as many as pings: each peer's every two minutes
	case KindReady, KindLost:
		switch {
		case e.Why == ReasonShutdown, e.Why == ReasonNetworkOff:
			return LevelTrace // all of them at once
		case !e.Inbound:
			return slog.LevelInfo
		}
	case KindUnready:
		switch {
		case named && e.Why == ReasonSelf:
			return slog.LevelWarn
		case named && e.Why != ReasonShutdown && e.Why != ReasonNetworkOff:
			return slog.LevelInfo
		}
	}
	return slog.LevelDebug
}

// worthALine reports whether a retry of a peer that the operator asked for is one to
// tell: after it was lost, the first, and those that take long. In between a peer that
// is away would be told of several times a minute.
func (e Event) worthALine() bool {
	wait := e.At.Sub(e.Time)
	return e.At.IsZero() || e.Reason == connmgr.ReasonDisconnected || e.Count <= 1 && wait >= time.Second || wait >= time.Minute
}

// String is the event as one line of text, without its time and level.
func (e Event) String() string {
	switch e.Kind {
	case KindConnection:
		return e.Event.String()
	case KindStarted:
		return e.Text
	case KindReady:
		return e.readyLine()
	case KindUnready:
		return fmt.Sprintf("No peer at %s: %s%s", e.who(), e.cause(), e.afterwards())
	case KindLost:
		return fmt.Sprintf("Lost peer %s %s: %s; %s", e.who(), e.lifetime(), e.cause(), e.Counts.peers())
	case KindOffence:
		return fmt.Sprintf("Misbehaving: %s is %s%s (score %d)", e.who(), e.Offence, e.colonText(), e.Peer.BanScore)
	case KindBanned:
		return fmt.Sprintf("Banned %v %s: %s%s", e.Ban.Subject, banSpan(e.Ban), e.Ban.Reason, e.othersBanned())
	case KindProbed:
		return fmt.Sprintf("Probed %s: it is good", e.who())
	case KindAdded:
		return fmt.Sprintf("Added %s: it is to be a peer from now on", e.who())
	case KindRemoved:
		return fmt.Sprintf("Removed %s: it is not to be a peer any more", e.who())
	case KindNetworkActive:
		return fmt.Sprintf("Networking is %s", e.Text)
	case KindEvicted:
		return fmt.Sprintf("Evicted %s: %v", e.who(), e.Eviction)
	case KindPong:
		return fmt.Sprintf("Peer %s answered a ping in %v", e.who(), e.Peer.Ping.Round(time.Microsecond))
	case KindBookTrouble:
		return fmt.Sprintf("Address book: %v", e.Err)
	case KindBansTrouble:
		return fmt.Sprintf("Ban list: %v", e.Err)
	case KindProxyLost:
		return fmt.Sprintf("The proxy %s does not work: %s", e.Text, proxyCause(e.Err))
	case KindProxyBack:
		return fmt.Sprintf("The proxy %s works again", e.Text)
	case KindOnion:
		return fmt.Sprintf("Reached as %s, by %s", e.who(), e.Text)
	case KindOnionTrouble:
		if e.At.IsZero() {
			return fmt.Sprintf("Onion service: %v", e.Err)
		}
		return fmt.Sprintf("Not reached by Tor: %v; trying again in %v", e.Err, e.At.Sub(e.Time).Round(time.Second))
	case KindTurnedAway:
		return fmt.Sprintf("Turned away %s: its host is banned", e.who())
	case KindAddresses:
		return fmt.Sprintf("Peer %s told %s", e.who(), e.told())
	case KindSeed:
		if e.Text == "" {
			return "Fixed seeds: " + e.told()
		}
		return fmt.Sprintf("Seed %s told %s", e.Text, e.told())
	case KindSeedFailed:
		return fmt.Sprintf("Seed %s told nothing: %v", e.Text, e.Err)
	case KindNoSeed:
		if e.Told == 0 {
			return "No seed to ask: DNS knows no onion services; name some peers by seednode or addpeer"
		}
		return fmt.Sprintf("No addresses from any of %s (%v): asking again in %v",
			count(e.Told, "seed", "seeds"), e.Err, e.At.Sub(e.Time).Round(time.Second))
	case KindNetworkChanged:
		return fmt.Sprintf("Our network changed (%s): trying what waits", e.Text)
	case KindUnwatched:
		return fmt.Sprintf("Changes of our network are not noticed: %v; after an outage peers may come back late", e.Err)
	}
	return e.Kind.String()
}

// proxyCause says why a proxy fails, without saying which it is.
func proxyCause(err error) string {
	var of *socks.Error
	text := err.Error()
	if errors.As(err, &of) {
		text = of.Err.Error()
	}
	if errors.Is(err, socks.ErrAuth) {
		text += "; see proxyuser, proxypass and torisolation"
	}
	return text
}

// othersBanned tells of bans before this one that had no line at LevelInfo.
func (e Event) othersBanned() string {
	if e.Ignored == 0 {
		return ""
	}
	return fmt.Sprintf("; before it %s, too many for a line each", count(e.Ignored, "other", "others"))
}

// banSpan is how long a ban lasts, in words.
func banSpan(b *banlist.Entry) string {
	if b.Until.IsZero() {
		return "for ever"
	}
	d := b.Until.Sub(b.Since)
	if d > time.Hour {
		d = d.Round(time.Minute) // the list keeps whole seconds, rounded
	}
	return "for " + span(d)
}

// span is a time as people say it: "24h", not "24h0m0s".
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (e Event) who() string {
	if e.Addr == nil {
		return "unknown"
	}
	return e.Addr.String()
}

// cause says why a session ended.
func (e Event) cause() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Why.Error()
}

// afterwards says what follows where that is not plain.
func (e Event) afterwards() string {
	if e.Why == ReasonSelf && e.Peer != nil && e.Peer.Permanent {
		return "; it will not be tried again"
	}
	return ""
}

func (e Event) colonText() string {
	if e.Text == "" {
		return ""
	}
	return ": " + e.Text
}

func (e Event) readyLine() string {
	p := e.Peer
	agent := p.UserAgent
	if agent == "" {
		agent = "no user agent"
	}
	return fmt.Sprintf("Peer %s ready: %s v%d, %s, %s", e.who(), agent, p.Version, direction(p), e.Counts.place(p))
}

func direction(p *PeerInfo) string {
	switch {
	case p.Inbound:
		return "inbound"
	case p.Permanent:
		return string(p.Class)
	}
	return "outbound"
}

// place says which of its sort a peer is: "3 of 8".
func (c Counts) place(p *PeerInfo) string {
	switch {
	case p.Inbound:
		return fmt.Sprintf("%d in all", c.Inbound)
	case p.Permanent:
		return fmt.Sprintf("%d of %d", c.Permanent, c.Wanted)
	}
	return fmt.Sprintf("%d of %d", c.Outbound, c.Target)
}

// peers is what is left: "7 of 8 outbound, 2 inbound left".
func (c Counts) peers() string {
	return strings.Join(c.peerParts(), ", ") + " left"
}

func (e Event) lifetime() string {
	d := e.Time.Sub(e.Peer.Since)
	if d < 10*time.Second {
		return "after " + d.Round(100*time.Millisecond).String()
	}
	return "after " + d.Round(time.Second).String()
}

func (e Event) told() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d new", count(e.Told, "address", "addresses"), e.New)
	if e.Ignored > 0 {
		fmt.Fprintf(&b, ", %d ignored (too many at once)", e.Ignored)
	}
	return b.String()
}
