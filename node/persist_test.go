package node

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/simnet"
)

// TestRemembers: what a node knows, whom it has banned, and whom it had for longest
// outlive it.
func TestRemembers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, Config{Seeds: fabricSeeds(20), DataDir: dir}, honest(20)...)
		wait(time.Minute)
		ban(t, w.node, "11.19.0.1")
		wait(10 * time.Minute)
		before := w.node.Counts()
		if before.Outbound != 8 || before.Banned != 1 {
			t.Fatalf("%v", before)
		}
		longest := w.node.longest()
		w.stop()
		ended := time.Now()

		// The next one has no seeds. It begins with the anchors.
		w.mu.Lock()
		w.events = nil
		w.mu.Unlock()
		w.start(Config{Seeds: []Seed{}, DataDir: dir})
		wait(time.Minute)
		after := w.node.Counts()
		for _, a := range longest { // what the end itself told the book is kept too
			if e, known := w.node.book.Lookup(a); !known || ended.Sub(e.Seen) > 20*time.Minute {
				t.Errorf("%v was seen %v before the end", a, ended.Sub(e.Seen))
			}
		}
		if after.Outbound != 8 || after.Addresses != before.Addresses || after.Banned != 1 {
			t.Errorf("%v, before %v", after, before)
		}
		var dialed []netaddr.Addr
		for _, e := range w.of(KindConnection) {
			if a, ok := endpointOf(e.Addr); ok && e.Type == connmgr.EventDialing {
				dialed = append(dialed, a)
			}
		}
		for _, a := range longest { // the first eight are asked for at once
			if !slices.Contains(dialed[:8], a) {
				t.Errorf("first dialed %v, without the anchor %v", dialed[:8], a)
			}
		}
		if n := len(w.of(KindBookTrouble)) + len(w.of(KindBansTrouble)); n != 0 {
			t.Errorf("%d troubles", n)
		}
		if _, err := os.Stat(filepath.Join(dir, anchorsFile)); err == nil {
			t.Error("the anchors were not used up")
		}
		w.stop()
	})
}

// TestAnchors are the two automatic outbound peers that are there for longest, and
// nobody else; and nobody is dialed before them at the next start.
func TestAnchors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dir := t.TempDir()
		specs := honest(20)
		specs = append(specs, simnet.Spec{
			Addr: &net.TCPAddr{IP: net.IPv4(12, 0, 0, 1), Port: 18444}, Behaviour: simnet.Silent(),
		})
		w := newWorld(t, Config{Seeds: []Seed{}}, specs...)
		w.stop()
		// All of these are there before the automatic ones: one that came by itself, a
		// fixed one, one that is asked for addresses, and one that says nothing.
		w.start(Config{
			Seeds: []Seed{}, SeedNodes: []string{"11.0.0.1"}, AddPeer: []string{"11.1.0.1"}, Listen: []string{listenAt},
			DataDir: dir, Feelers: -1,
		})
		w.dialIn("8.8.8.8").shake()
		knows(t, w.node, "12.0.0.1:18444")
		w.node.cm.NewConnReq()
		wait(2 * time.Second)
		for _, addrs := range [][]string{{"11.2.0.1", "11.3.0.1"}, {"11.4.0.1", "11.5.0.1", "11.6.0.1"}} {
			for _, a := range addrs {
				knows(t, w.node, a+":18444")
			}
			w.node.cm.NewConnReq()
			wait(5 * time.Second)
		}
		if c := w.node.Counts(); c.Outbound != 5 || c.Permanent != 1 || c.Inbound != 1 || len(w.peers()) != 9 {
			t.Fatalf("%v, %d sessions\n%s", c, len(w.peers()), w.lines())
		}
		want := []netaddr.Addr{endpoint("11.2.0.1:18444"), endpoint("11.3.0.1:18444")}
		check := func(of string, got []netaddr.Addr) {
			t.Helper()
			slices.SortFunc(got, func(a, b netaddr.Addr) int { return strings.Compare(a.String(), b.String()) })
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", of, got, want)
			}
		}
		check("longest", w.node.longest())
		w.stop()
		kept, err := addrbook.ReadAnchors(filepath.Join(dir, anchorsFile))
		if err != nil {
			t.Fatal(err)
		}
		check("in the file", slices.Clone(kept))
		if err := addrbook.WriteAnchors(filepath.Join(dir, anchorsFile), kept); err != nil {
			t.Fatal(err)
		}

		n := atRest(t, Config{DataDir: dir})
		for i := range 15 { // the book is full of others
			n.book.Add(netaddr.Host{}, 0, addrbook.Known{Addr: endpoint(fmt.Sprintf("13.%d.0.1:18444", i)), Seen: time.Now()})
		}
		ban(t, n, kept[0].Host.String()) // since then
		if a, err := n.newAddress(); err != nil || a.String() != kept[1].String() {
			t.Errorf("dials %v first (%v), want %v", a, err, kept[1])
		}
		if a, err := n.newAddress(); err != nil || a.String() == kept[1].String() {
			t.Errorf("dials %v next, %v", a, err)
		}
	})
}

// TestAnchorsInVain: anchors outlive runs in which they are not reached, however many. Who
// was reached and left is none any more.
func TestAnchorsInVain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, anchorsFile)
		a, b := endpoint("11.0.0.1:18444"), endpoint("[2a01::1]:18444")
		must(t, addrbook.WriteAnchors(file, []netaddr.Addr{a, b}))
		w := newWorld(t, Config{Seeds: []Seed{}}) // nobody is there
		w.stop()
		run := func(name string, cfg Config, want ...netaddr.Addr) {
			t.Helper()
			cfg.DataDir, cfg.Seeds = dir, []Seed{}
			w.start(cfg)
			wait(10 * time.Minute)
			w.stop()
			kept, err := addrbook.ReadAnchors(file)
			must(t, err)
			slices.SortFunc(kept, netaddr.Addr.Compare)
			if !slices.Equal(kept, want) {
				t.Fatalf("%s: %v, want %v", name, kept, want)
			}
			must(t, addrbook.WriteAnchors(file, kept))
		}
		run("nobody is reached", Config{}, a, b)
		run("nor again", Config{}, a, b)
		run("one is of a network that is not used", Config{OnlyNet: addrbook.NetworksOf(netaddr.IPv4)}, a, b)

		l := w.listenFor(a.String())
		left := make(chan *remote, 1)
		go func() {
			r := l.accept()
			r.answer()
			left <- r
		}()
		run("one is reached", Config{}, a, b)
		go func() {
			r := l.accept()
			r.answer()
			_ = r.conn.Close()
			_ = l.l.Close()
		}()
		run("one is reached and leaves", Config{}, b)
		<-left
	})
}

// TestDamagedFiles are set aside with a warning, and the node runs.
func TestDamagedFiles(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dir := t.TempDir()
		for _, name := range []string{"addrbook.dat", bansFile, anchorsFile} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("no such file of ours\nat all\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := newWorld(t, Config{Seeds: fabricSeeds(3), DataDir: dir}, honest(3)...)
		wait(time.Minute)
		if c := w.node.Counts(); c.Outbound != 3 {
			t.Errorf("%v", c)
		}
		if book, bans := len(w.of(KindBookTrouble)), len(w.of(KindBansTrouble)); book != 2 || bans != 1 {
			t.Errorf("%d warnings of the book and %d of the bans, want 2 and 1:\n%s", book, bans, w.lines())
		}
		w.stop()
		kept, err := filepath.Glob(filepath.Join(dir, "*.bad-*"))
		if err != nil || len(kept) != 3 {
			t.Errorf("set aside: %v, %v", kept, err)
		}
	})
}

// TestUnusableDirectory is an error of New.
func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Params: &chaincfg.RegressionNetParams, Seeds: []Seed{}, DataDir: file}
	if n, err := New(cfg); err == nil {
		_ = n.Close()
		t.Error("a file is a directory")
	}
}

// TestWhitelist: whom the operator trusts is not banned, whatever it does.
func TestWhitelist(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		subject, err := banlist.ParseSubject("8.8.0.0/16")
		if err != nil {
			t.Fatal(err)
		}
		prefix, _ := subject.Prefix()
		w := scripted(t, Config{})
		w.stop()
		cfg := Config{Listen: []string{listenAt}, Seeds: []Seed{}, TargetOutbound: 1}
		cfg.Whitelist = append(cfg.Whitelist, prefix)
		w.start(cfg)
		ban(t, w.node, "8.8.8.8") // by somebody else's word, before
		r := w.dialIn("8.8.8.8")
		r.shake()
		for range 20 {
			r.send(wire.NewMsgVerAck())
		}
		wait(time.Second)
		if got := w.peers(); len(got) != 1 || got[0].BanScore < 150 {
			t.Errorf("%+v", got)
		}
		h, _ := netaddr.Parse("8.8.9.9")
		if w.node.discouraged.Has(h) {
			t.Error("discouraged")
		}
	})
}

// TestOperatorBansWhitelisted: a ban by the operator ends the sessions of those whom he
// trusts, too. They may come back at once, as in Core, where who has the permission noban
// is accepted though he is banned.
func TestOperatorBansWhitelisted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{Whitelist: []netip.Prefix{netip.MustParsePrefix("8.8.0.0/16")}})
		r, other := w.dialIn("8.8.8.8"), w.dialIn("8.9.9.9")
		r.shake()
		other.shake()
		if err := w.node.Ban(subject("8.8.8.0/24"), time.Hour, "by mistake", banlist.Operator); err != nil {
			t.Fatal(err)
		}
		if e := w.endOf(r); e.Why != ReasonBanned || e.Addr.String() != r.conn.LocalAddr().String() {
			t.Errorf("ended: %v", e)
		}
		w.dialIn("8.8.8.8").shake()
		wait(10 * time.Minute)
		if c := w.node.Counts(); c.Inbound != 2 || c.Banned != 1 {
			t.Errorf("%v", c)
		}
	})
}

// TestNoBanning: who misbehaves goes all the same, at the score that is asked for.
func TestNoBanning(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{NoBanning: true, BanThreshold: 30})
		r := w.dialIn("8.8.8.8")
		r.shake()
		r.send(wire.NewMsgVerAck(), wire.NewMsgVerAck(), wire.NewMsgVerAck())
		if e := w.endOf(r); e.Why != ReasonMisbehaved {
			t.Errorf("ended by %v", e.Why)
		}
		h, _ := netaddr.Parse("8.8.8.8")
		if w.node.Counts().Banned != 0 || !w.node.discouraged.Has(h) {
			t.Error("banned, or not discouraged")
		}
		w.dialIn("8.8.8.8").shake() // it may come again
	})
}
