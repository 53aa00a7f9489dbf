package dnsseed_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"holdfast/dnsseed"
)

// seeder stands for the resolver, so that this example asks nobody.
type seeder struct{}

func (seeder) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	fmt.Println("asked for", host)
	return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, nil
}

func ExampleRun() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var book []string
	err := dnsseed.Run(ctx, dnsseed.Config{
		Seeds:    []dnsseed.Seed{{Host: "seed.example.org", HasFiltering: true}},
		Port:     8333,
		Services: 0x49,
		Resolver: seeder{},
		State:    func() (known, peers int) { return len(book), 0 },
		OnFound: func(seed string, addrs []dnsseed.Found) {
			for _, a := range addrs {
				book = append(book, fmt.Sprintf("%v (%#x)", a.Addr, a.Services))
			}
			cancel() // a node goes on until its end
		},
	})
	slices.Sort(book)
	fmt.Println(book, err)
	// Output:
	// asked for x49.seed.example.org.
	// [192.0.2.1:8333 (0x49) [2001:db8::1]:8333 (0x49)] <nil>
}

func ExamplePolicy_Decide() {
	var policy dnsseed.Policy // Bitcoin Core's figures
	now := dnsseed.Snapshot{
		Known: 120,
		Round: dnsseed.Round{Seeds: 8, Waiting: 8},
	}
	d := policy.Decide(now)
	fmt.Println(d.Ask, d.Due)
	now.Up = d.Due
	fmt.Println(policy.Decide(now).Ask)
	// Output:
	// 0 11s
	// 3
}
