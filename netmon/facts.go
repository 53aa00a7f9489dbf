package netmon

import "net/netip"

// key names one thing that is known of the network.
type key struct {
	kind   Change       // Link, Address or Route
	id     uint32       // of the link; of a route, the table
	prefix netip.Prefix // an address with the length of its network; where a route leads
	metric uint32       // of a route
}

// facts is what is known of the network: of each thing what matters about it, in
// no particular form.
type facts map[key]string

// news is one fact that is new or gone, as the system told it.
type news struct {
	key
	value string
	gone  bool

	// added: it is not what it was, even if it looks the same. Several routes
	// can differ in nothing but the gateway, and be one key here.
	added bool
}

// apply takes one piece of news, and returns its kind if it changes anything, or
// else 0.
func (f facts) apply(n news) Change {
	old, known := f[n.key]
	if n.gone {
		delete(f, n.key)
		if !known && n.kind != Route { // for the same reason as added
			return 0
		}
		return n.kind
	}
	f[n.key] = n.value
	if known && old == n.value && !n.added {
		return 0
	}
	return n.kind
}

// diff returns the kinds of facts in which a and b differ.
func diff(a, b facts) Change {
	var c Change
	for k, v := range b {
		if old, known := a[k]; !known || old != v {
			c |= k.kind
		}
	}
	for k := range a {
		if _, known := b[k]; !known {
			c |= k.kind
		}
	}
	return c
}

// linkState is the value of a Link.
func linkState(up, running bool) string {
	switch {
	case up && running:
		return "running"
	case up:
		return "up"
	}
	return "down"
}

// leadsAnywhere reports whether having an address can make a difference to a
// connection. A link-local address comes with every link, a second or two later
// in IPv6, and would be told as a change of its own.
func leadsAnywhere(a netip.Addr) bool {
	return a.IsGlobalUnicast() // private ones included
}
