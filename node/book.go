package node

import (
	"cmp"
	"context"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
)

const (
	anchorsFile = "anchors.dat"

	// An address is not dialed again before retryMin has passed since the last
	// try; twice that after a failure, four times that after the second in a row,
	// and so on up to retryMax.
	retryMin = 30 * time.Second
	retryMax = 2 * time.Hour

	// retryAlone is the longest wait while there are no peers at all: then it may be
	// our own network that fails, in a way that nobody tells us of.
	retryAlone = 2 * time.Minute

	// stableFor is how long a session must last to make up for earlier failures.
	stableFor = 10 * time.Minute

	// maxFailing bounds the memory of that.
	maxFailing = 1000

	// longAlone is how long there must have been no peers for the next one to show
	// that our network is back.
	longAlone = 30 * time.Second

	// enoughPeers is how many peers show that our own network works: only then is a
	// failure to connect the address's own (Core, ThreadOpenConnections in net.cpp).
	enoughPeers = 2
)

// openBook opens the files in Config.DataDir, or begins without. What was wrong with
// them is told when the node runs.
func (n *Node) openBook() (err error) {
	cfg := addrbook.Config{
		Key:        n.cfg.bookKey,
		Groups:     &n.groups,
		AllowLocal: n.cfg.AllowLoopback,
		Rand:       n.newSource(),
		Warn:       func(err error) { n.trouble(KindBookTrouble, err) },
	}
	if n.cfg.DataDir == "" {
		n.bans = banlist.New(banlist.Options{})
		n.book, err = addrbook.New(cfg)
		return err
	}
	var warning error
	if n.book, warning, err = addrbook.Open(n.cfg.DataDir, cfg); err != nil {
		return err
	}
	if warning != nil {
		n.troubles = append(n.troubles, trouble{KindBookTrouble, warning})
	}
	list, damage, err := banlist.Open(filepath.Join(n.cfg.DataDir, bansFile), banlist.Options{})
	if err != nil {
		return err
	}
	n.bans = list
	if damage != nil {
		n.troubles = append(n.troubles, trouble{KindBansTrouble, damage})
	}
	// Last, since they are gone then.
	if n.anchors, err = addrbook.ReadAnchors(filepath.Join(n.cfg.DataDir, anchorsFile)); err != nil {
		n.troubles = append(n.troubles, trouble{KindBookTrouble, err})
	}
	return nil
}

// keepBook saves the book from time to time until ctx ends, and once more then.
func (n *Node) keepBook(ctx context.Context) {
	if err := n.book.Run(ctx); err != nil {
		n.trouble(KindBookTrouble, err)
	}
}

// closeBook saves the anchors and closes the bans.
func (n *Node) closeBook(anchors []netaddr.Addr) {
	if n.cfg.DataDir != "" && len(anchors) > 0 {
		if err := addrbook.WriteAnchors(filepath.Join(n.cfg.DataDir, anchorsFile), anchors); err != nil {
			n.trouble(KindBookTrouble, err)
		}
	}
	if err := n.bans.Close(); err != nil {
		n.trouble(KindBansTrouble, err)
	}
}

// longest returns the automatic outbound peers that are there for longest, as
// anchors for the next start: who makes us start again shall not choose all our
// peers.
func (n *Node) longest() []netaddr.Addr {
	var peers []PeerInfo
	for _, s := range n.sessions() {
		if p := s.info(); p.State == StateReady && !p.Inbound && !p.Permanent && !s.isShort() {
			peers = append(peers, p)
		}
	}
	slices.SortFunc(peers, func(a, b PeerInfo) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	var anchors []netaddr.Addr
	for _, p := range peers {
		if a, ok := endpointOf(p.Addr); ok && len(anchors) < addrbook.MaxAnchors {
			anchors = append(anchors, a)
		}
	}
	return anchors
}

// lastPeers returns the anchors for the next start: the longest, and where there are too
// few, as after networking was switched off or while the line is cut, the anchors that
// were not dialed yet, and those that were in vain.
func (n *Node) lastPeers() []netaddr.Addr {
	list := n.longest()
	n.mu.Lock()
	earlier := slices.Concat(n.anchors, n.inVain)
	n.mu.Unlock()
	for _, a := range earlier {
		if len(list) < addrbook.MaxAnchors && !slices.Contains(list, a) && n.wanted(a) {
			list = append(list, a)
		}
	}
	return list
}

// nextAnchor returns one of those that the last run left.
func (n *Node) nextAnchor() (a netaddr.Addr, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.anchors) == 0 {
		return a, false
	}
	a, n.anchors = n.anchors[0], n.anchors[1:]
	if !slices.Contains(n.inVain, a) {
		n.inVain = append([]netaddr.Addr{a}, n.inVain...)
		n.inVain = n.inVain[:min(len(n.inVain), addrbook.MaxAnchors)]
	}
	return a, true
}

