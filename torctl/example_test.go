package torctl_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"holdfast/torctl"
)

// A listener of its own is published as an onion service until the program is
// interrupted.
func ExampleService() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := &torctl.Service{
		Control:     torctl.Options{Address: "127.0.0.1:9051"},
		KeyFile:     filepath.Join("data", "onion_v3_private_key"),
		VirtualPort: 8333,
		Target:      "127.0.0.1:8334",
		OnEvent: func(e torctl.Event) {
			switch e.Kind {
			case torctl.KindPublished:
				log.Printf("reachable as %v by Tor %s", e.Addr, e.Version)
			case torctl.KindFailed, torctl.KindLost:
				log.Printf("%v: %v; next try at %v", e.Kind, e.Err, e.Next.Format(time.TimeOnly))
			case torctl.KindKeySetAside:
				log.Print(e.Err)
			}
		},
	}
	if err := s.Run(ctx); err != nil {
		log.Fatal(err) // the settings are wrong
	}
}

// Where Tor takes SOCKS connections, and whether it is ready for them.
func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tor, err := torctl.Dial(ctx, torctl.Options{})
	if err != nil {
		log.Fatal(err) // says what to do
	}
	defer tor.Close()
	proxies, err := tor.SocksListeners(ctx)
	if err != nil {
		log.Fatal(err)
	}
	percent, err := tor.Bootstrapped(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tor.Version(), proxies, percent)
}

// What has secrets can be logged.
func ExampleOptions() {
	fmt.Printf("%+v\n", torctl.Options{Password: "correct horse"})
	// Output: {Address:127.0.0.1:9051 Password:(secret)}
}
