package main

import (
	"context"
	"math"
	"math/rand/v2"

	"facestream/internal/portraits"
)

// member is a person with the embeddings of the first shots.
type member struct {
	person portraits.Person
	views  [][]float32
}

// likeness is the highest cosine between the enrolled view of known, its first,
// and any view of probe.
func likeness(known, probe member) float64 {
	most := -1.0
	for _, v := range probe.views {
		most = max(most, cosine(known.views[0], v))
	}
	return most
}

// search finds a cast whose members a network takes for different people.
type search struct {
	meter meter
	dice  *rand.Rand
	cast  []member // enrolled first, then strangers
}

// pain is what keeping c at place i costs: the sum of a steep function of its
// likeness to the others, because the worst pair is what counts. It stops at
// limit.
func (s *search) pain(c member, i int, limit float64) float64 {
	var sum float64
	for j, other := range s.cast {
		if j == i {
			continue
		}
		weight, most := 1.0, -1.0
		if j < portraits.Enrolled {
			most = likeness(other, c)
		}
		if i < portraits.Enrolled {
			most = max(most, likeness(c, other))
		}
		if i >= portraits.Enrolled && j >= portraits.Enrolled {
			// They never meet in a gallery, but shall not look the same either.
			weight, most = 0.02, likeness(other, c)
		}
		if sum += weight * math.Exp(40*most); sum >= limit {
			return sum
		}
	}
	return sum
}

// draw fills the cast from a pool of random people, by their first shot: places
// are given again and again to whoever suits best, until nobody moves.
func (s *search) draw(ctx context.Context, pool, size int) error {
	var people []member
	for range pool {
		m := member{person: portraits.New(s.dice.Uint64())}
		v, ok, err := s.meter.look(ctx, m.person, 0)
		if err != nil {
			return err
		}
		if ok {
			m.views = [][]float32{v}
			people = append(people, m)
		}
	}
	s.cast = append(s.cast, people[:size]...)
	people = people[size:]
	for moved := true; moved; {
		moved = false
		for i := range s.cast {
			least := s.pain(s.cast[i], i, math.Inf(1))
			for k := range people {
				if p := s.pain(people[k], i, least); p < least {
					least, moved = p, true
					s.cast[i], people[k] = people[k], s.cast[i]
				}
			}
		}
	}
	return nil
}

// complete measures the shots that the members lack.
func (s *search) complete(ctx context.Context) error {
	for i := range s.cast {
		if _, err := s.views(ctx, &s.cast[i]); err != nil {
			return err
		}
	}
	return nil
}

// views measures the missing shots of m; ok is false where one doesn't work.
func (s *search) views(ctx context.Context, m *member) (ok bool, err error) {
	for n := len(m.views); n < shots; n++ {
		v, ok, err := s.meter.look(ctx, m.person, n)
		if err != nil || !ok {
			return false, err
		}
		m.views = append(m.views, v)
	}
	return true, nil
}

// improve tries to replace a member by a sibling who differs in one or two genes
// and is less like the others. It reports whether it did.
func (s *search) improve(ctx context.Context) (bool, error) {
	i := s.dice.IntN(len(s.cast))
	if s.dice.IntN(2) == 0 {
		i = s.worst()
	}
	limit := s.pain(s.cast[i], i, math.Inf(1))
	c := member{person: s.cast[i].person}
	for range 1 + s.dice.IntN(2) {
		c.person = c.person.Sibling(s.dice.IntN(portraits.Genes), s.dice.IntN(portraits.Alleles))
	}
	v, ok, err := s.meter.look(ctx, c.person, 0)
	if err != nil || !ok {
		return false, err
	}
	c.views = append(c.views, v)
	if s.pain(c, i, limit) >= limit { // more shots only make it worse
		return false, nil
	}
	if ok, err := s.views(ctx, &c); err != nil || !ok || s.pain(c, i, limit) >= limit {
		return false, err
	}
	s.cast[i] = c
	return true, nil
}

// worst is the place that costs most.
func (s *search) worst() int {
	most, place := -1.0, 0
	for i, m := range s.cast {
		if p := s.pain(m, i, math.Inf(1)); p > most {
			most, place = p, i
		}
	}
	return place
}

// margins are the cosines that decide whether the demo answers rightly.
type margins struct {
	// Genuine is the lowest between the enrolled shot 0 of a person and another shot of the same.
	Genuine float64
	// Enrolled is the highest between shot 0 of an enrolled person and any shot of another one.
	Enrolled float64
	// Strangers is the highest between shot 0 of an enrolled person and any shot of a stranger.
	Strangers float64
}

func measure(cast []member) margins {
	m := margins{1, -1, -1}
	for i, probe := range cast {
		for _, v := range probe.views[1:] {
			m.Genuine = min(m.Genuine, cosine(probe.views[0], v))
		}
		for j, known := range cast[:portraits.Enrolled] {
			switch c := likeness(known, probe); {
			case i == j:
			case i < portraits.Enrolled:
				m.Enrolled = max(m.Enrolled, c)
			default:
				m.Strangers = max(m.Strangers, c)
			}
		}
	}
	return m
}
