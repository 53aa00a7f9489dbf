package torctl

import (
	"context"
	"strconv"
	"strings"
)

// GetInfo asks Tor for a value by its key (control-spec, 3.9), such as "version" or
// "circuit-status". A value of several lines has line feeds between them. A *ReplyError
// with the code 552 says that Tor does not know the key.
//
// A value above some 60 KiB, which is none that a node needs, ends the connection.
func (c *Conn) GetInfo(ctx context.Context, key string) (string, error) {
	r, err := c.command(ctx, "", "GETINFO", key)
	if err != nil {
		return "", err
	}
	l := r.lines[0]
	value, ok := strings.CutPrefix(l.text, key+"=")
	if !ok {
		return "", protocolError("GETINFO %s is answered with %q", key, printable(l.text))
	}
	if l.hasData {
		return l.data, nil
	}
	return value, nil
}

// SocksListeners returns where Tor takes SOCKS connections: "127.0.0.1:9050", or
// "unix:/run/tor/socks". There are none while Tor has none, as with SocksPort 0.
func (c *Conn) SocksListeners(ctx context.Context) ([]string, error) {
	value, err := c.GetInfo(ctx, "net/listeners/socks")
	if err != nil {
		return nil, err
	}
	return parseListeners(value)
}

// parseListeners reads quoted strings with spaces between them.
func parseListeners(value string) ([]string, error) {
	var all []string
	for value = strings.TrimLeft(value, " "); value != ""; value = strings.TrimLeft(value, " ") {
		one, rest, err := unquote(value)
		if err != nil {
			return nil, protocolError("net/listeners: %w", err)
		}
		all, value = append(all, one), rest
	}
	return all, nil
}

// Bootstrapped returns how far Tor is on its way into its network, from 0 to 100. Onion
// services can be reached some time after 100.
func (c *Conn) Bootstrapped(ctx context.Context) (percent int, err error) {
	value, err := c.GetInfo(ctx, "status/bootstrap-phase")
	if err != nil {
		return 0, err
	}
	all, err := pairs(value)
	if err != nil {
		return 0, protocolError("status/bootstrap-phase: %w", err)
	}
	text, _ := lookup(all, "PROGRESS")
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || n > 100 {
		return 0, protocolError("status/bootstrap-phase says %q of its progress", printable(text))
	}
	return int(n), nil
}
