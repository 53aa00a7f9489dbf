package rpc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"sync"
	"time"

	"holdfast/node"
)

// certLife is how long a certificate of ours is good: as btcd's. Clients are given the
// file, so a short life would serve nobody.
const certLife = 10 * 365 * 24 * time.Hour

// loadTLS reads the certificate, or makes one if neither file is there.
func loadTLS(cfg *Config) (*tls.Config, error) {
	if cfg.TLSCert == "" {
		return nil, nil
	}
	if missing(cfg.TLSCert) && missing(cfg.TLSKey) {
		if err := makeCert(cfg.TLSCert, cfg.TLSKey, cfg.Hosts); err != nil {
			return nil, fmt.Errorf("rpc: cannot make a certificate: %w", err)
		}
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, &node.ConfigError{Field: "rpccert", Value: cfg.TLSCert, Problem: err.Error() + "; remove both files to have new ones made"}
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// makeCert makes a self-signed certificate for this host: all its names and addresses.
func makeCert(certFile, keyFile string, hosts []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	now := time.Now()
	cert := x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Holdfast self-signed certificate"}},
		NotBefore:             now.Add(-24 * time.Hour), // clocks differ
		NotAfter:              now.Add(certLife),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true, // so that clients can take it for a root
		BasicConstraintsValid: true,
		DNSNames:              append([]string{"localhost"}, hosts...),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if name, err := os.Hostname(); err == nil && name != "localhost" {
		cert.DNSNames = append(cert.DNSNames, name)
	}
	addrs, _ := net.InterfaceAddrs() // without them it has fewer names
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() {
			cert.IPAddresses = append(cert.IPAddresses, n.IP)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &cert, &cert, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeSecret(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})); err != nil {
		return err
	}
	if err := writeSecret(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return err
	}
	return os.Chmod(certFile, 0o644) // clients read it
}

// withTLS makes connections speak TLS: all of them, or those that begin so, since
// bitcoin-cli cannot, and btcctl does unless it is told not to.
type withTLS struct {
	net.Listener
	config *tls.Config
	always bool
}

func (l withTLS) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.always {
		return tls.Server(conn, l.config), nil
	}
	return &either{Conn: conn, config: l.config}, nil
}

// either is a connection that the client's first byte makes one of TLS or not. Nothing
// is written before that.
type either struct {
	net.Conn
	config *tls.Config
	once   sync.Once
	mu     sync.Mutex
	chosen net.Conn // nil until then
	err    error
}

// tlsHandshake is the first byte of TLS (RFC 8446, 5.1), and of no HTTP.
const tlsHandshake = 22

func (c *either) choose() {
	var first [1]byte
	_, err := c.Conn.Read(first[:])
	front := &replay{Conn: c.Conn, first: first[:]}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.chosen, c.err = c.Conn, err
	case first[0] == tlsHandshake:
		c.chosen = tls.Server(front, c.config)
	default:
		c.chosen = front
	}
}

func (c *either) Read(b []byte) (int, error) {
	c.once.Do(c.choose)
	if c.err != nil {
		return 0, c.err
	}
	return c.chosen.Read(b)
}

func (c *either) Write(b []byte) (int, error) {
	c.mu.Lock()
	chosen := c.chosen
	c.mu.Unlock()
	if chosen == nil {
		chosen = c.Conn
	}
	return chosen.Write(b)
}

func (c *either) Close() error {
	c.mu.Lock()
	chosen := c.chosen
	c.mu.Unlock()
	if chosen == nil {
		chosen = c.Conn
	}
	return chosen.Close()
}

// NetConn returns the connection below, as that of a tls.Conn does.
func (c *either) NetConn() net.Conn { return c.Conn }

// replay is a connection whose first byte was read already.
type replay struct {
	net.Conn
	first []byte
}

func (c *replay) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}
