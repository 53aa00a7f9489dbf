package tornet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// relayCount is the fewest with which an onion service can be reached: it comes to the
// relay where it meets its caller by a circuit of four. Others are of three.
const relayCount = 4

// relay is a relay that is a directory authority and an exit too.
type relay struct {
	*Tor
	orAddr, dirAddr string

	// dirAuthority is the line by which all know it.
	dirAuthority string
}

// relayTorrc is the configuration of a relay. The authorities vote after 5 s, and then
// every 10: no shorter times are allowed. They take a relay's word for it that it can
// be reached. Relays build no circuits of their own, for which they are too few. Exits
// go to loopback addresses too, and ask our DNS server for the names of all hosts,
// whatever it answers.
const relayTorrc = `
Nickname %s
ORPort %s
DirPort %s
SocksPort 0
ContactInfo test
AssumeReachable 1
__DisablePredictedCircuits 1
ConfluxEnabled 0

AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
AuthDirTestReachability 0
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingV3AuthInitialVotingInterval 5
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 10
V3AuthVoteDelay 2
V3AuthDistDelay 2

ExitRelay 1
ExitPolicy accept *:*
IPv6Exit 1
ExitPolicyRejectPrivate 0
ExitPolicyRejectLocalInterfaces 0
ServerDNSResolvConfFile %s
ServerDNSAllowBrokenConfig 1
ServerDNSAllowNonRFC953Hostnames 1
ServerDNSDetectHijacking 0
ServerDNSSearchDomains 0
ServerDNSTestAddresses
`

// startRelays starts all, and waits until each has published a consensus with all.
func (n *Network) startRelays(ctx context.Context, t testing.TB) error {
	for range attempts {
		err := n.tryRelays(ctx, t)
		if err == nil {
			break
		} else if !errors.Is(err, errInUse) {
			return err
		}
		for _, r := range n.relays {
			r.Kill()
		}
		n.relays = nil
	}
	for _, r := range n.relays {
		if err := r.awaitConsensus(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tryRelays starts all. Each knows all from the start, so that with one port that
// cannot be opened all must be made anew.
func (n *Network) tryRelays(ctx context.Context, t testing.TB) error {
	ports, err := n.ports(2 * relayCount)
	if err != nil {
		return err
	}
	for i := range relayCount {
		name := fmt.Sprint("relay", i)
		c, err := n.tor(t, name)
		if err != nil {
			return err
		}
		r := &relay{Tor: c, orAddr: ports[2*i], dirAddr: ports[2*i+1]}
		id, authority, err := makeKeys(r.dir, r.dirAddr)
		if err != nil {
			return err
		}
		_, port, _ := net.SplitHostPort(r.orAddr)
		r.dirAuthority = fmt.Sprintf("DirAuthority %s orport=%s no-v2 v3ident=%s %s %s", name, port, authority, r.dirAddr, id)
		n.relays = append(n.relays, r)
	}
	for _, r := range n.relays {
		if err := r.configure(fmt.Sprintf(relayTorrc, r.name, r.orAddr, r.dirAddr, filepath.Join(n.dir, "resolv.conf"))); err != nil {
			return err
		}
	}
	started := make(chan error, relayCount)
	for _, r := range n.relays {
		go func() { started <- r.start(ctx) }()
	}
	for range n.relays {
		err = errors.Join(err, <-started)
	}
	return err
}

// awaitConsensus waits until the relay publishes a consensus with all relays in it. The
// first may lack one that had not yet told all authorities of itself.
func (r *relay) awaitConsensus(ctx context.Context) error {
	// Asked for gzip, tor sends deflate, which Go cannot read.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := get(ctx, client, "http://"+r.dirAddr+"/tor/status-vote/current/consensus-microdesc")
		if err == nil {
			found := strings.Count(text, "\nr ")
			if found == len(r.n.relays) {
				return nil
			}
			err = fmt.Errorf("its consensus lists %d relays", found)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", r.name, context.Cause(ctx), err)
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(resp.Status)
	}
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
