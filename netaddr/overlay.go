package netaddr

import (
	"crypto/sha3"
	"encoding/base32"
	"fmt"
	"strings"
)

const (
	onionSuffix = ".onion"
	i2pSuffix   = ".b32.i2p"

	onionVersion = 3
)

// base32Lower is RFC 4648's alphabet in lower case, without padding.
var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// onionName is the name of a v3 onion service: base32 of its public key, two bytes
// of a checksum, and the version (rend-spec-v3, section 6).
func onionName(key [32]byte) string {
	sum := onionChecksum(key)
	return base32Lower.EncodeToString(append(append(key[:], sum[:]...), onionVersion)) + onionSuffix
}

func onionChecksum(key [32]byte) [2]byte {
	text := append([]byte(".onion checksum"), key[:]...)
	sum := sha3.Sum256(append(text, onionVersion))
	return [2]byte(sum[:2])
}

func parseOnion(name string) (Host, error) {
	wrong := func(why string) (Host, error) {
		return Host{}, fmt.Errorf("%q is no onion service: %s", name, why)
	}
	label := strings.TrimSuffix(name, onionSuffix)
	if len(label) == 16 {
		return wrong("it is of version 2, which Tor gave up in 2021")
	}
	b, err := base32Lower.DecodeString(label)
	switch {
	case err != nil || len(label) != 56 || len(b) != 35: // the decoder passes over line feeds
		return wrong("the name of one is 56 letters and digits long")
	case b[34] != onionVersion:
		return wrong(fmt.Sprintf("it is of version %d, not 3", b[34]))
	case onionChecksum([32]byte(b[:32])) != [2]byte(b[32:34]):
		return wrong("its checksum is wrong; a letter may be mistyped")
	}
	return FromBytes(Onion, b[:32])
}

// i2pName is the name of an I2P destination: base32 of its SHA-256 hash.
func i2pName(hash [32]byte) string { return base32Lower.EncodeToString(hash[:]) + i2pSuffix }

func parseI2P(name string) (Host, error) {
	label := strings.TrimSuffix(name, i2pSuffix)
	b, err := base32Lower.DecodeString(label)
	// The last of 52 letters has four bits too many, which must be 0.
	if err != nil || len(b) != 32 || base32Lower.EncodeToString(b) != label {
		return Host{}, fmt.Errorf("%q is no I2P destination: the name of one is 52 letters and digits long", name)
	}
	return FromBytes(I2P, b)
}
