package banlist_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"holdfast/banlist"
	"holdfast/netaddr"
)

func Example() {
	dir, err := os.MkdirTemp("", "banlist")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	bans, damage, err := banlist.Open(filepath.Join(dir, "bans"), banlist.Options{})
	if err != nil {
		panic(err) // the file cannot be read at all
	}
	if damage != nil {
		fmt.Println(damage) // a warning: what was found, and where the file is now
	}
	defer bans.Close()

	crawlers, err := banlist.ParseSubject("192.0.2.0/24")
	if err != nil {
		panic(err)
	}
	if err := bans.BanFor(crawlers, 24*time.Hour, "crawlers", banlist.Operator); err != nil {
		fmt.Println(err) // banned, but not on disk yet
	}
	host, err := netaddr.Parse("::ffff:192.0.2.7")
	if err != nil {
		panic(err)
	}
	ban, banned := bans.Banned(host)
	fmt.Println(banned, ban.Subject, ban.Origin, ban.Reason, ban.Until.Sub(ban.Since) >= 24*time.Hour)
	// Output: true 192.0.2.0/24 operator crawlers true
}

func ExampleDiscouraged() {
	discouraged := banlist.NewDiscouraged(banlist.DiscouragedOptions{})
	host, err := netaddr.Parse("192.0.2.7")
	if err != nil {
		panic(err)
	}
	discouraged.Add(host)
	fmt.Println(discouraged.Has(host))
	// Output: true
}
