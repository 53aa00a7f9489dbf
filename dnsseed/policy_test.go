package dnsseed

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	sec    = time.Second
	minute = time.Minute
)

// Each row is a moment, and what the default policy has to be done then.
func TestDecide(t *testing.T) {
	before := Round{Seeds: 8, Waiting: 8}
	for _, tt := range []struct {
		name string
		s    Snapshot
		want Decision
	}{
		// The first round.
		{"nothing known", Snapshot{Round: before}, Decision{Ask: 3, Next: 5 * sec}},
		{"something known", Snapshot{Known: 1, Round: before}, Decision{Due: 11 * sec, Next: 5 * sec}},
		{"nearly due", Snapshot{Up: 10 * sec, Known: 999, Round: before}, Decision{Due: 11 * sec, Next: 11 * sec}},
		{"due", Snapshot{Up: 11 * sec, Known: 999, Round: before}, Decision{Ask: 3, Due: 11 * sec, Next: 16 * sec}},
		{"much known", Snapshot{Up: 11 * sec, Known: 1000, Round: before}, Decision{Due: 5 * minute, Next: 16 * sec}},
		{"much known, due", Snapshot{Up: 5 * minute, Known: 1000, Round: before}, Decision{Ask: 3, Due: 5 * minute, Next: 305 * sec}},
		{"one peer", Snapshot{Up: 11 * sec, Known: 9, Peers: 1, Round: before}, Decision{Ask: 3, Due: 11 * sec, Next: 16 * sec}},
		{"two peers", Snapshot{Up: 11 * sec, Known: 9, Peers: 2, Round: before}, Decision{Due: Never, Next: 16 * sec}},
		{"two peers, nothing known", Snapshot{Peers: 2, Round: before}, Decision{Due: Never, Next: 5 * sec}},
		{"one seed", Snapshot{Round: Round{Seeds: 1, Waiting: 1}}, Decision{Ask: 1, Next: 5 * sec}},
		{"no seeds", Snapshot{}, Decision{Due: Never, Next: 5 * sec}},
		{"the peers went", Snapshot{Up: 3605 * sec, Lonely: 3600 * sec, Known: 9, Round: before}, Decision{Due: 3611 * sec, Next: 3610 * sec}},

		// In a round that began with nothing known the next is asked as one answers.
		{"three open", Snapshot{Up: sec, Round: Round{Seeds: 8, Waiting: 5, Open: 3, Fresh: true}}, Decision{Due: Never, Next: 6 * sec}},
		{"one answered", Snapshot{Up: sec, Known: 32, Round: Round{Seeds: 8, Waiting: 5, Open: 2, Fresh: true, Ended: sec}}, Decision{Ask: 1, Next: 6 * sec}},
		{"one answered, peers enough", Snapshot{Up: sec, Known: 32, Peers: 2, Round: Round{Seeds: 8, Waiting: 5, Open: 2, Fresh: true}}, Decision{Due: Never, Next: 6 * sec}},
		{"fresh a day ago", Snapshot{Up: 24 * time.Hour, Known: 32, Lonely: 24*time.Hour - sec, Round: Round{Seeds: 8, Waiting: 5, Fresh: true, Ended: sec}}, Decision{Due: 24*time.Hour + 10*sec, Next: 24*time.Hour + 5*sec}},
		{"the last ones", Snapshot{Up: sec, Round: Round{Seeds: 8, Waiting: 1, Fresh: true}}, Decision{Ask: 1, Next: 6 * sec}},

		// In another round what was told is tried before the next are asked.
		{"two of three answered", Snapshot{Up: 40 * sec, Known: 99, Round: Round{Seeds: 8, Waiting: 5, Open: 1, Began: 11 * sec, Ended: 12 * sec}}, Decision{Due: Never, Next: 45 * sec}},
		{"all three answered", Snapshot{Up: 20 * sec, Known: 99, Round: Round{Seeds: 8, Waiting: 5, Began: 11 * sec, Ended: 12 * sec}}, Decision{Due: 23 * sec, Next: 23 * sec}},
		{"tried", Snapshot{Up: 23 * sec, Known: 99, Round: Round{Seeds: 8, Waiting: 5, Began: 11 * sec, Ended: 12 * sec}}, Decision{Ask: 3, Due: 23 * sec, Next: 28 * sec}},
		{"two left", Snapshot{Up: 23 * sec, Known: 99, Round: Round{Seeds: 8, Waiting: 2, Began: 11 * sec, Ended: 12 * sec}}, Decision{Ask: 2, Due: 23 * sec, Next: 28 * sec}},
		{"the book is empty now", Snapshot{Up: 12 * sec, Round: Round{Seeds: 8, Waiting: 5, Open: 1, Began: 11 * sec, Ended: 12 * sec}}, Decision{Ask: 2, Next: 17 * sec}},

		// After a round.
		{"the last is open", Snapshot{Up: 60 * sec, Round: Round{Seeds: 8, Open: 1, Fresh: true}}, Decision{Due: Never, Next: 65 * sec}},
		{"first wait", Snapshot{Up: 60 * sec, Round: Round{Seeds: 8, Vain: 1, Ended: sec}}, Decision{Due: 61 * sec, Next: 61 * sec}},
		{"again", Snapshot{Up: 61 * sec, Round: Round{Seeds: 8, Vain: 1, Ended: sec}}, Decision{Ask: 3, Due: 61 * sec, Next: 66 * sec}},
		{"second wait", Snapshot{Up: 61 * sec, Round: Round{Seeds: 8, Vain: 2, Ended: sec}}, Decision{Due: 121 * sec, Next: 66 * sec}},
		{"longest wait", Snapshot{Up: 61 * sec, Round: Round{Seeds: 8, Vain: 1e9, Ended: sec}}, Decision{Due: 3601 * sec, Next: 66 * sec}},
		{"jitter", Snapshot{Up: 61 * sec, Round: Round{Seeds: 8, Vain: 1e9, Ended: sec, Jitter: 0.5}}, Decision{Due: 3961 * sec, Next: 66 * sec}},
		{"peers came and went", Snapshot{Up: 61 * sec, Known: 9, Lonely: 60 * sec, Round: Round{Seeds: 8, Ended: sec}}, Decision{Due: 71 * sec, Next: 66 * sec}},

		// The network changed.
		{"no answer before", Snapshot{Up: 5 * sec, Changed: 3 * sec, Round: Round{Seeds: 8, Vain: 1, Ended: sec}}, Decision{Due: 11 * sec, Next: 10 * sec}},
		{"no answer for an hour", Snapshot{Up: 3600 * sec, Changed: 3600 * sec, Round: Round{Seeds: 8, Vain: 7, Began: 2700 * sec, Ended: 2700 * sec}}, Decision{Ask: 3, Due: 3600 * sec, Next: 3605 * sec}},
		{"it changes all the time", Snapshot{Up: 100 * sec, Changed: 100 * sec, Round: Round{Seeds: 8, Vain: 1e9, Began: 90 * sec, Ended: 90 * sec}}, Decision{Due: 150 * sec, Next: 105 * sec}},
		{"the book first", Snapshot{Up: 3600 * sec, Changed: 3600 * sec, Known: 9, Round: Round{Seeds: 8, Vain: 7, Began: 2700 * sec, Ended: 2700 * sec}}, Decision{Due: 3611 * sec, Next: 3605 * sec}},
		{"never put off", Snapshot{Up: 3600 * sec, Changed: 3599 * sec, Known: 9, Round: Round{Seeds: 8, Vain: 1, Began: 3500 * sec, Ended: 3540 * sec}}, Decision{Ask: 3, Due: 3600 * sec, Next: 3605 * sec}},
		{"changed before", Snapshot{Up: 5 * sec, Changed: sec, Round: Round{Seeds: 8, Vain: 1, Began: 2 * sec, Ended: 2 * sec}}, Decision{Due: 62 * sec, Next: 10 * sec}},
		{"they had told something", Snapshot{Up: 5 * sec, Changed: 3 * sec, Round: Round{Seeds: 8, Vain: 1, Ended: sec, Told: 1}}, Decision{Due: 61 * sec, Next: 10 * sec}},

		// Seed nodes.
		{"node before seeds", Snapshot{Round: before, Nodes: Nodes{Count: 2, Waiting: 2}}, Decision{Fetch: true, Due: 30 * sec, Next: 5 * sec}},
		{"the book before the node", Snapshot{Up: 9 * sec, Known: 1, Round: before, Nodes: Nodes{Count: 2, Waiting: 2}}, Decision{Due: 30 * sec, Next: 10 * sec}},
		{"second node", Snapshot{Up: 10 * sec, Known: 1, Round: before, Nodes: Nodes{Count: 2, Waiting: 1}}, Decision{Fetch: true, Due: 30 * sec, Next: 15 * sec}},
		{"seeds after the nodes", Snapshot{Up: 30 * sec, Known: 1, Round: before, Nodes: Nodes{Count: 2, Last: 10 * sec, Vain: 1}}, Decision{Ask: 3, Due: 30 * sec, Next: 35 * sec}},
		{"nodes again", Snapshot{Up: 70 * sec, Known: 1, Nodes: Nodes{Count: 2, Last: 10 * sec, Vain: 1}}, Decision{Fetch: true, Due: Never, Next: 75 * sec}},
		{"nodes later", Snapshot{Up: 70 * sec, Known: 1, Nodes: Nodes{Count: 2, Last: 10 * sec, Vain: 2}}, Decision{Due: Never, Next: 75 * sec}},
		{"no node with peers enough", Snapshot{Up: 70 * sec, Peers: 2, Nodes: Nodes{Count: 2, Waiting: 2}}, Decision{Due: Never, Next: 75 * sec}},
	} {
		if got := (Policy{}).Decide(tt.s); got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

func TestPolicyOptions(t *testing.T) {
	before := Round{Seeds: 8, Waiting: 8}
	p := Policy{EnoughPeers: 1, AtOnce: 2, FewDelay: -1, NodeTime: -1, Poll: time.Hour}
	if got, want := p.Decide(Snapshot{Known: 9, Round: before, Nodes: Nodes{Count: 1}}), (Decision{Ask: 2, Next: minute}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := p.Decide(Snapshot{Peers: 1, Round: before}), (Decision{Due: Never, Next: time.Hour}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if p = (Policy{RetryMin: 2 * time.Hour}).withDefaults(); p.RetryMax != 2*time.Hour {
		t.Errorf("RetryMax %v below RetryMin", p.RetryMax)
	}
}

// The manners hold whatever seeds, peers, the book and the network do.
func TestManners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Policy
		p = p.withDefaults()
		seeds := rapid.IntRange(0, 9).Draw(t, "seeds")
		s := newSnapshot(seeds, rapid.IntRange(0, 3).Draw(t, "nodes"))
		const long = -time.Hour
		asked := make([]time.Duration, seeds) // when, each seed
		round := make([]time.Duration, seeds) // when the round began in which it was
		for i := range asked {
			asked[i] = long
		}
		lastNode := long
		var order []int // of the seeds that are not asked in this round
		jitter := rapid.Float64Range(0, 0.999)
		known, peers := rapid.IntRange(0, 3).Draw(t, "known"), 0
		var up time.Duration

		// look does as Run does until there is nothing to do.
		look := func() Decision {
			for range seeds + 10 {
				s.see(p.EnoughPeers, up, known, peers)
				d := p.Decide(s)
				if again := p.Decide(s); again != d {
					t.Fatalf("%+v, then %+v", d, again)
				}
				if peers >= p.EnoughPeers && (d.Ask > 0 || d.Fetch || d.Due != Never) {
					t.Fatalf("%+v with %d peers", d, peers)
				}
				if d.Next <= up || d.Next > up+p.Poll {
					t.Fatalf("looks again at %v at %v", d.Next, up)
				}
				if d.Ask == 0 && !d.Fetch {
					return d
				}
				if d.Fetch {
					if up-lastNode < p.NodeGap || known > 0 && up-s.Lonely < p.NodeGap {
						t.Fatalf("a seed node at %v, one at %v; lonely since %v", up, lastNode, s.Lonely)
					}
					lastNode = up
					s.fetch(jitter.Draw(t, "jitter"))
				}
				for range d.Ask {
					begins := s.ask(jitter.Draw(t, "jitter"))
					if begins {
						order = rapid.Permutation(numbers(seeds)).Draw(t, "order")
					}
					if known > 0 && !(s.Round.Fresh && !begins) && up-s.Lonely < p.delay(known) {
						t.Fatalf("seeds asked %v after the peers went, with %d known", up-s.Lonely, known)
					}
					i := order[0]
					order = order[1:]
					gap := p.RetryMin
					if s.Changed > round[i] {
						gap = p.ChangeGap
					}
					if up-asked[i] < gap {
						t.Fatalf("a seed asked at %v and %v, network changed at %v", asked[i], up, s.Changed)
					}
					asked[i], round[i] = up, s.Round.Began
				}
				if s.Round.Open > p.AtOnce || order != nil && s.Round.Waiting != len(order) {
					t.Fatalf("%+v", s.Round)
				}
			}
			t.Fatal("there is no end to what is to be done")
			return Decision{}
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			d := look()
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1, 2:
				up = d.Next
			case 3:
				up += time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds")) * sec
			case 4:
				if s.Round.Open > 0 {
					told := rapid.IntRange(0, 2).Draw(t, "told")
					s.Up = up
					s.end(told)
					known += told
				}
			case 5:
				peers = rapid.IntRange(0, 3).Draw(t, "peers")
				known = rapid.SampledFrom([]int{0, known, 5, 1000}).Draw(t, "known")
			case 6:
				s.Changed = up
			}
		}
	})
}

// However long nobody answers, the seeds are asked again and again, and ever less.
func TestPatience(t *testing.T) {
	for _, known := range []int{0, 1, 5000} {
		t.Run(fmt.Sprint(known, " known"), func(t *testing.T) {
			var p Policy
			s := newSnapshot(4, 0)
			var up time.Duration
			var began []time.Duration
			for up < 24*time.Hour {
				s.see(2, up, known, 0)
				d := p.Decide(s)
				for range d.Ask {
					if s.ask(0.999) {
						began = append(began, up)
					}
					s.end(0)
				}
				if d.Ask == 0 {
					up = d.Next
				}
			}
			if n := len(began); n < 20 || n > 32 {
				t.Errorf("%d rounds in a day", n)
			}
			for i := 2; i < len(began); i++ {
				gap, last := began[i]-began[i-1], began[i-1]-began[i-2]
				if gap < last || gap > 2*time.Hour {
					t.Errorf("round %d comes after %v, the one before after %v", i, gap, last)
				}
			}
		})
	}
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
