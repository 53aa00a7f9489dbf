package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

const (
	// seedPatience is how long the addresses that are known already get before
	// the seeds are asked, as in Core: seeds learn who asks them.
	seedPatience = 11 * time.Second

	// seedEnough is how many outbound peers make the seeds unnecessary, as in
	// Core.
	seedEnough = 2

	// seedTrial is how long what the seeds told gets before they are asked again.
	seedTrial = time.Minute

	seedsAtOnce    = 3
	seedTimeout    = 15 * time.Second
	maxSeedAddrs   = 32 // of each seed, as Core takes of each
	seedBackoffMin = 5 * time.Second
	seedBackoffMax = 10 * time.Minute

	// Seeds do not tell when they saw an address. Core takes it for 3 to 7 days
	// old, so that what peers tell is preferred.
	seedAgeMin = 3 * 24 * time.Hour
	seedAgeMax = 7 * 24 * time.Hour
)

var errEmptySeed = errors.New("it has no addresses")

// seedUntil asks the seeds when nothing is known, and again, less and less often,
// while there are no outbound peers, until ctx ends.
func (n *Node) seedUntil(ctx context.Context) {
	if len(n.cfg.Seeds) == 0 {
		return
	}
	if n.book.size() > 0 && !sleep(ctx, seedPatience) {
		return
	}
	backoff := seedBackoffMin
	for {
		wait := seedBackoffMax
		var asked int
		var err error
		if n.lonely() {
			asked, err = n.askSeeds(ctx)
			if wait = backoff; n.book.size() > 0 {
				wait = max(wait, seedTrial)
			}
			backoff = min(2*backoff, seedBackoffMax)
		} else {
			backoff = seedBackoffMin
		}
		wait = n.jitter(wait)
		if err != nil && ctx.Err() == nil {
			e := Event{Kind: KindNoSeed, Told: asked}
			e.Err, e.At = err, time.Now().Add(wait)
			n.publish(e)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// lonely reports whether the seeds are needed.
func (n *Node) lonely() bool {
	c := n.Counts()
	return c.Outbound < min(seedEnough, c.Target)
}

// askSeeds asks all seeds once, in random order and a few at a time, until there
// are enough peers. It returns how many were asked, and an error if none of them
// told anything.
func (n *Node) askSeeds(ctx context.Context) (asked int, err error) {
	fixed, names := n.sortSeeds()
	if len(fixed) > 0 {
		n.seeded("", fixed)
	}
	places := make(chan struct{}, seedsAtOnce)
	errs := make(chan error, len(names))
	var wg sync.WaitGroup
	for _, seed := range names {
		places <- struct{}{}
		if ctx.Err() != nil || !n.lonely() {
			break
		}
		asked++
		wg.Go(func() {
			errs <- n.askSeed(ctx, seed)
			<-places
		})
	}
	wg.Wait()
	close(errs)
	for err = range errs {
		if err == nil {
			return asked, nil
		}
	}
	return asked, err
}

// sortSeeds tells the seeds that are addresses from those to ask, and returns
// these in random order.
func (n *Node) sortSeeds() (fixed []known, names []Seed) {
	for _, i := range n.perm(len(n.cfg.Seeds)) {
		seed := n.cfg.Seeds[i]
		if e, ok := n.literalSeed(seed.Host); ok {
			fixed = append(fixed, known{endpoint: e, services: wantedServices})
		} else {
			names = append(names, seed)
		}
	}
	return fixed, names
}

// askSeed asks one seed, and tells how it went.
func (n *Node) askSeed(ctx context.Context, seed Seed) error {
	list, err := n.resolveSeed(ctx, seed)
	if err == nil && len(list) == 0 {
		err = errEmptySeed
	}
	if err != nil {
		e := Event{Kind: KindSeedFailed, Text: seed.Host}
		e.Err = err
		n.publish(e)
		return err
	}
	n.seeded(seed.Host, list)
	return nil
}

// seeded puts what a seed told into the book.
func (n *Node) seeded(host string, list []known) {
	told, now := len(list), time.Now()
	for i := range list {
		age := seedAgeMin + time.Duration(n.uint64()%uint64(seedAgeMax-seedAgeMin))
		list[i].seen = now.Add(-age)
	}
	news := n.learn(list, "seed "+host, now)
	n.publish(Event{Kind: KindSeed, Text: host, Told: told, New: news})
}

// resolveSeed returns what DNS says of a seed, at most maxSeedAddrs addresses.
func (n *Node) resolveSeed(ctx context.Context, seed Seed) ([]known, error) {
	host := seed.Host
	if seed.HasFiltering {
		host = "x" + strconv.FormatUint(uint64(wantedServices), 16) + "." + host
	}
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	ips, err := n.cfg.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, plainDNSError(seed.Host, err)
	}
	var list []known
	seen := make(map[netip.Addr]bool)
	for _, i := range n.perm(len(ips)) {
		ip := ips[i].Unmap().WithZone("")
		if seen[ip] || len(list) >= maxSeedAddrs {
			continue
		}
		seen[ip] = true
		list = append(list, known{endpoint: endpoint{ip: ip, port: n.cfg.port}, services: wire.SFNodeNetwork})
	}
	return list, nil
}

// literalSeed reads a seed that is an address: chaincfg's signet has some, an
// onion among them, which DNS must not be asked for.
func (n *Node) literalSeed(host string) (endpoint, bool) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return endpoint{ip: ip.Unmap(), port: n.cfg.port}, true
	}
	if ap, err := netip.ParseAddrPort(host); err == nil {
		return endpoint{ip: ap.Addr().Unmap(), port: ap.Port()}, true
	}
	name, port := host, n.cfg.port
	if h, p, err := net.SplitHostPort(host); err == nil {
		if v, err := strconv.ParseUint(p, 10, 16); err == nil {
			name, port = h, uint16(v)
		}
	}
	if name = strings.ToLower(name); strings.HasSuffix(name, ".onion") {
		return endpoint{onion: name, port: port}, true
	}
	return endpoint{}, false
}

func (n *Node) perm(k int) []int {
	n.rngMu.Lock()
	defer n.rngMu.Unlock()
	return n.rng.Perm(k)
}

// jitter returns d or up to a fifth less.
func (n *Node) jitter(d time.Duration) time.Duration {
	return d - time.Duration(n.uint64()%uint64(d/5))
}

// sleep waits, and reports whether it did to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
