package addrbook

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"holdfast/netaddr"
)

// MaxAnchors is how many anchors there are at most, as in Bitcoin Core
// (MAX_BLOCK_RELAY_ONLY_ANCHORS in src/net.cpp).
const MaxAnchors = 2

const anchorsMagic = "holdfast anch 1\n"

// WriteAnchors writes the addresses of the peers to connect to first at the next
// start, so that who makes us start again does not get to choose all our peers. What
// is beyond MaxAnchors is left out. The file is replaced at once or not at all.
// Errors wrap those of package os.
func WriteAnchors(name string, addrs []netaddr.Addr) error {
	p := []byte(anchorsMagic)
	for _, a := range addrs[:min(len(addrs), MaxAnchors)] {
		if a.IsValid() {
			p = appendAddr(p, a)
		}
	}
	p = append(p, 0)
	sum := sha256.Sum256(p)
	err := writeAtomically(name, func(w io.Writer) error {
		_, err := w.Write(append(p, sum[:]...))
		return err
	})
	if err != nil {
		return fmt.Errorf("writing the anchors: %w", err)
	}
	return nil
}

// ReadAnchors reads what WriteAnchors wrote, and deletes the file, as Bitcoin Core
// does: anchors that make a program crash are not tried again. No file is no anchors
// and no error. A damaged file is set aside, and the error is a *DamagedError; other
// errors wrap those of package os.
func ReadAnchors(name string) ([]netaddr.Addr, error) {
	f, err := openFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the anchors: %w", err)
	}
	p, err := io.ReadAll(io.LimitReader(f, 4096))
	if err = join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("reading the anchors: %w", err)
	}
	addrs, err := parseAnchors(p)
	if err != nil {
		damaged, err := setAside(name, err)
		if err != nil {
			return nil, fmt.Errorf("reading the anchors: %w", err)
		}
		return nil, damaged
	}
	if err := os.Remove(name); err != nil {
		return addrs, fmt.Errorf("deleting the anchors: %w", err)
	}
	return addrs, nil
}

func parseAnchors(p []byte) (addrs []netaddr.Addr, err error) {
	end := len(p) - sha256.Size
	if !bytes.HasPrefix(p, []byte(anchorsMagic)) || end < len(anchorsMagic) {
		return nil, errForeign
	}
	if sum := sha256.Sum256(p[:end]); !bytes.Equal(sum[:], p[end:]) {
		return nil, errChecksum
	}
	f := fields{p: p[len(anchorsMagic):end]}
	for {
		var a netaddr.Addr
		f.addr(&a)
		if f.err != nil {
			return nil, f.err
		}
		if !a.IsValid() {
			return addrs, nil
		}
		if len(addrs) == MaxAnchors {
			return nil, errRecord
		}
		addrs = append(addrs, a)
	}
}
