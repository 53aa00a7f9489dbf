package rpc

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newFake(t))
	cfg.CookieFile = filepath.Join(t.TempDir(), ".cookie")
	// As rpcauth.py prints it for the user bob and the password hunter2.
	salt := "9aef5fcc0bb9dbe1dcb5a4dbd3d9f2f6"
	cfg.Auth = []string{fmt.Sprintf("rpcauth=bob:%s$%x", salt, sum([]byte(salt), "hunter2"))}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(cfg.CookieFile)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the cookie file has mode %v", info.Mode())
	}
	text, err := os.ReadFile(cfg.CookieFile)
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := strings.Cut(string(text), ":")
	if user != "__cookie__" || len(password) != 64 {
		t.Errorf("the cookie is %q", text)
	}
	for _, c := range []struct {
		user, password string
		want           bool
	}{
		{"alice", "secret", true},
		{"bob", "hunter2", true},
		{user, password, true},
		{"alice", "hunter2", false},
		{"bob", "secret", false},
		{"", "", false},
		{"alice", "", false},
		{"alice", "secretx", false},
		{"bob", cfg.Auth[0], false},
		{"mallory", "secret", false},
	} {
		if got := s.logins.ok(c.user, c.password); got != c.want {
			t.Errorf("%s:%s: %v", c.user, c.password, got)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if !missing(cfg.CookieFile) {
		t.Error("the cookie file is still there")
	}
}

// The check value is Bitcoin Core's, of test/functional/rpc_users.py.
func TestRPCAuthOfCore(t *testing.T) {
	t.Parallel()
	x, err := parseAuth("rt:93648e835a54c573682c2eb19f882535$7681e9c5b74bdd85e78166031d2058e1069b3ed7ed967c93fc63abba06f31144")
	if err != nil {
		t.Fatal(err)
	}
	if !(logins{x}).ok("rt", "cA773lm788buwYe4g4WT+05pKyNruVKjQ25x3n0DQcM=") {
		t.Error("a right password is refused")
	}
}

// A cookie file that a later process wrote is left to it.
func TestCookieOfAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".cookie")
	c, _, err := newCookie(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("__cookie__:another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.remove(); err != nil || missing(path) {
		t.Errorf("it was removed, %v", err)
	}
}

// Who guesses pays 250 ms for each, 16 of a host at once; the rest is turned away and must
// connect anew. Whose password is right is not kept out by that, wherever he is.
func TestGuessing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		cfg := testConfig(newFake(t))
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		s := handlerOf(t, cfg)
		from := func(addr, password string) func(*http.Request) {
			return func(r *http.Request) { r.RemoteAddr = addr; r.SetBasicAuth("alice", password) }
		}
		start := time.Now()
		count := make(map[int]int)
		var mu sync.Mutex
		var wg sync.WaitGroup
		guess := func(addr string) {
			for range 200 {
				wg.Go(func() {
					w := s.ask(anyCall, from(addr, "wrong"))
					mu.Lock()
					defer mu.Unlock()
					count[w.Code]++
				})
			}
		}
		guess("[2001:db8::1]:1000")
		synctest.Wait() // who is let in waits, the others are gone
		if w := s.ask(anyCall, from("[2001:db8::2]:1000", "wrong")); w.Code != 429 || w.Header().Get("Connection") != "close" {
			t.Errorf("one more guess of the same /64: %d, %v", w.Code, w.Header())
		}
		for _, addr := range []string{"[2001:db8::1]:1001", "[2001:db8::2]:1000", "192.0.2.1:1000"} {
			if w := s.ask(anyCall, from(addr, "secret")); w.Code != 200 {
				t.Errorf("a right password of %s among guesses: %d", addr, w.Code)
			}
		}
		for i := range 5 {
			guess(fmt.Sprintf("192.0.2.%d:1000", 10+i))
		}
		synctest.Wait()
		if w := s.ask(anyCall, from("192.0.2.99:1000", "secret")); w.Code != 200 {
			t.Errorf("a right password when all guesses are under way: %d", w.Code)
		}
		wg.Wait()
		if count[401] != maxWrong || count[429] != 6*200-maxWrong {
			t.Errorf("of 1200 guesses: %v", count)
		}
		if d := time.Since(start); d != wrongDelay {
			t.Errorf("it took %v", d)
		}
		if w := s.ask(anyCall, from("[2001:db8::2]:1000", "secret")); w.Code != 200 {
			t.Errorf("afterwards: %d", w.Code)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "remote=[2001:db8::1]:1000 count=1\n") {
			t.Errorf("%d lines in the log:\n%s", n, log.String())
		}
		time.Sleep(time.Minute)
		s.ask(anyCall, from("192.0.2.7:1000", "wrong"))
		if want := fmt.Sprintf("remote=192.0.2.7:1000 count=%d\n", 6*200+1); !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	})
}
