package simnet_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"holdfast/simnet"
)

// A network of three peers on real loopback sockets, and a DNS seed for them.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	n, err := simnet.New(simnet.Config{
		Seed: 1,
		Peers: []simnet.Spec{
			{Behaviour: simnet.Honest(), Count: 2},
			{Behaviour: simnet.Dead()},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := n.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()

	seed, err := simnet.ListenDNS(simnet.DNSConfig{
		Zones: []simnet.Zone{{Name: "seed.simnet.test", Addrs: n.SeedAddrs}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seed.Close()

	ips, err := seed.Resolver().LookupNetIP(ctx, "ip4", "x9.seed.simnet.test.")
	fmt.Println("the seed has addresses:", len(ips) > 0, err)

	var d net.Dialer
	for _, p := range n.Peers() {
		conn, err := d.DialContext(ctx, "tcp", p.Addr().String())
		if err == nil {
			conn.Close()
		}
		fmt.Printf("%s: connected: %v; a good node would: %s\n",
			p.Behaviour().Name, err == nil, p.Behaviour().Expect)
	}
	// Output:
	// the seed has addresses: true <nil>
	// honest: connected: true; a good node would: keep it
	// honest: connected: true; a good node would: keep it
	// dead: connected: false; a good node would: back off more after each try, and forget it in the end
}

// A fabric fails as a real network does. (In a synctest bubble the latency costs no
// real time.)
func ExampleFabric() {
	f := simnet.NewFabric(simnet.FabricConfig{Latency: 50 * time.Millisecond})
	defer f.Close()

	addr := &net.TCPAddr{IP: net.IPv4(11, 0, 0, 1), Port: 8333}
	dial := f.Dialer(nil) // fits connmgr.Config.DialContext

	f.SetUp(false)
	_, err := dial(context.Background(), addr)
	fmt.Println(err)

	f.SetUp(true)
	_, err = dial(context.Background(), addr)
	fmt.Println(err)
	// Output:
	// dial tcp 10.0.0.1:20000->11.0.0.1:8333: connect: network is unreachable
	// dial tcp 10.0.0.1:20001->11.0.0.1:8333: connect: connection refused
}
