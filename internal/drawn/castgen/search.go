package main

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"

	"golang.org/x/sync/errgroup"

	"facestream/internal/drawn"
)

// member is a person with the embeddings of the first shots.
type member struct {
	person drawn.Person
	views  []view

	taken    bool // has a place in the cast
	enlarged bool // the large drawings were looked at
	unfit    bool // a shot doesn't work
}

// likeness is the highest similarity between the enrolled view of known, its
// first, and any view of probe.
func (m meter) likeness(known, probe *member) float64 {
	most := -2.0
	for _, v := range probe.views {
		most = max(most, m.most(known.views[0], v))
	}
	return most
}

// search finds a cast whose members a network takes for different people.
type search struct {
	meter meter
	dice  *rand.Rand
	cast  []*member // enrolled first, then strangers
	seen  []*member // everybody who was ever looked at
}

// pain is what keeping c at place i costs: the sum of a steep function of its
// likeness to the others, because the worst pair is what counts; whoever is unfit
// costs more than any limit. It stops at limit.
func (s *search) pain(c *member, i int, limit float64) float64 {
	if c.unfit {
		return math.Inf(1)
	}
	var sum float64
	for j, other := range s.cast {
		if j == i {
			continue
		}
		weight, most := 1.0, -2.0
		if j < drawn.Enrolled {
			most = s.meter.likeness(other, c)
		}
		if i < drawn.Enrolled {
			most = max(most, s.meter.likeness(c, other))
		}
		if i >= drawn.Enrolled && j >= drawn.Enrolled {
			// They never meet in a gallery, but shall not look the same either.
			weight, most = 0.02, s.meter.likeness(other, c)
		}
		if sum += weight * math.Exp(40*most); sum >= limit {
			return sum
		}
	}
	return sum
}

func (s *search) painAt(i int) float64 { return s.pain(s.cast[i], i, math.Inf(1)) }

// meet looks at the first shot of a person.
func (s *search) meet(ctx context.Context, p drawn.Person) (*member, error) {
	m := &member{person: p}
	v, ok, err := s.meter.look(ctx, p, 0, side)
	if err != nil {
		return nil, err
	}
	m.views, m.unfit = []view{v}, !ok
	if ok {
		s.seen = append(s.seen, m)
	}
	return m, nil
}

// draw meets n people drawn at random, as many at once as there are processors.
func (s *search) draw(ctx context.Context, n int) error {
	people := make([]*member, n)
	for i := range people {
		people[i] = &member{person: drawn.New(s.dice.Uint64())}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, m := range people {
		g.Go(func() error {
			v, ok, err := s.meter.look(ctx, m.person, 0, side)
			m.views, m.unfit = []view{v}, !ok
			return err
		})
	}
	err := g.Wait()
	for _, m := range people {
		if !m.unfit {
			s.seen = append(s.seen, m)
		}
	}
	return err
}

// complete looks at the other shots of m, and finds it unfit where one does not
// work or is not clearly the same person.
func (s *search) complete(ctx context.Context, m *member) error {
	for n := len(m.views); n < shots && !m.unfit; n++ {
		v, ok, err := s.meter.look(ctx, m.person, n, side)
		if err != nil {
			return err
		}
		m.unfit = !ok || s.meter.least(m.views[0], v) < minGenuine
		m.views = append(m.views, v)
	}
	return nil
}

// enlarge finds m unfit where a large drawing does not work.
func (s *search) enlarge(ctx context.Context, m *member) error {
	for n := 0; n < shots && !m.unfit && !m.enlarged; n++ {
		_, ok, err := s.meter.look(ctx, m.person, n, large)
		if err != nil {
			return err
		}
		m.unfit = !ok
	}
	m.enlarged = true
	return nil
}

// place gives place i to m if that hurts less than limit, the pain of who has it,
// and reports whether it did.
func (s *search) place(ctx context.Context, m *member, i int, limit float64) (bool, error) {
	if m.taken || s.pain(m, i, limit) >= limit { // more shots only make it worse
		return false, nil
	}
	for _, look := range []func(context.Context, *member) error{s.complete, s.enlarge} {
		if err := look(ctx, m); err != nil || s.pain(m, i, limit) >= limit {
			return false, err
		}
	}
	s.cast[i].taken, m.taken = false, true
	s.cast[i] = m
	return true, nil
}

// settle offers every place to everybody who was ever seen until nobody moves.
func (s *search) settle(ctx context.Context) error {
	for moved := true; moved; {
		moved = false
		for i := range s.cast {
			limit := s.painAt(i)
			for _, m := range s.seen {
				ok, err := s.place(ctx, m, i, limit)
				if err != nil {
					return err
				}
				if ok {
					moved, limit = true, s.painAt(i)
				}
			}
		}
	}
	return nil
}

// explore looks at a sibling of a member, who differs in one or two genes, and
// offers it the places, the member's own first.
func (s *search) explore(ctx context.Context) error {
	i := s.dice.IntN(len(s.cast))
	if s.dice.IntN(2) == 0 {
		i = s.worst()
	}
	p := s.cast[i].person
	for range 1 + s.dice.IntN(2) {
		p = p.Sibling(s.dice.IntN(drawn.Genes), s.dice.IntN(drawn.Alleles))
	}
	m, err := s.meet(ctx, p)
	if err != nil {
		return err
	}
	for j := range s.cast {
		at := (i + j) % len(s.cast)
		if ok, err := s.place(ctx, m, at, s.painAt(at)); ok || err != nil {
			return err
		}
	}
	return nil
}

// worst is the place that hurts most.
func (s *search) worst() int {
	most, place := -1.0, 0
	for i := range s.cast {
		if p := s.painAt(i); p > most {
			most, place = p, i
		}
	}
	return place
}

// margins are the similarities above the packs' thresholds that decide whether
// the demo answers rightly.
type margins struct {
	// Genuine is the lowest between the enrolled shot 0 of a person and another shot of the same.
	Genuine float64
	// Enrolled is the highest between shot 0 of an enrolled person and any shot of another one.
	Enrolled float64
	// Strangers is the highest between shot 0 of an enrolled person and any shot of a stranger.
	Strangers float64
}

func (s *search) measure() margins {
	m := margins{2, -2, -2}
	for i, probe := range s.cast {
		for _, v := range probe.views[1:] {
			m.Genuine = min(m.Genuine, s.meter.least(probe.views[0], v))
		}
		for j, known := range s.cast[:drawn.Enrolled] {
			switch c := s.meter.likeness(known, probe); {
			case i == j:
			case i < drawn.Enrolled:
				m.Enrolled = max(m.Enrolled, c)
			default:
				m.Strangers = max(m.Strangers, c)
			}
		}
	}
	return m
}
