package node

import (
	"fmt"
	"net"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// minVersion is the lowest protocol version that we talk to: that of BIP37, of
// 2013. From there on version tells whether transactions are wanted, pings have
// nonces, and addresses have times.
const minVersion = wire.BIP0037Version

// What automatic outbound peers must serve: the chain or the last of it, with
// witnesses. Who has none of it is no full node, and seldom stays.
const (
	wantedServices   = wire.SFNodeNetwork | wire.SFNodeWitness
	wantedServices2  = wire.SFNodeNetworkLimited | wire.SFNodeWitness
	ourHeight        = 0 // we know of no chain
	maxAgentShown    = 100
	replacementAgent = '?'
)

// handshake is how far the exchange of version and verack is. It belongs to the
// reading goroutine.
type handshake struct {
	gotVersion, gotVerack, ready bool
}

// versionMessage is our version.
func (s *session) versionMessage() wire.Message {
	you := wire.NewNetAddressIPPort(net.IPv6zero, 0, 0)
	if e, ok := endpointOf(s.addr); ok {
		if ip, ok := e.Host.IP(); ok {
			you = wire.NewNetAddressIPPort(ip.AsSlice(), e.Port, 0)
		}
	}
	me := wire.NewNetAddressIPPort(net.IPv6zero, 0, s.n.cfg.Services)
	msg := wire.NewMsgVersion(me, you, s.nonce, ourHeight)
	msg.UserAgent = s.n.cfg.UserAgent
	msg.Services = s.n.cfg.Services
	msg.DisableRelayTx = true
	return msg
}

func (s *session) handleVersion(m wire.Message) {
	msg := m.(*wire.MsgVersion)
	if s.shake.gotVersion {
		s.offend(OffenceDuplicateVersion, "")
		return
	}
	s.shake.gotVersion = true
	if other := s.n.sentNonce(msg.Nonce); other != nil {
		why := ReasonSelf
		if other == s { // it is no end of ours: somebody plays a mirror
			why = ReasonMirror
		}
		other.end(&ending{why: why})
		s.end(&ending{why: why})
		return
	}
	theirs := uint32(max(msg.ProtocolVersion, 0))
	s.mu.Lock()
	s.facts.Version, s.facts.Services, s.facts.Height = theirs, msg.Services, msg.LastBlock
	s.facts.UserAgent = printable(msg.UserAgent)
	s.facts.AddrLocal = s.n.toldLocal(msg.AddrYou)
	s.facts.TimeOffset = time.Until(msg.Timestamp).Round(time.Second)
	s.facts.RelayTxes = !msg.DisableRelayTx
	s.mu.Unlock()
	if theirs < minVersion {
		s.end(&ending{why: ReasonOldProtocol, text: fmt.Sprintf("it speaks version %d, at least %d is needed", theirs, minVersion)})
		return
	}
	if !s.inbound && !s.permanent && !enough(msg.Services) {
		s.end(&ending{why: ReasonNoServices, text: fmt.Sprintf("it serves %v", msg.Services)})
		return
	}
	pver := min(wire.ProtocolVersion, theirs)
	s.pver.Store(pver)
	if s.inbound {
		s.queue(s.versionMessage())
	}
	if pver >= wire.AddrV2Version {
		s.queue(wire.NewMsgSendAddrV2())
	}
	s.queue(wire.NewMsgVerAck())
}

// enough reports whether an automatic peer serves what it must.
func enough(services wire.ServiceFlag) bool {
	return services.HasFlag(wantedServices) || services.HasFlag(wantedServices2)
}

func (s *session) handleSendAddrV2(wire.Message) {
	s.mu.Lock()
	s.facts.AddrV2 = true
	s.mu.Unlock()
}

func (s *session) handleVerack(wire.Message) {
	if s.shake.gotVerack {
		s.offend(OffenceDuplicateVerack, "")
		return
	}
	s.shake.gotVerack = true
	s.becomeReady()
}

// becomeReady makes the session a peer.
func (s *session) becomeReady() {
	if of, ok := s.duplicateOf(); ok {
		s.end(duplicate(of))
		return
	}
	s.shake.ready = true
	s.mu.Lock()
	s.facts.State = StateReady
	services := s.facts.Services
	s.mu.Unlock()

	n := s.n
	n.mu.Lock()
	delete(n.nonces, s.nonce) // it cannot be us any more
	if !s.isShort() {
		*n.ready.of(s)++
	}
	counts := n.counts()
	// The first peer after a while shows that our network works again.
	back := counts.all() == 1 && !s.isShort() && time.Since(n.alone) > longAlone
	n.mu.Unlock()

	kind := KindReady
	if s.isShort() {
		kind = KindProbed
	}
	if !s.inbound {
		n.reached(s.addr, services) // on disk before anybody hears of it
	}
	n.publish(s.event(Event{Kind: kind, Counts: counts}))
	s.endDuplicates()
	if back {
		n.tryAgain()
	}
	if !s.inbound {
		n.cm.MarkGood(s.req.ID())
	}
	if s.isFeeler() {
		s.end(&ending{why: ReasonProbed})
		return
	}
	close(s.isReady)
	s.greet()
}

// sentNonce returns the session that sent a nonce and is not ready yet.
func (n *Node) sentNonce(nonce uint64) *session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.nonces[nonce]
}

// printable returns a user agent as it can be shown on a terminal: printable
// ASCII, and not too much of it.
func printable(agent string) string {
	b := []byte(agent)
	if len(b) > maxAgentShown {
		b = append(b[:maxAgentShown-3], "..."...)
	}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = replacementAgent
		}
	}
	return string(b)
}
