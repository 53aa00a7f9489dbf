package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// secure returns a configuration with a certificate that is to be made, and a client that
// trusts it when it is.
func secure(t *testing.T, listen string) (Config, func() *http.Client) {
	cfg := testConfig(newFake(t))
	dir := t.TempDir()
	cfg.Listen = []string{listen}
	cfg.TLSCert, cfg.TLSKey = filepath.Join(dir, "rpc.cert"), filepath.Join(dir, "rpc.key")
	return cfg, func() *http.Client {
		pem, err := os.ReadFile(cfg.TLSCert)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			t.Fatal("the certificate cannot be read")
		}
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
}

// On loopback one port takes both, as bitcoin-cli and btcctl want it.
func TestBothOnLoopback(t *testing.T) {
	t.Parallel()
	cfg, client := secure(t, "127.0.0.1:0")
	s := started(t, cfg)
	addr := s.Addrs()[0].String()
	for url, c := range map[string]*http.Client{
		"http://" + addr:  newClient(t),
		"https://" + addr: client(),
	} {
		if code, body := post(t, c, url, "alice", "secret", anyCall); code != 200 {
			t.Errorf("%s: %d %s", url, code, body)
		}
	}
	// Who says nothing is no trouble at the end.
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
}

// Elsewhere there is TLS only.
func TestOnlyTLSElsewhere(t *testing.T) {
	t.Parallel()
	cfg, client := secure(t, "0.0.0.0:0")
	s := started(t, cfg)
	_, port, _ := net.SplitHostPort(s.Addrs()[0].String())
	if code, body := post(t, client(), "https://127.0.0.1:"+port, "alice", "secret", anyCall); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := post(t, newClient(t), "http://127.0.0.1:"+port, "alice", "secret", anyCall); code != 400 {
		t.Errorf("without TLS: %d", code)
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "rpc.cert"), filepath.Join(dir, "rpc.key")
	if err := makeCert(cert, key, []string{"node.example"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(key)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", info.Mode())
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "node.example"} {
		if err := pair.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if left := time.Until(pair.Leaf.NotAfter); left < 9*365*24*time.Hour {
		t.Errorf("it is good for %v", left)
	}
	// One without the other is not replaced: it may be somebody's own.
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(newFake(t))
	cfg.TLSCert, cfg.TLSKey = cert, key
	if s, err := New(cfg); err == nil {
		_ = s.Close()
		t.Error("a key that is missing was made anew")
	}
}
