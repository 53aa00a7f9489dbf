package node

import (
	"net/netip"
	"time"

	"holdfast/netaddr"
)

// BanPolicy says who is banned, and for how long: what of a Config can change while
// the node runs. The zero value of each field means what it means there.
type BanPolicy struct {
	Duration  time.Duration  // Config.BanDuration
	Threshold uint32         // Config.BanThreshold
	NoBanning bool           // Config.NoBanning
	Whitelist []netip.Prefix // Config.Whitelist
}

// SetBanPolicy replaces the policy, from now on: bans that hold stay as they are, and a
// score that is over a lower threshold is judged at the next offence. It returns a
// *ConfigError for what New would refuse, and changes nothing then.
func (n *Node) SetBanPolicy(p BanPolicy) error {
	p, err := p.check()
	if err != nil {
		return err
	}
	n.policy.Store(&p)
	n.shrink() // a place is kept for those who are trusted now
	return nil
}

// banPolicy returns the part of cfg that is one.
func (cfg *Config) banPolicy() BanPolicy {
	return BanPolicy{cfg.BanDuration, cfg.BanThreshold, cfg.NoBanning, cfg.Whitelist}
}

// check fills in the defaults and refuses what makes no sense. Its error is a
// *ConfigError.
func (p BanPolicy) check() (BanPolicy, error) {
	if p.Duration <= 0 {
		p.Duration = defaultBanDuration
	}
	if p.Threshold == 0 {
		p.Threshold = defaultBanThreshold
	}
	given := p.Whitelist
	p.Whitelist = make([]netip.Prefix, 0, len(given))
	for _, prefix := range given {
		plain := prefix
		if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 { // ::ffff:192.0.2.0/120 is 192.0.2.0/24
			plain = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
		}
		switch {
		case !plain.IsValid():
			return p, &ConfigError{"whitelist", prefix.String(), "it is no network"}
		case plain.Bits() == 0:
			return p, &ConfigError{"whitelist", prefix.String(), "that is everybody: trust the hosts that you know; to ban nobody, use nobanning"}
		}
		p.Whitelist = append(p.Whitelist, plain)
	}
	return p, nil
}

// trusts reports whether the operator trusts a host (Config.Whitelist).
func (p *BanPolicy) trusts(h netaddr.Host) bool {
	ip, ok := h.IP()
	return ok && p.trustsIP(ip)
}

func (p *BanPolicy) trustsIP(ip netip.Addr) bool {
	for _, prefix := range p.Whitelist {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// trustsSomebody reports whether there is anybody who has it.
func (n *Node) trustsSomebody() bool { return len(n.policy.Load().Whitelist) > 0 }

// whitelisted reports whether a host has the operator's trust at present.
func (n *Node) whitelisted(h netaddr.Host) bool { return n.policy.Load().trusts(h) }