// anchored notes that an address was not dialed in vain, if it is an anchor.
func (n *Node) anchored(a netaddr.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inVain = slices.DeleteFunc(n.inVain, func(x netaddr.Addr) bool { return x == a })
}

// fits reports whether an address, wherever it is from, may be dialed by itself: it is
// on a network that is to be used now, it is nobody's that is dialed anyway, it is not
// banned, and connmgr has a place for it.
func (n *Node) fits(a netaddr.Addr, class connmgr.Class) bool {
	return n.ways.reachable().Has(a.Host.Network()) && !n.isChosen(a) && n.wanted(a) &&
		n.cm.Check(dialable(a), class) == nil && !n.takenByName(a, class)
}

// due reports whether an address may be dialed again by itself.
func (n *Node) due(a netaddr.Addr) bool {
	e, known := n.book.Lookup(a)
	if !known || e.LastTry.IsZero() {
		return true
	}
	n.mu.Lock()
	fails := max(e.Attempts, n.failing[a])
	before := e.LastTry.Before(n.forgiven)
	most := retryMax
	if n.ready.Outbound+n.ready.Permanent == 0 {
		most = retryAlone
	}
	n.mu.Unlock()
	if fails == 0 && before {
		return true // it was lost with our network, and not for a reason of its own
	}
	wait := retryMin
	for range fails {
		wait = min(2*wait, most)
	}
	return time.Since(e.LastTry) >= wait
}

// attempted tells the book that an address was dialed in vain, or that no handshake
// came of it.
func (n *Node) attempted(a netaddr.Addr) {
	n.mu.Lock()
	weight := addrbook.Noted
	if n.ready.Outbound+n.ready.Permanent >= enoughPeers {
		weight = addrbook.Counts
	}
	n.failed(a)
	n.mu.Unlock()
	n.book.Attempt(a, weight)
}

// reached tells the book that a handshake is done, and remembers for whom it speaks
// to have told us of an address that is new and good.
func (n *Node) reached(addr net.Addr, services wire.ServiceFlag) {
	a, ok := endpointOf(addr)
	if !ok {
		return
	}
	n.anchored(a)
	e, known := n.book.Lookup(a)
	if !known && !n.isChosen(a) {
		// Another one may have taken its place since it was chosen. What is good is
		// worth a second try, at another place.
		k := addrbook.Known{Addr: a, Services: uint64(services), Seen: time.Now()}
		if n.book.Add(netaddr.Host{}, 0, k) == 0 {
			n.book.Add(a.Host, 0, k)
		}
	}
	if known && e.LastSuccess.IsZero() {
		for _, s := range n.sessions() {
			if s.inbound && s.host.IsValid() && s.host == e.Source {
				s.useful.Store(time.Now().UnixNano())
			}
		}
	}
	if err := n.book.Good(a, uint64(services)); err != nil {
		n.trouble(KindBookTrouble, err)
	}
}

// left tells the book that a session of ours ended that was a peer.
func (n *Node) left(a netaddr.Addr, lasted time.Duration) {
	n.book.Connected(a)
	n.mu.Lock()
	defer n.mu.Unlock()
	if lasted >= stableFor {
		delete(n.failing, a)
	} else {
		n.failed(a)
	}
}

// failed counts what the book does not: each dial in vain, and each peer that hung up
// soon. The lock must be held.
func (n *Node) failed(a netaddr.Addr) {
	if len(n.failing) >= maxFailing && n.failing[a] == 0 {
		clear(n.failing) // they are tried once too soon
	}
	n.failing[a]++
}

// forgive forgets failures: our own network may have been the cause.
func (n *Node) forgive() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.failing)
	n.forgiven = time.Now()
}
