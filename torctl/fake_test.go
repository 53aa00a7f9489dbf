package torctl

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/netaddr"
)

// fakeTor is a control port as of Tor 0.4.9, as far as this package uses it. Its fields
// are set before it is used, or with the lock.
type fakeTor struct {
	auth     string // the line of PROTOCOLINFO; "" means that nothing is needed
	password string
	cookie   []byte // what Tor knows of its cookie file
	slow     bool   // a byte at a time

	mu       sync.Mutex
	down     bool                               // dials are refused
	answer   func(line string) (string, bool)   // instead of ours
	lines    []string                           // all that was said to it
	dials    []time.Time                        // when it was dialed, also while down
	conns    map[net.Conn]struct{}              // that are open
	services map[string]net.Conn                // by their addresses
	keys     int                                // that it made
	let      map[net.Conn]bool                  // who was let in
	hash     map[net.Conn]string                // what AUTHENTICATE must be
	quit     func(f *fakeTor, line string) bool // end the connection instead of an answer
}

var errRefused = errors.New("connection refused")

func (f *fakeTor) options() Options {
	return Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.dials = append(f.dials, time.Now())
		if f.down {
			return nil, errRefused
		}
		ours, theirs := net.Pipe()
		if f.conns == nil {
			f.conns, f.services = map[net.Conn]struct{}{}, map[string]net.Conn{}
			f.let, f.hash = map[net.Conn]bool{}, map[net.Conn]string{}
		}
		f.conns[theirs] = struct{}{}
		go f.serve(theirs)
		return ours, nil
	}}
}

func (f *fakeTor) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// kill is kill -9: all connections end, and what they had.
func (f *fakeTor) kill() {
	f.set(func() {
		for nc := range f.conns {
			_ = nc.Close()
		}
	})
}

// said are the lines that were said to it, and forgets them.
func (f *fakeTor) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	lines := f.lines
	f.lines = nil
	return lines
}

func (f *fakeTor) published() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for id := range f.services {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

func (f *fakeTor) serve(nc net.Conn) {
	defer f.set(func() {
		_ = nc.Close()
		delete(f.conns, nc)
		for id, of := range f.services {
			if of == nc {
				delete(f.services, id)
			}
		}
	})
	in := bufio.NewScanner(nc)
	for in.Scan() {
		text, end := f.reply(nc, in.Text())
		var err error
		if f.slow {
			for i := 0; i < len(text) && err == nil; i++ {
				_, err = io.WriteString(nc, text[i:i+1])
			}
		} else {
			_, err = io.WriteString(nc, text)
		}
		if err != nil || end {
			return
		}
	}
}

func (f *fakeTor) reply(nc net.Conn, line string) (text string, end bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, line)
	if f.quit != nil && f.quit(f, line) {
		return "", true
	}
	if f.answer != nil {
		if text, ok := f.answer(line); ok {
			return text, false
		}
	}
	words := strings.Fields(line)
	switch words[0] {
	case "PROTOCOLINFO":
		auth := f.auth
		if auth == "" {
			auth = "METHODS=NULL"
		}
		return "250-PROTOCOLINFO 1\r\n250-AUTH " + auth + "\r\n250-VERSION Tor=\"0.4.9.8\"\r\n250 OK\r\n", false
	case "AUTHCHALLENGE":
		return f.challenge(nc, words[2]), false
	case "AUTHENTICATE":
		if !f.mayEnter(nc, words[1:]) {
			return "515 Authentication failed: Password did not match HashedControlPassword *or* authentication cookie.\r\n", true
		}
		f.let[nc] = true
		return "250 OK\r\n", false
	}
	if !f.let[nc] {
		return "514 Authentication required.\r\n", true
	}
	switch words[0] {
	case "ADD_ONION":
		return f.add(nc, words[1]), false
	case "DEL_ONION":
		if f.services[words[1]] != nc {
			return "552 Unknown Onion Service id\r\n", false
		}
		delete(f.services, words[1])
		return "250 OK\r\n", false
	case "GETINFO":
		return f.info(nc, words[1]), false
	case "SETEVENTS":
		return "250 OK\r\n", false
	}
	return fmt.Sprintf("510 Unrecognized command %q\r\n", words[0]), false
}

func (f *fakeTor) mayEnter(nc net.Conn, words []string) bool {
	switch {
	case f.hash[nc] != "":
		return slices.Equal(words, []string{f.hash[nc]})
	case f.password != "":
		return slices.Equal(words, []string{hex.EncodeToString([]byte(f.password))})
	}
	return f.auth == ""
}

func (f *fakeTor) challenge(nc net.Conn, text string) string {
	clientNonce, err := hex.DecodeString(text)
	if err != nil {
		return "513 Invalid base16 client nonce\r\n"
	}
	serverNonce := bytes.Repeat([]byte{7}, 32)
	sum := func(key string) string {
		h := hmac.New(sha256.New, []byte(key))
		h.Write(slices.Concat(f.cookie, clientNonce, serverNonce))
		return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
	}
	f.hash[nc] = strings.ToLower(sum("Tor safe cookie authentication controller-to-server hash"))
	return fmt.Sprintf("250 AUTHCHALLENGE SERVERHASH=%s SERVERNONCE=%X\r\n",
		sum("Tor safe cookie authentication server-to-controller hash"), serverNonce)
}

// add publishes. The address is some hash of the key, as long as it is the same each
// time.
func (f *fakeTor) add(nc net.Conn, key string) string {
	made := key == newKey
	if made {
		f.keys++
		key = fakeKey(f.keys)
	}
	sum := sha256.Sum256([]byte(key))
	host, err := netaddr.FromBytes(netaddr.Onion, sum[:])
	if err != nil {
		return "551 " + err.Error() + "\r\n"
	}
	id := strings.TrimSuffix(host.String(), ".onion")
	if f.services[id] != nil {
		return "550 Onion address collision\r\n"
	}
	f.services[id] = nc
	if made {
		return "250-ServiceID=" + id + "\r\n250-PrivateKey=" + key + "\r\n250 OK\r\n"
	}
	return "250-ServiceID=" + id + "\r\n250 OK\r\n"
}

// fakeKey is a private key, as far as its form goes.
func fakeKey(n int) string {
	return keyPrefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(n)}, keySize))
}

func (f *fakeTor) info(nc net.Conn, key string) string {
	switch key {
	case "version":
		return "250-version=0.4.9.8\r\n250 OK\r\n"
	case "net/listeners/socks":
		return `250-net/listeners/socks="127.0.0.1:9050" "unix:/run/tor/a b"` + "\r\n250 OK\r\n"
	case "status/bootstrap-phase":
		return `250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=85 TAG=ap_conn SUMMARY="Connecting to a relay"` + "\r\n250 OK\r\n"
	case "onions/current":
		var ids []string
		for id, of := range f.services {
			if of == nc {
				ids = append(ids, id)
			}
		}
		if len(ids) < 2 { // as Tor has it
			return "250-onions/current=" + strings.Join(ids, "") + "\r\n250 OK\r\n"
		}
		return "250+onions/current=\r\n" + strings.Join(ids, "\r\n") + "\r\n.\r\n250 OK\r\n"
	}
	return fmt.Sprintf("552 Unrecognized key %q\r\n", key)
}

// isReply reports whether an error is what Tor answers with this code.
func isReply(err error, code int) bool {
	r, ok := errors.AsType[*ReplyError](err)
	return ok && r.Code == code
}
