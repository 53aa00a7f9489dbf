package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/btcsuite/btcd/addrmgr"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

// book is what is measured of an address book.
type book interface {
	add(a netaddr.Addr, source netaddr.Host)
	good(a netaddr.Addr)
	choose(only netaddr.Network) bool // 0 for any
	len() int
	patience() int // how often as many addresses as there are places fill it
	save() error   // once: it may be of no use afterwards
}

// maker makes a book that is kept in a directory, from what is there.
type maker func(dir string) (book, error)

// ours is Holdfast's.
type ours struct {
	*addrbook.Book
	ahead *atomic.Int64 // of the time
}

// later makes a book believe that so much time has passed.
func (o ours) later(d time.Duration) { o.ahead.Add(int64(d)) }

// makeOurs makes a book with so many times the buckets of Bitcoin Core.
func makeOurs(times int) maker {
	return func(dir string) (book, error) {
		ahead := new(atomic.Int64)
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		b, warning, err := addrbook.Open(dir, addrbook.Config{NewBuckets: 1024 * times, TriedBuckets: 256 * times, Now: now})
		if err == nil {
			err = warning
		}
		return ours{b, ahead}, err
	}
}

func (o ours) add(a netaddr.Addr, source netaddr.Host) {
	o.Add(source, 0, addrbook.Known{Addr: a, Services: 1, Seen: time.Now()})
}
func (o ours) good(a netaddr.Addr) { _ = o.Good(a, 1) } // an error would be one of the next Save, too
func (o ours) len() int            { return o.Len() }
func (o ours) save() error         { return o.Save() }
func (o ours) patience() int       { return 12 } // who comes last waits longest for the place that is free

func (o ours) choose(only netaddr.Network) bool {
	reachable := addrbook.AllNetworks
	if only != 0 {
		reachable = addrbook.NetworksOf(only)
	}
	_, ok := o.Choose(reachable, nil)
	return ok
}

// btcd is btcd's.
type btcd struct{ *addrmgr.AddrManager }

func makeBtcd(dir string) (book, error) {
	m := addrmgr.New(dir, nil)
	m.Start() // reads the file
	return btcd{m}, nil
}

// toWire turns an address into btcd's.
func toWire(a netaddr.Addr) *wire.NetAddressV2 {
	return wire.NetAddressV2FromBytes(time.Now().Truncate(time.Second), 1, a.Host.Bytes(), a.Port)
}

func (m btcd) add(a netaddr.Addr, source netaddr.Host) {
	m.AddAddress(toWire(a), toWire(netaddr.Addr{Host: source, Port: 8333}))
}
func (m btcd) good(a netaddr.Addr) { m.Good(toWire(a)) }
func (m btcd) len() int            { return m.NumAddresses() }
func (m btcd) save() error         { return m.Stop() }
func (m btcd) patience() int       { return 2 } // it takes any place in a bucket

// age makes what a file of btcd's says an hour older.
func age(dir string) error {
	name := filepath.Join(dir, "peers.json")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	var list []map[string]any
	if err := json.Unmarshal(file["Addresses"], &list); err != nil {
		return err
	}
	for _, entry := range list {
		for _, field := range []string{"LastAttempt", "LastSuccess"} {
			if t, ok := entry[field].(float64); ok && t > 0 {
				entry[field] = int64(t) - 3600
			}
		}
	}
	if file["Addresses"], err = json.Marshal(list); err != nil {
		return err
	}
	if text, err = json.Marshal(file); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600)
}

// choose draws until an address is on the network: btcd cannot be asked for one.
func (m btcd) choose(only netaddr.Network) bool {
	for range 100_000 {
		a := m.GetAddress()
		if a == nil {
			return false
		}
		if only == 0 || only == netaddr.Onion == a.NetAddress().IsTorV3() {
			return true
		}
	}
	return false
}

// source of addresses.
type addresses struct{ rng *rand.Rand }

func newAddresses() addresses { return addresses{rand.New(rand.NewPCG(1, 2))} }

func (s addresses) next(n netaddr.Network) netaddr.Addr {
	p := make([]byte, map[netaddr.Network]int{netaddr.IPv4: 4, netaddr.Onion: 32}[n])
	for i := range p {
		p[i] = byte(s.rng.Uint32())
	}
	if n == netaddr.IPv4 {
		p[0] = 11 + p[0]%89 // 11.0.0.0 to 99.255.255.255
	}
	h, err := netaddr.FromBytes(n, p)
	if err != nil {
		panic(err) // cannot be
	}
	return netaddr.Addr{Host: h, Port: 8333}
}

// fill fills a book with as many addresses as have a place, good ones first; of ten
// thousand, unreachable are the most of Onion, if onion is 9900.
func fill(b book, times, onion int) {
	s := newAddresses()
	network := func() netaddr.Network {
		if s.rng.IntN(10_000) < onion {
			return netaddr.Onion
		}
		return netaddr.IPv4
	}
	tried := 16_384 * times
	for range tried * b.patience() {
		a := s.next(network())
		b.add(a, s.next(netaddr.IPv4).Host)
		b.good(a)
	}
	for range 65_536 * times * b.patience() {
		b.add(s.next(network()), s.next(netaddr.IPv4).Host)
	}
}

// tempDir makes a directory in which the books are kept.
func tempDir() (string, func(), error) {
	dir, err := os.MkdirTemp("", "bench-addrbook")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { os.RemoveAll(dir) }, nil
}

// fileSize returns how much there is in a directory.
func fileSize(dir string) (size int64, err error) {
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(list) == 0 {
		return 0, fmt.Errorf("%s is empty: %w", dir, err)
	}
	for _, name := range list {
		info, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}
