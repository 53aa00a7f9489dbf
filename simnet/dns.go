package simnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// maxDNSWork is how many queries by UDP and how many TCP connections there are
	// at once. More queries are dropped, more connections are closed.
	maxDNSWork = 128

	// dnsIdle is how long a TCP connection may say nothing.
	dnsIdle = 10 * time.Second

	// dnsPortTries is how often a port is looked for that UDP and TCP both have
	// free.
	dnsPortTries = 20
)

// Fault is what goes wrong with the answers of a zone.
type Fault uint8

// The faults.
const (
	FaultNone     Fault = iota
	FaultServFail       // answers that the server failed
	FaultRefused        // answers that it will not say
	FaultNXDomain       // answers that there is no such name
	FaultEmpty          // answers that the name has no addresses
	FaultDrop           // does not answer
)

// Zone is one seed: a name and its addresses.
type Zone struct {
	// Name is the seed's name, as "seed.simnet.test".
	Name string

	// Addrs returns the addresses, IPv4 and IPv6 in any order. services is 0 for
	// Name itself, and BITS for "xBITS." before Name, BITS in hex. It is called
	// once for each query, from several goroutines at once.
	Addrs func(services uint64) []netip.Addr

	// Fault is what goes wrong at first: see SetFault.
	Fault Fault

	// Delay is waited before each answer.
	Delay time.Duration
}

// DNSConfig says how a DNSServer works.
type DNSConfig struct {
	// Zones are the seeds. All other names do not exist (NXDOMAIN).
	Zones []Zone

	// Addr is where to listen. Nil means 127.0.0.1 with a free port; on a
	// Transport, 10.53.53.53:53.
	Addr net.Addr

	// Transport, if it is set, is where the server listens instead of UDP and TCP
	// sockets. It has streams only, so there are no truncated answers. With a
	// Fabric, lookups work in virtual time.
	Transport Transport
}

// DNSServer is an authoritative DNS server for tests. All methods may be called
// from several goroutines at once.
type DNSServer struct {
	transport Transport
	addr      net.Addr
	udp       net.PacketConn // nil on a Transport
	ln        net.Listener

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	work   chan struct{} // places for queries by UDP

	mu      sync.Mutex
	closed  bool
	zones   []Zone
	conns   map[net.Conn]struct{}
	queries map[string]uint64
}

// ListenDNS starts a server. Close it to end it.
//
// It fails if a zone has no name or no Addrs, or with the error of listening.
func ListenDNS(cfg DNSConfig) (*DNSServer, error) {
	s := &DNSServer{
		transport: cfg.Transport,
		work:      make(chan struct{}, maxDNSWork),
		conns:     make(map[net.Conn]struct{}),
		queries:   make(map[string]uint64),
	}
	for _, z := range cfg.Zones {
		z.Name = zoneName(z.Name)
		if z.Name == "" || z.Addrs == nil {
			return nil, errors.New("simnet: a DNS zone needs Name and Addrs")
		}
		s.zones = append(s.zones, z)
	}
	if err := s.listen(cfg.Addr); err != nil {
		return nil, fmt.Errorf("simnet: DNS server: %w", err)
	}
	s.addr = s.ln.Addr()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(s.serveTCP)
	if s.udp != nil {
		s.wg.Go(s.serveUDP)
	}
	return s, nil
}

func (s *DNSServer) listen(addr net.Addr) (err error) {
	if s.transport != nil {
		if addr == nil {
			addr = &net.TCPAddr{IP: net.IPv4(10, 53, 53, 53), Port: 53}
		}
		s.ln, err = s.transport.Listen(addr)
		return err
	}
	at := "127.0.0.1:0"
	if addr != nil {
		at = addr.String()
	}
	for try := 1; ; try++ {
		if s.ln, err = net.Listen("tcp", at); err != nil {
			return err
		}
		// UDP has its own ports: the one that TCP got may be taken there.
		if s.udp, err = net.ListenPacket("udp", s.ln.Addr().String()); err == nil {
			return nil
		}
		_ = s.ln.Close() // closing is all that is wanted of it
		if try == dnsPortTries {
			return err
		}
	}
}

// Addr returns where the server listens, by UDP and TCP.
func (s *DNSServer) Addr() net.Addr { return s.addr }

