package addrbook

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"holdfast/netaddr"
)

// The speed goals are held in bench/addrbook; these are for who works on this
// package.

// full returns a book with so many times the buckets of Bitcoin Core, with about as
// many entries as there is place for.
func full(b *testing.B, times int) *Book {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	book := mustNew(b, Config{NewBuckets: 1024 * times, TriedBuckets: 256 * times})
	random := func() netaddr.Addr {
		x := rng.Uint32()
		return netaddr.FromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{11 + byte(x>>24)%80, byte(x >> 16), byte(x >> 8), byte(x)}), 8333))
	}
	for i := range 65536 * 4 * times {
		a := random()
		book.Add(random().Host, 0, Known{a, 1, time.Now()})
		if i%4 == 0 {
			_ = book.Good(a, 1)
		}
	}
	return book
}

func BenchmarkChoose(b *testing.B) {
	book := full(b, 1)
	book.now = func() time.Time { return time.Now().Add(time.Hour) }
	for b.Loop() {
		book.Choose(AllNetworks, nil)
	}
}

// BenchmarkChooseFlooded: the same where each group has as many entries as are looked at,
// and more.
func BenchmarkChooseFlooded(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	now := time.Now()
	book := mustNew(b, Config{Now: func() time.Time { return now }})
	for i := range 65536 * 4 {
		a := ipv4(rng.IntN(3000), rng.IntN(1<<16))
		book.Add(ipv4(rng.IntN(400), 1).Host, 0, Known{a, 1, now})
		if i%10 == 0 {
			_ = book.Good(a, 1)
		}
	}
	now = now.Add(time.Hour)
	for b.Loop() {
		book.Choose(AllNetworks, nil)
	}
}

func BenchmarkLoad(b *testing.B) {
	for name, times := range map[string]int{"1": 1, "10": 10} {
		book := full(b, times)
		var file bytes.Buffer
		if err := book.writeSnapshot(&file, 1); err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cfg := Config{NewBuckets: 1024 * times, TriedBuckets: 256 * times}
				if _, _, err := readBook(bytes.NewReader(file.Bytes()), int64(file.Len()), cfg); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*book.Len()), "ns/entry")
		})
	}
}
