package simnet

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	minUDPSize = 512   // what every client takes
	maxUDPSize = 1232  // what passes everywhere unfragmented (DNS flag day 2020)
	maxTCPSize = 65535 // the length has two bytes

	dnsHeaderSize  = 12
	questionSize   = 1 + 4      // the end of the name, type and class
	optSize        = 11         // an OPT record without options
	aRecordSize    = 2 + 10 + 4 // its name points to the question's
	aaaaRecordSize = 2 + 10 + 16

	answerTTL = 60 // seconds
)

// query is one question to the server.
type query struct {
	header   dnsmessage.Header
	question dnsmessage.Question
	edns     bool
	udpSize  int // the most that the asker takes by UDP
}

// parseQuery reads a packet. A packet that must not be answered at all gives false.
// One that can be answered, but with an error only, gives its code.
func parseQuery(packet []byte) (q query, rcode dnsmessage.RCode, ok bool) {
	var p dnsmessage.Parser
	var err error
	if q.header, err = p.Start(packet); err != nil || q.header.Response {
		return q, 0, false
	}
	if q.header.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented, true
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return q, dnsmessage.RCodeFormatError, true
	}
	q.question = questions[0]
	q.udpSize = minUDPSize
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, dnsmessage.RCodeFormatError, true
	}
	for {
		h, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone {
			break
		}
		if err != nil || p.SkipAdditional() != nil {
			return q, dnsmessage.RCodeFormatError, true
		}
		if h.Type == dnsmessage.TypeOPT {
			q.edns = true
			q.udpSize = min(max(int(h.Class), minUDPSize), maxUDPSize)
		}
	}
	if q.question.Class != dnsmessage.ClassINET {
		return q, dnsmessage.RCodeRefused, true
	}
	return q, dnsmessage.RCodeSuccess, true
}

// name returns what is asked for, in lower case and without the last dot.
func (q *query) name() string {
	return strings.ToLower(strings.TrimSuffix(q.question.Name.String(), "."))
}

// matchZone reports whether name (as query.name has it) is that of the zone, or
// x<hex> under it, and returns the service bits then.
func matchZone(name, zone string) (services uint64, ok bool) {
	if name == zone {
		return 0, true
	}
	label, found := strings.CutSuffix(name, "."+zone)
	if !found {
		return 0, false
	}
	digits, found := strings.CutPrefix(label, "x")
	if !found {
		return 0, false
	}
	services, err := strconv.ParseUint(digits, 16, 64)
	return services, err == nil
}

// reply builds the answer to q. addrs are the addresses of both families; those of
// the family asked for are sent, and if they are more than fit in size bytes, as
// many as fit and the truncation bit. The question goes back as it came, since
// resolvers check the case of its letters.
func reply(q *query, rcode dnsmessage.RCode, addrs []netip.Addr, size int) ([]byte, error) {
	m := dnsmessage.Message{Header: dnsmessage.Header{
		ID:               q.header.ID,
		Response:         true,
		OpCode:           q.header.OpCode,
		Authoritative:    rcode == dnsmessage.RCodeSuccess || rcode == dnsmessage.RCodeNameError,
		RecursionDesired: q.header.RecursionDesired,
		RCode:            rcode,
	}}
	if q.question.Name.Length > 0 {
		m.Questions = []dnsmessage.Question{q.question}
	}
	room := size - dnsHeaderSize - questionSize - int(q.question.Name.Length)
	if q.edns {
		room -= optSize
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(maxUDPSize, rcode, false); err != nil {
			return nil, err
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	for _, a := range addrs {
		body, n := record(q.question.Type, a)
		if body == nil {
			continue
		}
		if room -= n; room < 0 {
			m.Truncated = true
			break
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.question.Name, Class: dnsmessage.ClassINET, TTL: answerTTL},
			Body:   body,
		})
	}
	return m.Pack()
}

// record returns addr as a record of type t and its size, nil if it is of the other
// family.
func record(t dnsmessage.Type, addr netip.Addr) (dnsmessage.ResourceBody, int) {
	addr = addr.Unmap()
	switch {
	case t == dnsmessage.TypeA && addr.Is4():
		return &dnsmessage.AResource{A: addr.As4()}, aRecordSize
	case t == dnsmessage.TypeAAAA && addr.Is6():
		return &dnsmessage.AAAAResource{AAAA: addr.As16()}, aaaaRecordSize
	}
	return nil, 0
}
