package rpc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"holdfast/internal/durable"
	"holdfast/node"
)

// cookieUser is the user of a cookie file, as bitcoin-cli expects it.
const cookieUser = "__cookie__"

// A login is a user and what his password is checked by.
type login struct {
	user [sha256.Size]byte // hashed, so that all have one length
	salt []byte            // of rpcauth; none otherwise
	sum  []byte            // HMAC-SHA256 of the password, keyed by the salt
}

func newLogin(user, password string) login {
	return login{user: sha256.Sum256([]byte(user)), sum: sum(nil, password)}
}

func sum(salt []byte, password string) []byte {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(password))
	return h.Sum(nil)
}

// parseAuth reads a line as Bitcoin Core's share/rpcauth/rpcauth.py prints it:
// user:salt$hmac.
func parseAuth(line string) (login, error) {
	bad := func(why string) (login, error) {
		return login{}, &node.ConfigError{Field: "rpcauth", Problem: why + ": give user:salt$hmac, as rpcauth.py prints it"}
	}
	user, secret, ok := strings.Cut(strings.TrimPrefix(line, "rpcauth="), ":")
	salt, digest, ok2 := strings.Cut(secret, "$")
	if !ok || !ok2 || user == "" || salt == "" {
		return bad("it has no user, no salt or no hmac") // the line is not shown: it may be a password
	}
	raw, err := hex.DecodeString(digest)
	if err != nil || len(raw) != sha256.Size {
		return bad("the hmac is not 64 hexadecimal digits")
	}
	return login{user: sha256.Sum256([]byte(user)), salt: []byte(salt), sum: raw}, nil
}

// logins are all that may come in.
type logins []login

// ok reports whether a user and his password are right. How long it takes says
// nothing of which of them is wrong, or of how much of it is right.
func (l logins) ok(user, password string) bool {
	name := sha256.Sum256([]byte(user))
	found := 0
	for _, x := range l {
		right := subtle.ConstantTimeCompare(name[:], x.user[:])
		right &= subtle.ConstantTimeCompare(sum(x.salt, password), x.sum)
		found |= right
	}
	return found == 1
}

// newLogins reads the logins of a Config, without the cookie's.
func newLogins(cfg *Config) (logins, error) {
	var l logins
	switch {
	case cfg.User == "" && cfg.Password != "":
		return nil, &node.ConfigError{Field: "rpcuser", Problem: "there is a password and no user: give both"}
	case cfg.User != "" && cfg.Password == "":
		return nil, &node.ConfigError{Field: "rpcpass", Problem: "there is a user and no password: give both"}
	case strings.Contains(cfg.User, ":"):
		return nil, &node.ConfigError{Field: "rpcuser", Value: cfg.User, Problem: "HTTP allows no colon in it"}
	case cfg.User != "":
		l = append(l, newLogin(cfg.User, cfg.Password))
	}
	for _, line := range cfg.Auth {
		x, err := parseAuth(line)
		if err != nil {
			return nil, err
		}
		l = append(l, x)
	}
	if len(l) == 0 && cfg.CookieFile == "" {
		return nil, &node.ConfigError{Field: "rpcuser", Problem: "nobody could log in: give rpcuser and rpcpass, rpcauth, or a cookie file"}
	}
	return l, nil
}

// cookie is a cookie file: who can read it may log in.
type cookie struct {
	path string
	text string
}

// newCookie writes a cookie file with a new password of 256 bits, as Bitcoin Core
// does: for the owner only, and at once or not at all.
func newCookie(path string) (*cookie, login, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails
	password := hex.EncodeToString(secret[:])
	c := &cookie{path, cookieUser + ":" + password}
	if err := writeSecret(path, []byte(c.text)); err != nil {
		return nil, login{}, fmt.Errorf("rpc: cannot write the cookie file: %w", err)
	}
	return c, newLogin(cookieUser, password), nil
}

// remove removes the file, unless somebody else has written it since.
func (c *cookie) remove() error {
	if c == nil {
		return nil
	}
	text, err := os.ReadFile(c.path)
	if err == nil && string(text) == c.text {
		err = os.Remove(c.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writeSecret replaces a file by one that only its owner can read. What a run that was
// killed left of it is gone then.
func writeSecret(path string, data []byte) error {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is of no use
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}
