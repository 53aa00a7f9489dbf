package tornet

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// keyBits is small, for keys that nobody needs to break.
const keyBits = 1024

// makeKeys writes the keys that a directory authority cannot make for itself, into its
// data directory, and returns the two fingerprints by which others know it: of the
// relay, and of the authority.
//
// See Tor's dir-spec, "Creating key certificates". tor-gencert does the same, with
// keys that take seconds to find.
func makeKeys(dataDir, dirAddr string) (relay, authority string, err error) {
	var keys [3]*rsa.PrivateKey
	for i := range keys {
		if keys[i], err = rsa.GenerateKey(rand.Reader, keyBits); err != nil {
			return "", "", err
		}
	}
	id, authID, signing := keys[0], keys[1], keys[2]
	cert, err := certificate(authID, signing, dirAddr, time.Now())
	if err != nil {
		return "", "", err
	}
	dir := filepath.Join(dataDir, "keys")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{"secret_id_key", privatePEM(id)},
		{"authority_signing_key", privatePEM(signing)},
		{"authority_certificate", cert},
	} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.text, 0o600); err != nil {
			return "", "", err
		}
	}
	return fingerprint(id), fingerprint(authID), nil
}

// certificate says that the authority with one key signs its votes with another.
func certificate(id, signing *rsa.PrivateKey, dirAddr string, now time.Time) ([]byte, error) {
	const form = "2006-01-02 15:04:05"
	cross, err := sign(signing, x509.MarshalPKCS1PublicKey(&id.PublicKey))
	if err != nil {
		return nil, err
	}
	var cert bytes.Buffer
	fmt.Fprintf(&cert, "dir-key-certificate-version 3\ndir-address %s\nfingerprint %s\n", dirAddr, fingerprint(id))
	fmt.Fprintf(&cert, "dir-key-published %s\n", now.Add(-time.Hour).UTC().Format(form))
	fmt.Fprintf(&cert, "dir-key-expires %s\n", now.AddDate(1, 0, 0).UTC().Format(form))
	fmt.Fprintf(&cert, "dir-identity-key\n%s", publicPEM(id))
	fmt.Fprintf(&cert, "dir-signing-key\n%s", publicPEM(signing))
	fmt.Fprintf(&cert, "dir-key-crosscert\n%s", pem.EncodeToMemory(&pem.Block{Type: "ID SIGNATURE", Bytes: cross}))
	fmt.Fprint(&cert, "dir-key-certification\n")
	sig, err := sign(id, cert.Bytes())
	if err != nil {
		return nil, err
	}
	cert.Write(pem.EncodeToMemory(&pem.Block{Type: "SIGNATURE", Bytes: sig}))
	return cert.Bytes(), nil
}

// sign signs as Tor does: the SHA-1 digest alone is padded, its kind is not named.
func sign(key *rsa.PrivateKey, text []byte) ([]byte, error) {
	digest := sha1.Sum(text)
	return rsa.SignPKCS1v15(nil, key, 0, digest[:])
}

func fingerprint(key *rsa.PrivateKey) string {
	return fmt.Sprintf("%X", sha1.Sum(x509.MarshalPKCS1PublicKey(&key.PublicKey)))
}

func privatePEM(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func publicPEM(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)})
}
