package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"holdfast/banlist"
)

// file measures what the file costs, once: these are times of the wall, for the disk
// takes most of them.
func file(w io.Writer, bans []netip.Prefix) error {
	dir, err := os.MkdirTemp("", "banlist-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "bans")
	l, _, err := banlist.Open(path, banlist.Options{})
	if err != nil {
		return err
	}
	list := coreList(bans, time.Now().Add(24*time.Hour))
	fmt.Fprintf(w, "| the file, %d bans | took |\n| --- | ---: |\n", len(bans))
	row := func(what string, n int, do func() error) error {
		start := time.Now()
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		_, err := fmt.Fprintf(w, "| %s | %v |\n", what, (time.Since(start) / time.Duration(n)).Round(10*time.Microsecond))
		return err
	}
	ban := func(i int) error {
		s, err := banlist.ParseSubject(fmt.Sprintf("2001:db8::%x", i))
		if err != nil {
			return err
		}
		return l.BanFor(s, time.Hour, reason, banlist.Score)
	}
	rows := []struct {
		what string
		n    int
		do   func() error
	}{
		{"import of Core's banlist.json, saved", 1, func() error { _, err := l.ImportCore(list); return err }},
		{"a ban, on disk when it returns", 200, func() error {
			for i := range 200 {
				if err := ban(i); err != nil {
					return err
				}
			}
			return nil
		}},
		{"a ban, 16 goroutines", 1600, func() error {
			errs := make(chan error, 16)
			var wg sync.WaitGroup
			for g := range 16 {
				wg.Go(func() {
					for i := range 100 {
						if err := ban(1000*(g+1) + i); err != nil {
							errs <- err
							return
						}
					}
				})
			}
			wg.Wait()
			close(errs)
			return <-errs
		}},
		{"Compact", 1, l.Compact},
		{"Prune, nothing over", 1, func() error { l.Prune(); return nil }},
		{"Close", 1, l.Close},
		{"Open", 1, func() error { _, _, err := banlist.Open(path, banlist.Options{}); return err }},
	}
	for _, r := range rows {
		if err := row(r.what, r.n, r.do); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "| length of the file, bytes a ban | %d |\n", info.Size()/int64(len(bans)))
	return nil
}
