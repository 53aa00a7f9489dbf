package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"holdfast/banlist"
)

// maxBanFile bounds a file of bans: a million of them.
const maxBanFile = 256 << 20

// The codes of setban that are no reason to give up an import.
const (
	codeParameter    = -8  // it is over
	codeAlreadyAdded = -23 // the operator has banned it already
)

// exportBans writes the bans that the daemon has to a file, "" for standard output.
func (c *client) exportBans(ctx context.Context, path string, core bool) error {
	var bans []ban
	if err := c.call(ctx, &bans, "listbanned"); err != nil {
		return err
	}
	list, err := listOf(bans)
	if err != nil {
		return err
	}
	write := list.Export
	if core {
		write = list.ExportCore
	}
	if path == "" || path == "-" {
		return write(c.out)
	}
	if err := replaceFile(path, write); err != nil {
		return fmt.Errorf("cannot export: %w", err)
	}
	_, err = fmt.Fprintf(c.err, "%s written to %s\n", plural(list.Len(), "ban"), plain(path))
	return err
}

// listOf makes a list of what listbanned answers. It goes through the list's own JSON,
// which keeps when a ban was made.
func listOf(bans []ban) (*banlist.List, error) {
	type entry struct {
		Subject string `json:"subject"`
		Origin  string `json:"origin"`
		Since   int64  `json:"since"`
		Until   int64  `json:"until"`
		Reason  string `json:"reason"`
	}
	entries := make([]entry, len(bans))
	for i, b := range bans {
		entries[i] = entry{b.Address, b.Origin, b.Created, b.Until, b.Reason}
		if b.Until >= lastSecond {
			entries[i].Until = 0
		}
	}
	text, err := json.Marshal(map[string]any{"format": "holdfast banlist", "version": 1, "bans": entries})
	if err != nil {
		return nil, err
	}
	list := newBanList()
	if _, err := list.Import(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("the daemon's bans are not understood: %w", err)
	}
	return list, nil
}

// newBanList returns a list in memory that has room for all that a file may have.
func newBanList() *banlist.List { return banlist.New(banlist.Options{MaxAutomatic: math.MaxInt32}) }

// replaceFile writes a file: all of it, or it stays as it was.
func replaceFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is of no use
	}
	return err
}

// readBans reads a file of bans, ours or Bitcoin Core's.
func readBans(text []byte) (*banlist.List, error) {
	list := newBanList()
	var kind struct {
		Core json.RawMessage `json:"banned_nets"`
	}
	read := list.Import
	if json.Unmarshal(text, &kind) == nil && kind.Core != nil {
		read = list.ImportCore
	}
	_, err := read(bytes.NewReader(text))
	return list, err
}

// importBans makes the bans of a file, "-" for standard input.
func (c *client) importBans(ctx context.Context, path string) error {
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("cannot import: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxBanFile))
	if err != nil {
		return fmt.Errorf("cannot import: %w", err)
	}
	list, err := readBans(text)
	if err != nil {
		return fmt.Errorf("cannot import %s: %w", path, err)
	}
	var calls []request
	for e := range list.All() {
		until := int64(lastSecond)
		if !e.Until.IsZero() {
			until = e.Until.Unix()
		}
		calls = append(calls, request{Method: "setban", Params: []any{e.Subject.String(), "add", until, true, e.Reason}})
	}
	answers, err := c.inBatches(ctx, calls)
	if err != nil {
		return err
	}
	var made, there, over int
	for i, a := range answers {
		switch err := a.into("setban", nil); {
		case err == nil:
			made++
		case refused(err, codeAlreadyAdded):
			there++
		case refused(err, codeParameter):
			over++
		default:
			return fmt.Errorf("after %s, the daemon refuses %v: %w", plural(made, "ban"), calls[i].Params.([]any)[0], err)
		}
	}
	if c.json {
		return json.NewEncoder(c.out).Encode(map[string]int{"made": made, "present": there, "over": over})
	}
	_, err = fmt.Fprintf(c.out, "%s made, %d were there already, %d are over\n", plural(made, "ban"), there, over)
	return err
}
