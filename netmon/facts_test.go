package netmon

import (
	"maps"
	"net/netip"
	"testing"
)

var (
	eth0    = key{kind: Link, id: 2}
	ourIP   = key{kind: Address, id: 2, prefix: netip.MustParsePrefix("192.0.2.1/24")}
	gateway = key{kind: Route, id: 254, prefix: netip.MustParsePrefix("0.0.0.0/0")}
)

// known is the network before each test.
func known() facts { return facts{eth0: "running", ourIP: "", gateway: "via A"} }

func TestApply(t *testing.T) {
	wlan0, otherIP, metric := eth0, ourIP, gateway
	wlan0.id, otherIP.prefix, metric.metric = 3, netip.MustParsePrefix("2001:db8::1/64"), 100
	tests := []struct {
		name string
		news news
		want Change
	}{
		{"a link as it was", news{key: eth0, value: "running"}, 0},
		{"a link loses its carrier", news{key: eth0, value: "up"}, Link},
		{"a new link, not yet up", news{key: wlan0, value: "down"}, Link},
		{"a link is gone", news{key: eth0, gone: true}, Link},
		{"an unknown link is gone", news{key: wlan0, gone: true}, 0},
		{"a lifetime is refreshed", news{key: ourIP}, 0},
		{"a new address", news{key: otherIP}, Address},
		{"an address is gone", news{key: ourIP, gone: true}, Address},
		{"a tentative address is no address yet", news{key: otherIP, gone: true}, 0},
		{"a route is replaced by the same", news{key: gateway, value: "via A"}, 0},
		{"a route is replaced", news{key: gateway, value: "via B"}, Route},
		{"a twin of a route", news{key: gateway, value: "via A", added: true}, Route},
		{"a new route", news{key: metric, value: "via A", added: true}, Route},
		{"a route is gone", news{key: gateway, gone: true}, Route},
		{"the twin of a route is gone", news{key: metric, gone: true}, Route},
	}
	for _, test := range tests {
		f := known()
		if got := f.apply(test.news); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		value, have := f[test.news.key]
		if have == test.news.gone || value != test.news.value {
			t.Errorf("%s: afterwards %q is known: %v", test.name, value, have)
		}
	}
}

func TestDiff(t *testing.T) {
	tests := []struct {
		name   string
		change func(facts)
		want   Change
	}{
		{"nothing", func(facts) {}, 0},
		{"changed", func(f facts) { f[eth0] = "down" }, Link},
		{"added", func(f facts) { f[key{kind: Address}] = "" }, Address},
		{"removed", func(f facts) { delete(f, gateway) }, Route},
		{"all", func(f facts) { clear(f) }, Link | Address | Route},
		{"one for another", func(f facts) { delete(f, ourIP); f[key{kind: Address}] = "" }, Address},
	}
	for _, test := range tests {
		a, b := known(), known()
		test.change(b)
		if got := diff(a, b); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if got := diff(b, a); got != test.want {
			t.Errorf("%s, the other way: %v, want %v", test.name, got, test.want)
		}
		if !maps.Equal(a, known()) {
			t.Errorf("%s: diff changed its argument", test.name)
		}
	}
}

func TestLeadsAnywhere(t *testing.T) {
	for addr, want := range map[string]bool{
		"192.0.2.1": true, "10.1.2.3": true, "2001:db8::1": true, "fc00::1": true,
		"127.0.0.1": false, "::1": false, "fe80::1": false, "169.254.1.1": false,
		"0.0.0.0": false, "ff02::1": false,
	} {
		if got := leadsAnywhere(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if leadsAnywhere(netip.Addr{}) {
		t.Error("no address leads anywhere")
	}
}

func TestChangeString(t *testing.T) {
	for c, want := range map[Change]string{
		0:                       "none",
		Link:                    "link",
		Address | Polled:        "address, polled",
		Link | Route | Slept:    "link, route, slept",
		Polled<<1 - 1:           "link, address, route, slept, lost, polled",
		Polled << 1:             "none",
		Lost | Polled<<1 | Link: "link, lost",
	} {
		if got := c.String(); got != want {
			t.Errorf("%08b: %q, want %q", c, got, want)
		}
	}
}
