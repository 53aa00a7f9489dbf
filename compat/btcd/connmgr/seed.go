package connmgr

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

const (
	// maxPerSeed is how many addresses are taken from one seed. Seeds answer
	// with about as many; one that answers with thousands would fill the address
	// book with its own.
	maxPerSeed = 32

	// An address from a seed is handed on as one that was last seen at a random
	// time in this span, as Bitcoin's nodes do: what peers say of an address is
	// younger, and is believed first.
	minSeedAge = 3 * 24 * time.Hour
	maxSeedAge = 7 * 24 * time.Hour
)

// OnSeed is called with the addresses that a seed gave.
type OnSeed func(addrs []*wire.NetAddressV2)

// LookupFunc resolves a host name.
type LookupFunc func(string) ([]net.IP, error)

// SeedFromDNS asks the DNS seeds of chainParams for peers that have the services
// wanted, all at the same time, and returns at once. seedFn is called with the
// addresses of each seed that has any, one call at a time: no address twice in
// one call, no more than 32, in random order. What fails is logged (UseLogger),
// and nothing is handed on then; so it is when lookupFn is nil, and when
// chainParams.DefaultPort is no port.
//
// It cannot be canceled and nothing tells when it has ended, as in btcd: a
// lookupFn that hangs keeps its goroutine. Package dnsseed does better.
func SeedFromDNS(chainParams *chaincfg.Params, reqServices wire.ServiceFlag,
	lookupFn LookupFunc, seedFn OnSeed,
) {
	if chainParams == nil || lookupFn == nil || seedFn == nil {
		log.Error("Cannot ask the DNS seeds: SeedFromDNS needs chain parameters, a lookup function and a callback")
		return
	}
	port, err := strconv.ParseUint(chainParams.DefaultPort, 10, 16)
	if err != nil || port == 0 {
		log.Error("Cannot ask the DNS seeds: the chain's default port is no port",
			"chain", chainParams.Name, "port", chainParams.DefaultPort)
		return
	}

	handing := make(chan struct{}, 1) // full while seedFn runs
	for _, seed := range chainParams.DNSSeeds {
		host := seed.Host
		if seed.HasFiltering && reqServices != wire.SFNodeNetwork {
			host = fmt.Sprintf("x%x.%s", uint64(reqServices), host)
		}
		go func() {
			ips, err := lookupFn(host)
			if err != nil {
				log.Info("DNS seed failed", "seed", host, "err", err)
				return
			}
			addrs := seedAddresses(ips, uint16(port), time.Now())
			log.Info("DNS seed answered", "seed", host, "answers", len(ips), "used", len(addrs))
			if len(addrs) == 0 {
				return
			}
			handing <- struct{}{}
			defer func() { <-handing }()
			seedFn(addrs)
		}()
	}
}

// seedAddresses makes at most maxPerSeed addresses of what a seed answered,
// chosen at random, without duplicates and without what is no IP address.
func seedAddresses(ips []net.IP, port uint16, now time.Time) []*wire.NetAddressV2 {
	known := make(map[[net.IPv6len]byte]bool)
	var picked []net.IP
	for _, ip := range ips {
		ip = ip.To16()
		if ip == nil || known[[net.IPv6len]byte(ip)] {
			continue
		}
		known[[net.IPv6len]byte(ip)] = true
		picked = append(picked, ip)
	}
	rand.Shuffle(len(picked), func(i, j int) { picked[i], picked[j] = picked[j], picked[i] })
	picked = picked[:min(len(picked), maxPerSeed)]

	var addrs []*wire.NetAddressV2
	for _, ip := range picked {
		seen := now.Add(-minSeedAge - rand.N(maxSeedAge-minSeedAge))
		addrs = append(addrs, wire.NetAddressV2FromBytes(seen, 0, ip, port))
	}
	return addrs
}