// Resolver returns a resolver that asks this server, whatever the system's
// configuration says. Its errors may still name the system's server. A lookup whose
// context has ended goes on in the background for some seconds, as net.Resolver has
// it; in a synctest bubble end it by Fabric.Close.
func (s *DNSServer) Resolver() *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			if s.transport != nil {
				return s.transport.Dial(ctx, nil, s.addr)
			}
			var d net.Dialer
			return d.DialContext(ctx, network, s.addr.String())
		},
	}
}

// SetFault sets what goes wrong with the answers of a zone from now on, and the
// delay before them. It reports whether there is such a zone.
func (s *DNSServer) SetFault(zone string, fault Fault, delay time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.zones {
		if s.zones[i].Name == zoneName(zone) {
			s.zones[i].Fault, s.zones[i].Delay = fault, delay
			return true
		}
	}
	return false
}

// Queries returns how many queries asked for a zone, with or without service bits.
// "" counts those for all other names.
func (s *DNSServer) Queries(zone string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries[zoneName(zone)]
}

// Close ends the server and waits for its goroutines. It may be called again.
func (s *DNSServer) Close() error {
	s.mu.Lock()
	s.closed = true
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	s.cancel()
	_ = s.ln.Close() // closing is all that is wanted of these
	if s.udp != nil {
		_ = s.udp.Close()
	}
	for c := range conns {
		_ = c.Close()
	}
	s.wg.Wait()
	return nil
}

// handle answers one packet, after the zone's delay. It returns nil if there is no
// answer.
func (s *DNSServer) handle(ctx context.Context, packet []byte, udp bool) []byte {
	q, rcode, ok := parseQuery(packet)
	if !ok {
		return nil
	}
	size := maxTCPSize
	if udp {
		size = max(q.udpSize, minUDPSize)
	}
	var addrs []netip.Addr
	if rcode == dnsmessage.RCodeSuccess {
		zone, services, found := s.find(q.name())
		if !found {
			rcode = dnsmessage.RCodeNameError
		} else {
			if !sleep(ctx, zone.Delay) {
				return nil
			}
			switch zone.Fault {
			case FaultNone:
				addrs = zone.Addrs(services)
			case FaultServFail:
				rcode = dnsmessage.RCodeServerFailure
			case FaultRefused:
				rcode = dnsmessage.RCodeRefused
			case FaultNXDomain:
				rcode = dnsmessage.RCodeNameError
			case FaultDrop:
				return nil
			}
		}
	}
	answer, err := reply(&q, rcode, addrs, size)
	if err != nil {
		return nil // a name that cannot be packed again
	}
	return answer
}

// find returns the zone of a name, and counts the query.
func (s *DNSServer) find(name string) (Zone, uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		if services, ok := matchZone(name, z.Name); ok {
			s.queries[z.Name]++
			return z, services, true
		}
	}
	s.queries[""]++
	return Zone{}, 0, false
}

func (s *DNSServer) serveUDP() {
	buf := make([]byte, maxTCPSize)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !sleep(s.ctx, acceptPause) {
				return
			}
			continue
		}
		select {
		case s.work <- struct{}{}:
		default:
			continue // too much to do: UDP may drop
		}
		packet := append([]byte(nil), buf[:n]...)
		s.wg.Go(func() {
			defer func() { <-s.work }()
			if answer := s.handle(s.ctx, packet, true); answer != nil {
				_, _ = s.udp.WriteTo(answer, from) // as lost as any packet can be
			}
		})
	}
}

func (s *DNSServer) serveTCP() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !sleep(s.ctx, acceptPause) {
				return
			}
			continue
		}
		if !s.add(c) {
			_ = c.Close() // closing is all that is wanted of it
			continue
		}
		s.wg.Go(func() {
			s.serveConn(c)
			_ = c.Close() // closing is all that is wanted of it
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// add keeps a connection for Close, if there is room.
func (s *DNSServer) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxDNSWork {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

// serveConn answers the queries of one stream, each of which has its length before
// it.
func (s *DNSServer) serveConn(c net.Conn) {
	for {
		if c.SetDeadline(time.Now().Add(dnsIdle)) != nil {
			return
		}
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		packet := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, packet); err != nil {
			return
		}
		answer := s.handle(s.ctx, packet, false)
		if answer == nil {
			continue
		}
		if c.SetDeadline(time.Now().Add(dnsIdle)) != nil { // the zone's delay has passed
			return
		}
		out := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
		if _, err := c.Write(append(out, answer...)); err != nil {
			return
		}
	}
}

func zoneName(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
