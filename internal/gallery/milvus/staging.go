package milvus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

var _ gallery.Reader = (*Gallery)(nil)

// Collections implements [gallery.Reader].
func (g *Gallery) Collections(ctx context.Context) ([]gallery.Kept, error) {
	const op = "gallery.collections"
	names, err := g.names(ctx)
	if err != nil {
		return nil, transient(op, err)
	}
	var kept []gallery.Kept
	for c := range names {
		col, err := g.resolve(ctx, op, c)
		if schema.ReasonOf(err) == schema.ReasonUnknownCollection {
			continue // created, but never tied
		}
		if err != nil {
			return nil, err
		}
		kept = append(kept, gallery.Kept{Name: c, Tie: col.tie})
	}
	slices.SortFunc(kept, func(a, b gallery.Kept) int { return cmp.Compare(a.Name, b.Name) })
	return kept, nil
}

// names are the Milvus collections of each collection, one for each model.
func (g *Gallery) names(ctx context.Context) (map[schema.Collection][]string, error) {
	var all []*entity.Collection
	err := g.call(ctx, g.cfg.Timeout, func(ctx context.Context) error {
		var err error
		all, err = g.client.ListCollections(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	names := map[schema.Collection][]string{}
	for _, x := range all {
		rest, ours := strings.CutPrefix(x.Name, g.cfg.Prefix+"_")
		escaped, _, marked := strings.Cut(rest, modelMark)
		if !ours || !marked || escaped == "" {
			continue
		}
		if c, err := unescape(escaped); err == nil {
			names[schema.Collection(c)] = append(names[schema.Collection(c)], x.Name)
		}
	}
	return names, nil
}

// Staging is a [gallery.Staging] beside a [Gallery]. It stages each collection in the Milvus collection that its rows have under
// the other model.
type Staging struct {
	g   *Gallery
	tie gallery.Tie

	mu    sync.Mutex
	ready map[schema.Collection]bool // whose Milvus collection is there with everything that belongs to it
}

var _ gallery.Staging = (*Staging)(nil)

// Staging stages rows of tie for g. It does no I/O.
func (g *Gallery) Staging(tie gallery.Tie) *Staging {
	return &Staging{g: g, tie: tie, ready: map[schema.Collection]bool{}}
}

// staged finds the staged collection c. The error is fatal if that serves already.
func (s *Staging) staged(ctx context.Context, op string, c schema.Collection) (collection, error) {
	serving, err := s.g.resolve(ctx, op, c)
	if err != nil {
		return collection{}, err
	}
	if serving.tie.Model == s.tie.Model {
		return collection{}, schema.Fatal(op, fmt.Errorf("collection %q already serves under model %q", c, s.tie.Model))
	}
	name, err := s.g.name(op, c, s.tie.Model)
	if err != nil {
		return collection{}, err
	}
	var found *entity.Collection
	err = s.g.call(ctx, s.g.cfg.Timeout, func(ctx context.Context) error {
		var err error
		found, err = s.g.client.DescribeCollection(ctx, name)
		return err
	})
	if refused(err, codeNotFound) {
		return collection{}, gallery.Unknown(op, c)
	}
	if err != nil {
		return collection{}, transient(op, err)
	}
	col, err := s.g.tied(c, found)
	if err == nil {
		err = s.tie.Admit(op, c, col.tie)
	}
	if err != nil {
		return collection{}, schema.Fatal(op, fmt.Errorf("the staged collection %s in Milvus does not fit; discard what is staged: %w", name, err))
	}
	return s.make(ctx, op, c, col) // a crash may have left it incomplete
}

// stage finds the staged collection c or creates it.
func (s *Staging) stage(ctx context.Context, op string, c schema.Collection) (collection, error) {
	col, err := s.staged(ctx, op, c)
	if schema.ReasonOf(err) != schema.ReasonUnknownCollection {
		return col, err
	}
	name, err := s.g.name(op, c, s.tie.Model)
	if err != nil {
		return collection{}, err
	}
	return s.make(ctx, op, c, collection{name, s.tie})
}

func (s *Staging) make(ctx context.Context, op string, c schema.Collection, col collection) (collection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready[c] {
		return col, nil
	}
	err := s.g.makeRows(ctx, col.name, col.tie.Dimension)
	if err == nil {
		err = s.g.load(ctx, col.name)
	}
	s.ready[c] = err == nil
	return col, transient(op, err)
}

// Upsert implements [gallery.Staging].
func (s *Staging) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	const op = "gallery.stage"
	errs, _ := s.g.put(ctx, op, c, rows, func(gallery.Tie) (collection, error) { return s.stage(ctx, op, c) })
	return errs
}

// Remove implements [gallery.Staging].
func (s *Staging) Remove(ctx context.Context, c schema.Collection, ids []string) error {
	const op = "gallery.unstage"
	col, err := s.staged(ctx, op, c)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(ids, batchRows) {
		if err := s.g.erase(ctx, col, part); err != nil {
			return transient(op, err)
		}
	}
	return nil
}

// List implements [gallery.Staging]. A page has at most maxPage rows.
func (s *Staging) List(ctx context.Context, c schema.Collection, after string, limit int) (gallery.Page, error) {
	const op = "gallery.list"
	if err := gallery.CheckCount(op, "limit", limit); err != nil {
		return gallery.Page{}, err
	}
	col, err := s.staged(ctx, op, c)
	if err != nil {
		return gallery.Page{}, err
	}
	return s.g.list(ctx, op, col, after, limit, nil)
}

// Switch implements [gallery.Staging]. It switches the alias of each collection in one step and then drops what it stood for.
func (s *Staging) Switch(ctx context.Context, collections []schema.Collection) error {
	const op = "gallery.switch"
	for _, c := range collections {
		if serving, err := s.g.resolve(ctx, op, c); err != nil {
			return err
		} else if serving.tie.Model == s.tie.Model {
			continue // an earlier try did it
		}
		col, err := s.stage(ctx, op, c)
		if err != nil {
			return err
		}
		err = s.g.call(ctx, s.g.cfg.Timeout, func(ctx context.Context) error { return s.g.client.AlterAlias(ctx, col.name, s.g.alias(c)) })
		if err != nil {
			return transient(op, fmt.Errorf("collection %q was not switched: %w", c, err))
		}
	}
	if err := s.drop(ctx, op, func(name string, serving collection) bool {
		return serving.tie.Model == s.tie.Model && name != serving.name
	}); err != nil {
		return transient(op, fmt.Errorf("switched, but what served before is not yet dropped: %w", err))
	}
	return nil
}

// Discard drops what is staged.
func (s *Staging) Discard(ctx context.Context) error {
	const op = "gallery.discard"
	return transient(op, s.drop(ctx, op, func(name string, serving collection) bool {
		_, model, _ := strings.Cut(name, modelMark)
		return model == escape(string(s.tie.Model)) && name != serving.name
	}))
}

// drop drops the Milvus collections for which right returns true. It skips collections that do not serve.
func (s *Staging) drop(ctx context.Context, op string, right func(name string, serving collection) bool) error {
	all, err := s.g.names(ctx)
	if err != nil {
		return err
	}
	for c, names := range all {
		serving, err := s.g.resolve(ctx, op, c)
		if schema.ReasonOf(err) == schema.ReasonUnknownCollection {
			continue
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if !right(name, serving) {
				continue
			}
			if err := s.g.call(ctx, s.g.cfg.Timeout, func(ctx context.Context) error { return s.g.client.DropCollection(ctx, name) }); err != nil {
				return fmt.Errorf("drop %s: %w", name, err)
			}
		}
	}
	return nil
}
