package netaddr

import (
	"errors"
	"strconv"
	"strings"
)

// How long a name can be in DNS, without the dot at its end, and a part of it (RFC 1035,
// section 2.3.4).
const (
	MaxName  = 253
	maxLabel = 63
)

// i2pDomain is where all names of I2P are, of which those of destinations are but some.
const i2pDomain = ".i2p"

// IsOverlayName reports whether a name is one of Tor or I2P, of which DNS must never be
// asked (RFC 7686).
func IsOverlayName(name string) bool {
	name = "." + strings.ToLower(strings.TrimSuffix(name, "."))
	return strings.HasSuffix(name, onionSuffix) || strings.HasSuffix(name, i2pDomain)
}

// CheckName returns nil if a name can be that of a host (RFC 1123, section 2.1, and the
// underscore, which is seen), and else what is wrong with it. A dot at its end is fine. It
// asks nobody.
func CheckName(name string) error {
	name = strings.TrimSuffix(name, ".")
	switch {
	case name == "":
		return errors.New("it is empty")
	case len(name) > MaxName:
		return errors.New("its name is longer than 253 letters")
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return errors.New("its name has two dots in a row, or begins with one")
		case len(label) > maxLabel:
			return errors.New("a part of its name is longer than 63 letters")
		case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
			return errors.New("a part of its name begins or ends with a hyphen")
		}
		for _, c := range label {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", c) {
				return errors.New("its name has " + strconv.QuoteRune(c) + "; names have letters, digits, dots and hyphens")
			}
		}
	}
	// No top-level domain is a number: this was to be an IP address.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return errors.New("it is neither an IP address nor a name")
	}
	return nil
}
