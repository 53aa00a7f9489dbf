package dnsseed

import (
	"context"
	"slices"
	"sync"
	"time"

	"holdfast/netaddr"
)

// Run asks the seeds, and says when the seed nodes are due, whenever the policy has
// it so, until ctx ends. Then it cancels the lookups under way, waits for them, and
// returns nil; nothing of the owner's is called any more.
//
// It returns an error at once if Config lacks something, or has something that needs
// something else. All that fails later is told by events, and tried again.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &runner{
		Config: cfg,
		start:  time.Now(),
		given:  make(map[netaddr.Addr]struct{}),
		// So that no lookup waits for us.
		answers: make(chan answer, cfg.Policy.AtOnce),
		nodes:   append([]string(nil), cfg.SeedNodes...),
	}
	// Also if the owner panics.
	defer r.lookups.Wait()
	defer cancel()

	for _, seed := range cfg.Seeds {
		t, err := seed.parse(cfg.Port, cfg.Services)
		if err != nil {
			r.tell(Event{Kind: KindMalformed, Seed: seed.Host, Err: err})
			continue
		}
		if !slices.ContainsFunc(r.targets, t.same) {
			r.targets = append(r.targets, &t)
		}
	}
	r.snap = newSnapshot(len(r.targets), len(r.nodes))
	if len(r.targets)+len(r.nodes) == 0 {
		<-ctx.Done()
		return nil
	}
	for ctx.Err() == nil {
		d := r.decide()
		if d.Ask == 0 && !d.Fetch {
			r.wait(ctx, d.Next)
			continue
		}
		if d.Fetch {
			r.fetch()
		}
		for range d.Ask {
			r.ask(ctx)
		}
	}
	return nil
}

// runner is one Run. All of it belongs to Run's goroutine.
type runner struct {
	Config
	start time.Time
	snap  Snapshot

	targets []*target // the last Round.Waiting of them have not been asked
	nodes   []string  // the last Nodes.Waiting of them have not been asked
	given   map[netaddr.Addr]struct{}

	answers chan answer
	lookups sync.WaitGroup
}

func (r *runner) up() time.Duration { return time.Since(r.start) }

func (r *runner) tell(e Event) {
	e.Time = time.Now()
	r.OnEvent(e)
}

func (r *runner) decide() Decision {
	known, peers := r.State()
	r.snap.see(r.Policy.EnoughPeers, r.up(), known, peers)
	return r.Policy.Decide(r.snap)
}

// wait waits until a time, an answer, a change, or the end of ctx.
func (r *runner) wait(ctx context.Context, until time.Duration) {
	timer := time.NewTimer(until - r.up())
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case _, more := <-r.NetworkChanged:
		r.snap.Changed = r.up()
		if !more {
			r.NetworkChanged = nil
		}
	case a := <-r.answers:
		if ctx.Err() == nil { // else it may have failed only because of that
			r.take(ctx, a)
		}
	}
}

// fetch has the owner ask a seed node.
func (r *runner) fetch() {
	if r.snap.fetch(r.Rand.Float64()) {
		r.Rand.Shuffle(len(r.nodes), func(i, j int) { r.nodes[i], r.nodes[j] = r.nodes[j], r.nodes[i] })
	}
	node := r.nodes[r.snap.Nodes.Waiting]
	r.OnFetch(node)
	r.tell(Event{Kind: KindFetch, Seed: node})
}

// ask begins with the next seed.
func (r *runner) ask(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	if r.snap.ask(r.Rand.Float64()) {
		r.Rand.Shuffle(len(r.targets), func(i, j int) { r.targets[i], r.targets[j] = r.targets[j], r.targets[i] })
		clear(r.given)
	}
	t := r.targets[r.snap.Round.Waiting]
	switch {
	case t.addr.IsValid():
		r.takeLiteral(t)
	case t.filtered != "":
		r.look(ctx, t, t.filtered)
	default:
		r.look(ctx, t, t.name)
	}
}

// look begins with a lookup.
func (r *runner) look(ctx context.Context, t *target, host string) {
	r.tell(Event{Kind: KindAsked, Seed: t.seed.Host, Host: host})
	q := question{target: t, host: host, began: time.Now()}
	r.lookups.Go(func() { r.answers <- lookup(ctx, r.Resolver, r.Timeout, q) })
}

// take does with an answer what is to be done.
func (r *runner) take(ctx context.Context, a answer) {
	r.snap.Up = r.up()
	t, services := a.target, r.Unfiltered
	if a.host == t.filtered {
		services = r.Services
		if notFound(a.err) {
			r.look(ctx, t, t.name) // it still counts as open
			return
		}
	}
	e := Event{Seed: t.seed.Host, Host: a.host, Answered: len(a.ips), Took: time.Since(a.began)}
	r.give(e, plausible(a.ips, r.Port, r.Plausible), services, a.err)
}

func (r *runner) takeLiteral(t *target) {
	var list []netaddr.Addr
	if r.Plausible(t.addr) {
		list = append(list, t.addr)
	}
	r.give(Event{Seed: t.seed.Host, Answered: 1}, list, r.Unfiltered, nil)
}

// give hands on what a seed told, tells it, and ends its turn. e is the event,
// without its kind.
func (r *runner) give(e Event, list []netaddr.Addr, services uint64, err error) {
	if err == nil && len(list) == 0 {
		err = ErrNoAddresses
	}
	if err != nil {
		e.Kind, e.Answered = KindFailed, 0
		e.Err = &LookupError{Seed: e.Seed, Host: e.Host, Err: err}
	} else {
		e.Kind = KindTold
		taken := pick(list, r.given, r.MaxAddrs, r.Rand)
		if e.Given = len(taken); e.Given > 0 {
			r.OnFound(e.Seed, found(taken, services, time.Now(), r.Rand))
		}
	}
	r.tell(e)
	if !r.snap.end(len(list)) || r.snap.Round.Told > 0 {
		return
	}
	if d := r.decide(); d.Due != Never {
		r.tell(Event{Kind: KindNoneAnswered, Asked: len(r.targets), Next: r.start.Add(d.Due)})
	}
}
