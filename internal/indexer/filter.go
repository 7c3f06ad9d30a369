package indexer

import (
	"cmp"
	"context"
	"slices"

	"facestream/internal/directory"
	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// How a filtered search goes on where the filter leaves many people.
const (
	chosenAtOnce = 2000 // people whom one search of the gallery compares
	mostSimilar  = 256  // of the whole collection, which are looked at first
)

// search answers the probe of a with up to k persons whom its filter leaves. The answer is that of a search that compares
// these people alone, exact where the gallery is.
//
// Up to chosenAtOnce people are compared alone. Of more, those are taken first who are among the most similar of the whole
// collection; if that makes k, or the others are not similar enough to be candidates, nobody else can be in the answer.
// Otherwise the people are compared group by group.
func (s *Service) search(ctx context.Context, a *schema.Analysis, k int) ([]gallery.Match, error) {
	if a.Filter == nil {
		found := s.Gallery.Search(ctx, a.Collection, a.Probes, k)[0]
		return found.Value, found.Err
	}
	if s.Directory == nil {
		return nil, noDirectory("predict with filter")
	}
	page, err := s.chosen(ctx, a, "")
	if err != nil {
		return nil, err
	}
	if page.Next != "" {
		found, enough, err := s.fromMostSimilar(ctx, a, k)
		if enough || err != nil {
			return found, err
		}
	}
	var best []gallery.Match
	for {
		if len(page.Persons) > 0 {
			found := s.Gallery.Search(ctx, a.Collection, a.Probes, k, puids(page.Persons)...)[0]
			if found.Err != nil {
				return nil, found.Err
			}
			best = append(best, found.Value...)
			slices.SortFunc(best, func(x, y gallery.Match) int {
				return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(x.Row.ID, y.Row.ID))
			})
			best = best[:min(k, len(best))]
		}
		if page.Next == "" {
			return best, nil
		}
		if page, err = s.chosen(ctx, a, page.Next); err != nil {
			return nil, err
		}
	}
}

// chosen returns a page of the people whom the filter of a leaves.
func (s *Service) chosen(ctx context.Context, a *schema.Analysis, after string) (directory.PersonPage, error) {
	return s.Directory.Persons(ctx, a.Collection, directory.Query{Filter: *a.Filter, After: after, Limit: chosenAtOnce, Bare: true})
}

// fromMostSimilar returns those of the most similar people whom the filter leaves. enough says that no others can be in the
// answer.
func (s *Service) fromMostSimilar(ctx context.Context, a *schema.Analysis, k int) (left []gallery.Match, enough bool, err error) {
	all := s.Gallery.Search(ctx, a.Collection, a.Probes, mostSimilar)[0]
	if all.Err != nil {
		return nil, false, all.Err
	}
	matches := all.Value
	for batch := range slices.Chunk(matches, schema.MaxFilterNames) {
		f := *a.Filter
		f.PUIDs = nil
		for _, m := range batch {
			if len(a.Filter.PUIDs) == 0 || slices.Contains(a.Filter.PUIDs, m.Row.PUID) {
				f.PUIDs = append(f.PUIDs, m.Row.PUID)
			}
		}
		if len(f.PUIDs) == 0 {
			continue
		}
		page, err := s.Directory.Persons(ctx, a.Collection, directory.Query{Filter: f, Limit: len(f.PUIDs), Bare: true})
		if err != nil {
			return nil, false, err
		}
		for _, m := range batch {
			if slices.Contains(puids(page.Persons), m.Row.PUID) {
				left = append(left, m)
			}
		}
	}
	lowest := a.Thresholds.Min
	if a.DocumentThresholds != nil {
		lowest = min(lowest, a.DocumentThresholds.Min)
	}
	enough = len(left) >= k || len(matches) < mostSimilar || matches[len(matches)-1].Score < lowest
	return left[:min(k, len(left))], enough, nil
}

func puids(persons []schema.Person) []schema.PUID {
	out := make([]schema.PUID, len(persons))
	for i, p := range persons {
		out[i] = p.PUID
	}
	return out
}
