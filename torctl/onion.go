package torctl

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"holdfast/netaddr"
)

const (
	// newKey has Tor make a key.
	newKey = "NEW:ED25519-V3"

	// keyPrefix begins a key of a v3 service. What follows is base64 of 64 bytes.
	keyPrefix = "ED25519-V3:"
	keySize   = 64
)

// Onion is an onion service that is to be published. It never shows its key: not by
// fmt, log/slog or encoding/json.
type Onion struct {
	// Key is the private key, "ED25519-V3:" and base64, as in Published. "" has Tor
	// make a new one.
	Key string `json:"-"`

	// VirtualPort is the port of the onion address.
	VirtualPort uint16

	// Target is where Tor connects to for who comes: host:port, or unix: and the path
	// of a socket. A name in it would be looked up by Tor.
	Target string

	// Flags are Tor's (control-spec, 3.27), such as "Detach"; mostly none.
	Flags []string
}

// Published is an onion service that Tor has. It never shows its key: not by fmt,
// log/slog or encoding/json.
type Published struct {
	ServiceID string // the address without ".onion"
	Key       string `json:"-"` // the private key: that of Onion, or the new one
}

// Host returns the address of the service.
func (p Published) Host() (netaddr.Host, error) { return netaddr.Parse(p.ServiceID + ".onion") }

// AddOnion has Tor publish an onion service, until the connection ends or DelOnion. That
// Tor has it does not mean that others can reach it yet: its descriptor must be uploaded
// first. A *ReplyError with the code 550 says that Tor has a service with that key
// already.
func (c *Conn) AddOnion(ctx context.Context, o Onion) (Published, error) {
	key := o.Key
	if key == "" {
		key = newKey
	} else if err := checkKey(key); err != nil {
		return Published{}, fmt.Errorf("torctl: the key of the onion service: %w", err)
	}
	if o.VirtualPort == 0 || o.Target == "" {
		return Published{}, errors.New("torctl: an onion service needs a port and a target")
	}
	words := []string{"ADD_ONION", key}
	if len(o.Flags) > 0 {
		words = append(words, "Flags="+strings.Join(o.Flags, ","))
	}
	words = append(words, fmt.Sprintf("Port=%d,%s", o.VirtualPort, o.Target))
	r, err := c.command(ctx, o.Key, words...)
	if err != nil {
		return Published{}, err
	}
	p := Published{Key: o.Key}
	for _, l := range r.lines {
		if id, ok := strings.CutPrefix(l.text, "ServiceID="); ok {
			p.ServiceID = id
		} else if made, ok := strings.CutPrefix(l.text, "PrivateKey="); ok && o.Key == "" {
			p.Key = made
		}
	}
	if _, err := p.Host(); err != nil {
		return Published{}, protocolError("ADD_ONION: %w", err)
	}
	// There is none with the flag DiscardPK.
	if p.Key != "" {
		if err := checkKey(p.Key); err != nil {
			return Published{}, protocolError("ADD_ONION: %w", err)
		}
	}
	return p, nil
}

// DelOnion removes an onion service that was added by this connection, or by one with
// the flag Detach. A *ReplyError with the code 552 says that there is none.
func (c *Conn) DelOnion(ctx context.Context, serviceID string) error {
	_, err := c.command(ctx, "", "DEL_ONION", serviceID)
	return err
}

// checkKey checks the form of a private key. Its text never says the key.
func checkKey(key string) error {
	text, ok := strings.CutPrefix(key, keyPrefix)
	if !ok {
		return fmt.Errorf("it does not begin with %q", keyPrefix)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case err != nil || strings.ContainsAny(text, "\r\n"): // which the decoder passes over
		return errors.New("it is not in base64")
	case len(b) != keySize:
		return fmt.Errorf("it has %d bytes, not %d", len(b), keySize)
	}
	return nil
}

// Format is for fmt. It shows the key by no verb.
func (o Onion) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "{Key:%s VirtualPort:%d Target:%s Flags:%s}", secret(o.Key), o.VirtualPort, o.Target, o.Flags)
}

// LogValue is for log/slog.
func (o Onion) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(o)) }

// Format is for fmt. It shows the key by no verb.
func (p Published) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "{ServiceID:"+p.ServiceID+" Key:"+secret(p.Key)+"}")
}

// LogValue is for log/slog.
func (p Published) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }
