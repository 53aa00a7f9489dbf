package dnsseed

import (
	"context"
	"net/netip"
	"time"
)

// question is one name that is asked for.
type question struct {
	target *target
	host   string
	began  time.Time
}

// answer is what came of a question.
type answer struct {
	question
	ips []netip.Addr
	err error
}

// lookup asks the resolver, no longer than timeout.
func lookup(ctx context.Context, r Resolver, timeout time.Duration, q question) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ips, err := r.LookupNetIP(ctx, "ip", q.host)
	if err == nil && len(ips) == 0 {
		err = ErrNoAddresses
	}
	return answer{question: q, ips: ips, err: err}
}
