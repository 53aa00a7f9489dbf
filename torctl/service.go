package torctl

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"holdfast/netaddr"
)

// The defaults of a Service, and its other times.
const (
	defaultBackoffMin = time.Second
	defaultBackoffMax = 10 * time.Minute // as Bitcoin Core's src/torcontrol.cpp

	// backoffJitter is the share of a wait that is left to chance, so that the programs
	// that use one Tor do not come all at once when it is back. It only shortens.
	backoffJitter = 0.2

	// publishTimeout is for all of a try: connecting, authentication, ADD_ONION. Each
	// takes milliseconds; a Tor that is starting on a small machine is silent for some
	// seconds.
	publishTimeout = time.Minute

	// aliveEvery is how often Tor is asked whether it still has the service, and
	// aliveTimeout how long it has to answer. The end of a connection is seen at once;
	// this is for a Tor that hangs, or a network between that went.
	aliveEvery   = time.Minute
	aliveTimeout = 30 * time.Second
)

// Service keeps an onion service published through Tor's control port. Fill it in, and
// call Run. It must not be changed then.
type Service struct {
	// Control is where the control port is, and how to be let in.
	Control Options

	// KeyFile is where the private key is kept, and so the address. If there is no such
	// file it is made when Tor has made the key; its directory must be there. Only its
	// owner may be able to read it (mode 0600). It is never overwritten: a file that
	// holds no key is given another name (KindKeySetAside). "" means a new address each
	// time that the service is published.
	KeyFile string

	// VirtualPort is the port of the onion address.
	VirtualPort uint16

	// Target is where Tor connects to for who comes: host:port, or unix: and the path
	// of a socket. All who come seem to come from Tor's host, so it should be a listener
	// that nobody else uses.
	Target string

	// BackoffMin is the wait after the first try that failed, or after a loss, and
	// BackoffMax the longest: it doubles from try to try, until one succeeds. 0 or less
	// means 1 s and 10 min.
	BackoffMin, BackoffMax time.Duration

	// OnEvent is told what happens, in order, one at a time, on the goroutine of Run,
	// with no lock held. While it runs nothing else is done. Nil means nobody is.
	OnEvent func(Event)

	// Retry, if it is set, is received from when there is a reason to look at once: our
	// own network changed, or the operator asks. A wait is cut short, and the waits begin
	// anew; a service that is published is asked for. Send to it without waiting, with a
	// buffer of one: what comes during a try shortens the wait after it. It may be closed.
	Retry <-chan struct{}

	// Rand is for the jitter: a wait is up to a fifth shorter. It is used on the
	// goroutine of Run. Nil means a random one.
	Rand rand.Source
}

