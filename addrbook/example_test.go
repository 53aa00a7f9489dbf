package addrbook_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

// A node hears of an address, dials it, and finds it after a restart.
func Example() {
	dir, err := os.MkdirTemp("", "addrbook")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	book, warning, err := addrbook.Open(dir, addrbook.Config{})
	if err != nil || warning != nil {
		fmt.Println(err, warning)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	saved := make(chan error)
	go func() { saved <- book.Run(ctx) }()

	peer, _ := netaddr.Parse("198.18.7.7") // who tells us
	heard, _ := netaddr.ParseAddr("8.8.8.8:8333")
	book.Add(peer, 2*time.Hour, addrbook.Known{Addr: heard, Services: 1, Seen: time.Now()})

	reachable := addrbook.NetworksOf(netaddr.IPv4)
	addr, ok := book.Choose(reachable, func(a netaddr.Addr) bool { return a.Port == 8333 })
	fmt.Println(addr, ok)
	book.Attempt(addr, addrbook.Counts)
	if err := book.Good(addr, 9); err != nil {
		fmt.Println(err)
	}

	cancel()
	fmt.Println(<-saved)
	book, _, _ = addrbook.Open(dir, addrbook.Config{})
	entry, _ := book.Lookup(heard)
	fmt.Println(entry.Tried, entry.Services, book.Group(heard.Host))
	// Output:
	// 8.8.8.8:8333 true
	// <nil>
	// true 9 8.8.0.0/16
}
