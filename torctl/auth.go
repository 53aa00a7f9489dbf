package torctl

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// The sizes and keys of SAFECOOKIE (control-spec, 3.24).
const (
	cookieSize = 32
	nonceSize  = 32

	serverHashKey = "Tor safe cookie authentication server-to-controller hash"
	clientHashKey = "Tor safe cookie authentication controller-to-server hash"
)

// protocolInfo is what Tor says of itself to anybody.
type protocolInfo struct {
	version    string
	methods    []string
	cookieFile string
}

// parseProtocolInfo reads the reply to PROTOCOLINFO (control-spec, 3.21).
func parseProtocolInfo(r reply) (protocolInfo, error) {
	var info protocolInfo
	known, auth := false, false
	for _, l := range r.lines {
		name, rest, _ := strings.Cut(l.text, " ")
		switch name {
		case "PROTOCOLINFO":
			known = true
		case "AUTH":
			all, err := pairs(rest)
			if err != nil {
				return info, protocolError("PROTOCOLINFO: %w", err)
			}
			methods, _ := lookup(all, "METHODS")
			info.methods = strings.Split(methods, ",")
			info.cookieFile, _ = lookup(all, "COOKIEFILE")
			auth = true
		case "VERSION":
			all, err := pairs(rest)
			if err != nil {
				return info, protocolError("PROTOCOLINFO: %w", err)
			}
			info.version, _ = lookup(all, "Tor")
			info.version = printable(info.version)
		}
	}
	if !known || !auth {
		return info, protocolError("PROTOCOLINFO says nothing of itself, or of AUTH")
	}
	return info, nil
}

// authenticate asks who that is, and says who we are.
func (c *Conn) authenticate(ctx context.Context, password string) error {
	r, err := c.command(ctx, "", "PROTOCOLINFO", "1")
	if err != nil {
		return notTor(err)
	}
	info, err := parseProtocolInfo(r)
	if err != nil {
		return err
	}
	c.version = info.version
	offers := func(method string) bool { return slices.Contains(info.methods, method) }
	switch {
	case offers("NULL"):
		if _, err := c.command(ctx, "", "AUTHENTICATE"); err != nil {
			return refused("though it says that it needs no authentication", err)
		}
	case password != "" && offers("HASHEDPASSWORD"):
		// As hex digits it needs no quotes, whatever is in it.
		text := hex.EncodeToString([]byte(password))
		if _, err := c.command(ctx, text, "AUTHENTICATE", text); err != nil {
			return refused("the password (--torpassword) is not the one that HashedControlPassword in its torrc was made of", err)
		}
	case offers("SAFECOOKIE"):
		return c.safeCookie(ctx, info.cookieFile)
	case offers("HASHEDPASSWORD"):
		return fmt.Errorf("%w: it wants a password: give the one that HashedControlPassword in its torrc was made of (--torpassword)", ErrAuth)
	case offers("COOKIE"):
		return fmt.Errorf("%w: it offers no cookie file but in the old way, which shows the cookie to whoever listens there: "+
			"use Tor 0.2.3.13 or later, or a password", ErrAuth)
	default:
		return fmt.Errorf("%w: of the ways that it offers (%s) none is known here", ErrAuth, printable(strings.Join(info.methods, ",")))
	}
	return nil
}

// safeCookie proves that we can read the cookie file, after Tor has proven it.
func (c *Conn) safeCookie(ctx context.Context, file string) error {
	cookie, err := readCookie(file)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails
	r, err := c.command(ctx, "", "AUTHCHALLENGE", "SAFECOOKIE", hex.EncodeToString(nonce[:]))
	if err != nil {
		return refused("it refuses to use the cookie file that it names", err)
	}
	serverHash, serverNonce, err := parseChallenge(r)
	if err != nil {
		return err
	}
	sum := func(key string) []byte {
		h := hmac.New(sha256.New, []byte(key))
		for _, part := range [][]byte{cookie, nonce[:], serverNonce} {
			h.Write(part)
		}
		return h.Sum(nil)
	}
	if !hmac.Equal(serverHash, sum(serverHashKey)) { // in constant time
		return fmt.Errorf("%w: who listens there does not know what is in its own cookie file %s. "+
			"The file is old, or of another Tor, or that is no Tor; nothing was told to it", ErrAuth, file)
	}
	if _, err := c.command(ctx, "", "AUTHENTICATE", hex.EncodeToString(sum(clientHashKey))); err != nil {
		return refused("it refuses what is made of its cookie file "+file, err)
	}
	return nil
}

// parseChallenge reads the reply to AUTHCHALLENGE.
func parseChallenge(r reply) (hash, nonce []byte, err error) {
	all, err := pairs(r.lines[0].text)
	if err != nil {
		return nil, nil, protocolError("AUTHCHALLENGE: %w", err)
	}
	value := func(key string, size int) []byte {
		text, _ := lookup(all, key)
		b, decodeErr := hex.DecodeString(text)
		if err == nil && (decodeErr != nil || len(b) != size) {
			err = protocolError("AUTHCHALLENGE: %s is not %d bytes in hex digits", key, size)
		}
		return b
	}
	hash, nonce = value("SERVERHASH", sha256.Size), value("SERVERNONCE", nonceSize)
	return hash, nonce, err
}

// readCookie reads the cookie file that Tor names. Nothing is said of the file to Tor
// but by a hash, and that only to who knows all of it.
func readCookie(file string) ([]byte, error) {
	if file == "" {
		return nil, errors.New("it names no cookie file")
	}
	if !filepath.IsAbs(file) {
		return nil, fmt.Errorf("the path of its cookie file, %q, is not absolute: give DataDirectory or CookieAuthFile in torrc in full", printable(file))
	}
	b, _, err := readSmall(file, cookieSize)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("its cookie file may not be read by this user: "+
			"set CookieAuthFileGroupReadable 1 in torrc, and add the user to Tor's group (debian-tor on Debian): %w", err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("its cookie file is not there; if Tor runs in another place (a container, a host), use a password (--torpassword): %w", err)
	case err != nil:
		return nil, fmt.Errorf("its cookie file cannot be read: %w", err)
	case len(b) != cookieSize:
		return nil, fmt.Errorf("its cookie file %s has %d bytes, not %d", file, len(b), cookieSize)
	}
	return b, nil
}

// refused is for what Tor refuses; other errors stay what they are.
func refused(what string, err error) error {
	if _, ok := errors.AsType[*ReplyError](err); ok {
		return fmt.Errorf("%w: %s: %w", ErrAuth, what, err)
	}
	return err
}

// notTor is for what PROTOCOLINFO gave.
func notTor(err error) error {
	if _, ok := errors.AsType[*ReplyError](err); ok {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return err
}