// Run publishes the service, and again whenever Tor or the connection to it has gone,
// until ctx ends; then it returns nil. An error is about the settings only, and returned
// at once.
//
// The service is removed by closing the connection, which Tor sees also if the process
// is killed. When Run has returned there is no goroutine of it left.
func (s *Service) Run(ctx context.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	source := s.Rand
	if source == nil {
		source = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	r := serviceRun{Service: s, retry: s.Retry, rand: rand.New(source)}
	for ctx.Err() == nil {
		r.once(ctx)
	}
	return nil
}

func (s *Service) check() error {
	switch {
	case s.VirtualPort == 0:
		return errors.New("torctl: Service.VirtualPort is 0")
	case s.Target == "":
		return errors.New("torctl: Service.Target is empty: who comes by the onion address must get somewhere")
	}
	if err := checkWord(s.Target); err != nil || strings.Contains(s.Target, ",") {
		return fmt.Errorf("torctl: Service.Target %q is neither host:port nor unix:/path", s.Target)
	}
	return nil
}

// serviceRun is what a Run knows besides.
type serviceRun struct {
	*Service
	retry    <-chan struct{} // Retry, until it is closed
	rand     *rand.Rand
	failures int // in a row, since we were last told to retry
}

func (r *serviceRun) tell(ctx context.Context, e Event) {
	// What ends because we end is no news.
	if r.OnEvent != nil && ctx.Err() == nil {
		r.OnEvent(e)
	}
}

// once publishes the service, waits for its loss, and then for the time of the next
// try.
func (r *serviceRun) once(ctx context.Context) {
	c, addr, err := r.publish(ctx)
	if err != nil {
		r.failures++
		wait := r.wait(r.failures)
		r.tell(ctx, Event{Kind: KindFailed, Err: err, Attempt: r.failures, Next: time.Now().Add(wait)})
		r.sleep(ctx, wait)
		return
	}
	r.failures = 0
	r.tell(ctx, Event{Kind: KindPublished, Addr: addr, Version: c.Version()})
	err = r.watch(ctx, c, strings.TrimSuffix(addr.Host.String(), ".onion"))
	_ = c.Close()
	wait := r.wait(1)
	r.tell(ctx, Event{Kind: KindLost, Addr: addr, Err: err, Next: time.Now().Add(wait)})
	r.sleep(ctx, wait)
}

// publish tries once. The connection is the service: it ends with it.
func (r *serviceRun) publish(ctx context.Context) (*Conn, netaddr.Addr, error) {
	key, err := r.key(ctx)
	if err != nil {
		return nil, netaddr.Addr{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	c, err := Dial(ctx, r.Control)
	if err != nil {
		return nil, netaddr.Addr{}, err
	}
	addr, err := r.add(ctx, c, key)
	if err != nil {
		_ = c.Close()
		return nil, netaddr.Addr{}, err
	}
	return c, addr, nil
}

// key returns the private key that is kept; "" if there is none.
func (r *serviceRun) key(ctx context.Context) (string, error) {
	if r.KeyFile == "" {
		return "", nil
	}
	key, err := loadKey(r.KeyFile)
	if damaged, ok := errors.AsType[*DamagedKeyError](err); ok {
		r.tell(ctx, Event{Kind: KindKeySetAside, Err: damaged})
		return "", nil
	}
	return key, err
}

// add publishes by a connection, and keeps the key if it is new.
func (r *serviceRun) add(ctx context.Context, c *Conn, key string) (netaddr.Addr, error) {
	p, err := c.AddOnion(ctx, Onion{Key: key, VirtualPort: r.VirtualPort, Target: r.Target})
	if reply, ok := errors.AsType[*ReplyError](err); ok && reply.Code == 550 && key != "" {
		return netaddr.Addr{}, fmt.Errorf("torctl: Tor has this service already, of another program or of a connection that has not ended yet: %w", err)
	}
	if err != nil {
		return netaddr.Addr{}, err
	}
	host, err := p.Host()
	if err != nil {
		return netaddr.Addr{}, err
	}
	if key == "" && r.KeyFile != "" {
		// An address that would be another after the next start is not told.
		if p.Key == "" {
			return netaddr.Addr{}, protocolError("ADD_ONION gives no private key")
		}
		if err := saveKey(r.KeyFile, p.Key); err != nil {
			return netaddr.Addr{}, err
		}
	}
	return netaddr.Addr{Host: host, Port: r.VirtualPort}, nil
}

// watch waits until the service is lost, or ctx ends, and returns why.
func (r *serviceRun) watch(ctx context.Context, c *Conn, serviceID string) error {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.Done():
			return c.Err()
		case <-tick.C:
		case _, more := <-r.retry:
			if r.told(more); !more {
				continue
			}
		}
		if err := alive(ctx, c, serviceID); err != nil {
			return err
		}
	}
}

// alive asks Tor whether it still has the service.
func alive(ctx context.Context, c *Conn, serviceID string) error {
	ctx, cancel := context.WithTimeout(ctx, aliveTimeout)
	defer cancel()
	value, err := c.GetInfo(ctx, "onions/current")
	if _, refused := errors.AsType[*ReplyError](err); refused {
		return nil // a filter before Tor may not let us ask; but somebody has answered
	}
	if err != nil {
		return err
	}
	for id := range strings.FieldsSeq(value) {
		if id == serviceID {
			return nil
		}
	}
	return errors.New("torctl: Tor has the service no more")
}

// wait is how long to wait after so many failures in a row, from 1.
func (r *serviceRun) wait(failures int) time.Duration {
	least, most := r.BackoffMin, r.BackoffMax
	if least <= 0 {
		least = defaultBackoffMin
	}
	if most <= 0 {
		most = defaultBackoffMax
	}
	full := least
	for i := 1; i < failures && full < most; i++ {
		if full *= 2; full <= 0 { // beyond what a Duration holds
			full = most
		}
	}
	full = min(full, most)
	return full - time.Duration(backoffJitter*r.rand.Float64()*float64(full))
}

// sleep waits until the next try.
func (r *serviceRun) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return
		case <-ctx.Done():
			return
		case _, more := <-r.retry:
			if r.told(more); more {
				return
			}
		}
	}
}

// told takes what came from Retry; more is false when that is closed.
func (r *serviceRun) told(more bool) {
	if !more {
		r.retry = nil
		return
	}
	r.failures = 0
}
