package simnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

const seedName = "seed.simnet.test"

// nAddrs returns n IPv4 and n IPv6 addresses.
func nAddrs(n int) []netip.Addr {
	var all []netip.Addr
	for i := range n {
		all = append(all,
			netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 1}),
			netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)}))
	}
	return all
}

func listenDNS(t *testing.T, cfg DNSConfig) *DNSServer {
	t.Helper()
	s, err := ListenDNS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func packQuery(t testing.TB, name string, qtype dnsmessage.Type, change func(*dnsmessage.Message)) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header: dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName(name), Type: qtype, Class: dnsmessage.ClassINET,
		}},
	}
	if change != nil {
		change(&m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func edns(size int) func(*dnsmessage.Message) {
	return func(m *dnsmessage.Message) {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(size, 0, false); err != nil {
			panic(err)
		}
		m.Additionals = append(m.Additionals, dnsmessage.Resource{Header: h, Body: &dnsmessage.OPTResource{}})
	}
}

// zones100 has 100 addresses of each family, and for service bits as many as the
// bits say.
func zones100() []Zone {
	return []Zone{{Name: seedName + ".", Addrs: func(services uint64) []netip.Addr {
		if services != 0 {
			return nAddrs(int(services))
		}
		return nAddrs(100)
	}}}
}

func TestDNSAnswers(t *testing.T) {
	s := listenDNS(t, DNSConfig{Zones: zones100()})
	tests := []struct {
		name      string
		query     string
		qtype     dnsmessage.Type
		tcp       bool
		change    func(*dnsmessage.Message)
		rcode     dnsmessage.RCode
		answers   int
		truncated bool
		most      int // bytes
	}{
		{name: "A", query: "SEED.simNET.teSt.", qtype: dnsmessage.TypeA, answers: 29, truncated: true, most: 512},
		{name: "AAAA", query: "seed.simnet.test.", qtype: dnsmessage.TypeAAAA, answers: 17, truncated: true, most: 512},
		{name: "A by TCP", query: "seed.simnet.test.", qtype: dnsmessage.TypeA, tcp: true, answers: 100, most: 1700},
		{
			name: "A, EDNS", query: "seed.simnet.test.", qtype: dnsmessage.TypeA, change: edns(4096),
			answers: 74, truncated: true, most: 1232,
		},
		{
			name: "A, EDNS with too small a size", query: "seed.simnet.test.", qtype: dnsmessage.TypeA, change: edns(10),
			answers: 29, truncated: true, most: 512,
		},
		{name: "service bits", query: "X1c.seed.simnet.test.", qtype: dnsmessage.TypeA, answers: 28, most: 512},
		{name: "all service bits", query: "xffffffffffffffff.seed.simnet.test.", qtype: dnsmessage.TypeMX, most: 512},
		{name: "too many bits", query: "x10000000000000000.seed.simnet.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeNameError, most: 512},
		{name: "no bits", query: "x.seed.simnet.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeNameError, most: 512},
		{name: "sign", query: "x-1.seed.simnet.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeNameError, most: 512},
		{name: "below", query: "x1.x1.seed.simnet.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeNameError, most: 512},
		{name: "another name", query: "other.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeNameError, most: 512},
		{name: "suffix only", query: "myseed.simnet.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeNameError, most: 512},
		{name: "root", query: ".", qtype: dnsmessage.TypeNS, rcode: dnsmessage.RCodeNameError, most: 512},
		{name: "no record of this type", query: "seed.simnet.test.", qtype: dnsmessage.TypeTXT, most: 512},
		{
			name: "class", query: "seed.simnet.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeRefused, most: 512,
			change: func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS },
		},
		{
			name: "operation", query: "seed.simnet.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeNotImplemented, most: 512,
			change: func(m *dnsmessage.Message) { m.OpCode = 5 },
		},
		{
			name: "two questions", query: "seed.simnet.test.", qtype: dnsmessage.TypeA, rcode: dnsmessage.RCodeFormatError, most: 512,
			change: func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packet := s.handle(t.Context(), packQuery(t, tt.query, tt.qtype, tt.change), !tt.tcp)
			var m dnsmessage.Message
			if err := m.Unpack(packet); err != nil {
				t.Fatal(err)
			}
			if m.ID != 77 || !m.Response || !m.RecursionDesired || m.RCode != tt.rcode ||
				len(m.Answers) != tt.answers || m.Truncated != tt.truncated {
				t.Errorf("%v with %d answers", m.Header.GoString(), len(m.Answers))
			}
			if len(packet) > tt.most {
				t.Errorf("%d bytes", len(packet))
			}
			if tt.rcode == 0 || tt.rcode == dnsmessage.RCodeNameError {
				if len(m.Questions) != 1 || m.Questions[0].Name.String() != tt.query {
					t.Errorf("question came back as %v", m.Questions)
				}
			}
			for _, a := range m.Answers {
				if a.Header.Type != tt.qtype || a.Header.Name.String() != tt.query {
					t.Errorf("answer %v", a.GoString())
				}
			}
		})
	}
}

func TestDNSIgnores(t *testing.T) {
	s := listenDNS(t, DNSConfig{Zones: zones100()})
	response := packQuery(t, "seed.simnet.test.", dnsmessage.TypeA, func(m *dnsmessage.Message) { m.Response = true })
	for name, packet := range map[string][]byte{"empty": nil, "short": response[:11], "response": response} {
		if got := s.handle(t.Context(), packet, true); got != nil {
			t.Errorf("%s: answered %x", name, got)
		}
	}
	cut := packQuery(t, "seed.simnet.test.", dnsmessage.TypeA, nil)
	var m dnsmessage.Message
	if err := m.Unpack(s.handle(t.Context(), cut[:20], true)); err != nil || m.RCode != dnsmessage.RCodeFormatError {
		t.Errorf("cut packet: %v, %v", m.RCode, err)
	}
}

func checkLookup(t *testing.T, r *net.Resolver, ctx context.Context, name string, want []netip.Addr) {
	t.Helper()
	got, err := r.LookupNetIP(ctx, "ip", name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = got[i].Unmap()
	}
	slices.SortFunc(got, netip.Addr.Compare)
	slices.SortFunc(want, netip.Addr.Compare)
	if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(got)); diff != "" {
		t.Error(diff)
	}
}

// Go's resolver gets all addresses, over UDP and, where they are too many, TCP.
func TestDNSResolver(t *testing.T) {
	ctx := patient(t)
	s := listenDNS(t, DNSConfig{Zones: zones100()})
	checkLookup(t, s.Resolver(), ctx, seedName, nAddrs(100))
	checkLookup(t, s.Resolver(), ctx, "x9."+seedName, nAddrs(9))
	if n := s.Queries(seedName); n < 4 {
		t.Errorf("%d queries", n)
	}
	s.Resolver().LookupNetIP(ctx, "ip", "other.test.") //nolint:errcheck // only counted
	if s.Queries("") == 0 {
		t.Error("queries for other names are not counted")
	}
}

// On a Fabric the same works in virtual time.
func TestDNSOnFabric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{Latency: latency})
		defer f.Close() // ends the lookup that net.Resolver goes on with below
		s, err := ListenDNS(DNSConfig{Zones: zones100(), Transport: f})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.Addr().String() != "10.53.53.53:53" {
			t.Errorf("server at %v", s.Addr())
		}
		start := time.Now()
		checkLookup(t, s.Resolver(), t.Context(), seedName+".", nAddrs(100))
		if took := time.Since(start); took != 4*latency {
			t.Errorf("took %v", took)
		}
		s.SetFault(seedName, FaultNone, 3*time.Second)
		start = time.Now()
		checkLookup(t, s.Resolver(), t.Context(), seedName+".", nAddrs(100))
		if took := time.Since(start); took != 4*latency+3*time.Second {
			t.Errorf("slow answer took %v", took)
		}
		s.SetFault(seedName, FaultDrop, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, err = s.Resolver().LookupNetIP(ctx, "ip", seedName+".")
		var de *net.DNSError
		if !errors.As(err, &de) || !de.IsTimeout || time.Since(start) != time.Second {
			t.Errorf("no answer: %v after %v", err, time.Since(start))
		}
	})
}

func TestDNSFaults(t *testing.T) {
	ctx := patient(t)
	s := listenDNS(t, DNSConfig{Zones: append(zones100(), Zone{
		Name: "bad.test", Addrs: func(uint64) []netip.Addr { return nAddrs(1) }, Fault: FaultServFail,
	})})
	tests := map[Fault]dnsmessage.RCode{
		FaultServFail: dnsmessage.RCodeServerFailure,
		FaultRefused:  dnsmessage.RCodeRefused,
		FaultNXDomain: dnsmessage.RCodeNameError,
		FaultEmpty:    dnsmessage.RCodeSuccess,
	}
	for fault, want := range tests {
		if !s.SetFault("BAD.test.", fault, 0) {
			t.Fatal("no such zone")
		}
		var m dnsmessage.Message
		if err := m.Unpack(s.handle(ctx, packQuery(t, "bad.test.", dnsmessage.TypeA, nil), true)); err != nil {
			t.Fatal(err)
		}
		if m.RCode != want || len(m.Answers) != 0 {
			t.Errorf("fault %d: %v, %d answers", fault, m.RCode, len(m.Answers))
		}
		_, err := s.Resolver().LookupNetIP(ctx, "ip4", "bad.test.")
		var de *net.DNSError
		notFound := fault == FaultNXDomain || fault == FaultEmpty
		if !errors.As(err, &de) || de.IsNotFound != notFound {
			t.Errorf("fault %d: resolver says %v", fault, err)
		}
	}
	s.SetFault("bad.test", FaultNone, 0)
	checkLookup(t, s.Resolver(), ctx, "bad.test.", nAddrs(1))
	if s.SetFault("other.test", FaultNone, 0) {
		t.Error("set a fault of no zone")
	}
}

// Close ends an answer that waits, and connections that say nothing.
func TestDNSCloseWhileSlow(t *testing.T) {
	ctx := patient(t)
	asked := make(chan struct{}, 1)
	s := listenDNS(t, DNSConfig{Zones: []Zone{
		{Name: "slow.test", Addrs: func(uint64) []netip.Addr { return nil }, Delay: time.Hour},
		{Name: "quick.test", Addrs: func(uint64) []netip.Addr { asked <- struct{}{}; return nil }},
	}})
	var d net.Dialer
	udp, err := d.DialContext(ctx, "udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	stream, err := d.DialContext(ctx, "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for _, name := range []string{"slow.test.", "quick.test."} {
		if _, err := udp.Write(packQuery(t, name, dnsmessage.TypeA, nil)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-asked: // the slow one holds up nobody
	case <-ctx.Done():
		t.Fatal("no query came")
	}
	s.Close()
	s.Close()
	if _, err := stream.Read(make([]byte, 1)); err == nil {
		t.Error("stream is open after Close")
	}
}

// One stream carries several queries.
func TestDNSStream(t *testing.T) {
	ctx := patient(t)
	s := listenDNS(t, DNSConfig{Zones: zones100()})
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := packQuery(t, "seed.simnet.test.", dnsmessage.TypeAAAA, nil)
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)
	if _, err := c.Write(append(framed, framed...)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			t.Fatal(err)
		}
		packet := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, packet); err != nil {
			t.Fatal(err)
		}
		var m dnsmessage.Message
		if err := m.Unpack(packet); err != nil || len(m.Answers) != 100 || m.Truncated {
			t.Errorf("%d answers, %v", len(m.Answers), err)
		}
	}
}

func TestListenDNSRejects(t *testing.T) {
	none := func(uint64) []netip.Addr { return nil }
	for name, cfg := range map[string]DNSConfig{
		"no name":  {Zones: []Zone{{Addrs: none}}},
		"no addrs": {Zones: []Zone{{Name: "x.test"}}},
		"address":  {Addr: tcp("192.0.2.1:53")},
	} {
		if s, err := ListenDNS(cfg); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
}
