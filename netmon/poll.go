package netmon

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// poller asks for the facts every so often.
type poller struct {
	every time.Duration
	ask   func() (facts, error)
	known facts
	due   time.Time
}

// newPoller returns a poller that can be used even if there is an error: it asks
// again.
func newPoller(every time.Duration, ask func() (facts, error)) (*poller, error) {
	p := &poller{every: every, ask: ask, due: time.Now().Add(every)}
	var err error
	p.known, err = ask()
	return p, err
}

func (p *poller) next(ctx context.Context, until time.Time) (Change, error) {
	for p.due.Before(until) {
		wait(ctx, p.due)
		if ctx.Err() != nil {
			return 0, nil
		}
		p.due = time.Now().Add(p.every)
		now, err := p.ask()
		if err != nil {
			continue // out of files, perhaps; what was known is compared next time
		}
		c := diff(p.known, now)
		p.known = now
		if c != 0 {
			return c | Polled, nil
		}
	}
	wait(ctx, until)
	return 0, nil
}

func (p *poller) close() {}

// wait returns at a time, or when ctx ends.
func wait(ctx context.Context, until time.Time) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// interfaces returns the links and addresses as the system has them now.
func interfaces() (facts, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	f := make(facts)
	for _, l := range links {
		id := uint32(l.Index)
		if l.Flags&net.FlagLoopback == 0 {
			f[key{kind: Link, id: id}] = linkState(l.Flags&net.FlagUp != 0, l.Flags&net.FlagRunning != 0)
		}
		addrs, err := l.Addrs()
		if err != nil {
			continue // the link is gone by now
		}
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, _ := netip.AddrFromSlice(n.IP)
			if ip = ip.Unmap(); leadsAnywhere(ip) {
				bits, _ := n.Mask.Size()
				f[key{kind: Address, id: id, prefix: netip.PrefixFrom(ip, bits)}] = ""
			}
		}
	}
	return f, nil
}
