package rpc

import (
	"errors"
	"math"
	"net/netip"
	"time"

	"holdfast/banlist"
)

// lastSecond is the end of the year 9999, which stands for a ban without end: Bitcoin
// Core knows none, and its clients want a number.
const lastSecond = 253402300799

// The methods about who is not talked to.
func banMethods() []method {
	return []method{
		{
			name:    "setban",
			summary: "Adds or removes a ban of an IP address, a range, or an onion service. Whose host is banned is disconnected.",
			params: []param{
				{name: "subnet", kinds: kindString, required: true, help: "The address, with /length or /netmask for a range"},
				{name: "command", kinds: kindString, required: true, help: "\"add\" or \"remove\""},
				{name: "bantime", kinds: kindNumber, help: "Seconds, or with absolute a UNIX time. 0 means 24 hours, unless it is configured"},
				{name: "absolute", kinds: kindBool, help: "Whether bantime is when the ban ends"},
				{name: "reason", kinds: kindString, help: "Why; it is kept and listed"},
			},
			result: "null",
			run:    setBan,
		},
		{
			name:    "listbanned",
			summary: "Lists all bans in force.",
			result:  "[{\"address\": \"subnet\", \"ban_created\": time, \"banned_until\": time, \"ban_duration\": seconds, \"time_remaining\": seconds, \"reason\": \"text\", \"origin\": \"operator|score|protocol\"}, ...]",
			run:     listBanned,
		},
		{
			name:    "clearbanned",
			summary: "Ends all bans.",
			result:  "null",
			run:     func(c *call) (any, error) { return nil, c.cfg.Node.Bans().Clear() },
		},
	}
}

func setBan(c *call) (any, error) {
	command := c.text(1)
	if command != "add" && command != "remove" {
		return nil, &Error{CodeMisc, c.method.help()}
	}
	subject, err := banlist.ParseSubject(c.text(0))
	if err != nil {
		return nil, banError(err)
	}
	bans := c.cfg.Node.Bans()
	if command == "remove" {
		was, err := bans.Unban(subject)
		if err == nil && !was {
			err = &Error{CodeInvalidSubnet, "Error: Unban failed. Requested address/subnet was not previously manually banned."}
		}
		return nil, err
	}
	now := time.Now()
	until, err := banEnd(c, now)
	if err != nil {
		return nil, err
	}
	if banned(bans, subject) {
		return nil, &Error{CodeAlreadyAdded, "Error: IP/Subnet already banned"}
	}
	reason := c.text(4)
	if reason == "" {
		reason = "setban"
	}
	err = c.cfg.Node.BanUntil(subject, until, reason, banlist.Operator)
	if errors.Is(err, banlist.ErrOver) && until.After(now) {
		return nil, nil // a ban of one second, of which there was but a part left
	}
	return nil, banError(err)
}

// banned reports whether a host is banned, by a range too, or just this range: as Core
// asks before it adds one. A ban that the node made by itself does not keep the operator
// from making it his own.
func banned(bans *banlist.List, s banlist.Subject) bool {
	var e banlist.Entry
	var ok bool
	if h, single := s.Host(); single {
		e, ok = bans.Banned(h)
	} else {
		e, ok = bans.Lookup(s)
	}
	return ok && e.Origin == banlist.Operator
}

// banEnd is until when setban is to ban, in whole seconds as Core counts; zero is for ever.
// What is shown is the moment or the length that was asked for.
func banEnd(c *call, now time.Time) (time.Time, error) {
	n, err := c.number(2, 0, math.MinInt64, math.MaxInt64)
	if err != nil {
		return time.Time{}, err
	}
	end := n
	switch {
	case n <= 0: // the default, also where it is to be absolute: Core's BanMan::Ban
		end = now.Add(c.cfg.BanTime).Unix()
	case c.truth(3, false):
		if !time.Unix(n, 0).After(now) && n < lastSecond {
			return time.Time{}, &Error{CodeParameter, "Error: Absolute timestamp is in the past"}
		}
	case n < lastSecond:
		end = now.Unix() + n
	}
	if end >= lastSecond {
		return time.Time{}, nil
	}
	return time.Unix(end, 0), nil
}

// ban is a ban as listbanned and explain show it.
type ban struct {
	Address   string `json:"address"`
	Created   int64  `json:"ban_created"`
	Until     int64  `json:"banned_until"`
	Duration  int64  `json:"ban_duration"`
	Remaining int64  `json:"time_remaining"`
	Reason    string `json:"reason"`
	Origin    string `json:"origin"`
}

func newBan(e banlist.Entry, now time.Time) ban {
	b := ban{
		Address: banAddress(e.Subject),
		Created: e.Since.Unix(),
		Until:   lastSecond,
		Reason:  e.Reason,
		Origin:  e.Origin.String(),
	}
	if !e.Until.IsZero() {
		b.Until = e.Until.Unix()
	}
	b.Duration = b.Until - b.Created
	b.Remaining = b.Until - now.Unix()
	return b
}

// banAddress is how Core writes a banned address (CSubNet::ToString in
// src/netaddress.cpp): with a length if it has one, which CJDNS addresses do not.
func banAddress(s banlist.Subject) string {
	p, ok := s.Prefix()
	if !ok || p.IsSingleIP() && cjdns.Contains(p.Addr()) {
		return s.String()
	}
	return p.String()
}

var cjdns = netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfc}), 8)

func listBanned(c *call) (any, error) {
	now := time.Now()
	list := []ban{}
	for e := range c.cfg.Node.Bans().All() {
		list = append(list, newBan(e, now))
	}
	return list, nil
}
