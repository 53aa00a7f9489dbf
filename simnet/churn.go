package simnet

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// defaultMaxDown is how many of the peers may be down by churn: enough to see, and
// few enough that a node finds others.
const defaultMaxDown = 0.3

// Churn stops and revives peers at random.
type Churn struct {
	// Every is the mean time between two changes; each is between a half and one
	// and a half of it. 0 means no churn.
	Every time.Duration

	// MaxDown is the most peers that are down by churn at once, as a share of all
	// that can run. 0 means 0.3.
	MaxDown float64
}

// churn stops and revives peers until ctx ends. Without churn it only waits.
func (n *Network) churn(ctx context.Context) {
	c := n.cfg.Churn
	if c.Every <= 0 {
		<-ctx.Done()
		return
	}
	if c.MaxDown <= 0 {
		c.MaxDown = defaultMaxDown
	}
	rng := rand.New(rand.NewPCG(n.cfg.Seed, math.MaxUint64)) // no session has this one
	down := make(map[int]bool)                               // by us: what the owner stopped stays so
	for sleep(ctx, c.Every/2+time.Duration(rng.Int64N(int64(c.Every)+1))) {
		var up, revivable []int
		for i, p := range n.peers {
			switch {
			case p.spec.Behaviour.NoListener:
			case p.Running():
				delete(down, i) // perhaps the owner revived it
				up = append(up, i)
			case down[i]:
				revivable = append(revivable, i)
			}
		}
		i, stop := churnStep(rng, up, revivable, c.MaxDown)
		switch {
		case i < 0:
		case stop:
			n.peers[i].Stop()
			down[i] = true
		case n.peers[i].Start() == nil:
			delete(down, i)
		}
	}
}

// churnStep chooses the peer to stop or to revive, -1 if there is none. It stops one
// as likely as it revives one, unless as many as allowed are down or none is.
func churnStep(rng *rand.Rand, up, down []int, maxDown float64) (i int, stop bool) {
	most := int(maxDown * float64(len(up)+len(down)))
	canStop := len(up) > 0 && len(down) < most
	canRevive := len(down) > 0
	switch {
	case canStop && (!canRevive || rng.IntN(2) == 0):
		return up[rng.IntN(len(up))], true
	case canRevive:
		return down[rng.IntN(len(down))], false
	}
	return -1, false
}
