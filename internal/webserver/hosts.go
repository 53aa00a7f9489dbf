package webserver

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// RemoteHost is who a client is, by http.Request.RemoteAddr: an IPv4 address, or the first
// of an IPv6 /64, which is what one customer has. Who has no IP address is the zero Addr.
func RemoteHost(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	if ip = ip.Unmap(); ip.Is6() {
		p, _ := ip.Prefix(64) // it has as many bits, and loses its zone
		return p.Addr()
	}
	return ip
}

// Names are what a server may be called by, besides IP addresses. They are in lower case.
// They must not change while requests are answered.
type Names map[string]bool

// NewNames returns the names given, in any case, and localhost.
func NewNames(names ...string) Names {
	n := Names{"localhost": true}
	for _, name := range names {
		n.Add(name)
	}
	return n
}

// Add adds a name, in any case.
func (n Names) Add(name string) { n[strings.ToLower(name)] = true }

// Only lets pass requests that call this host by its address or by one of the names. A
// page whose name was made to lead here (DNS rebinding) gets nothing.
func (n Names) Only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.Has(r.Host) {
			http.Error(w, "this host is not called so: use its IP address, or configure the name", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Has reports whether a Host, with or without a port, is an IP address or one of the names.
func (n Names) Has(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if n[strings.ToLower(host)] {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
