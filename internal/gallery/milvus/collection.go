package milvus

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// Index is how the server finds the rows nearest to a probe.
type Index string

// The indexes of a new collection.
const (
	HNSW    Index = "HNSW"     // a graph: fast, approximate, the most memory
	FLAT    Index = "FLAT"     // compares every row: exact, its time grows with the collection
	IVFFlat Index = "IVF_FLAT" // compares the rows of the nearest clusters: approximate
)

const (
	hnswLinks   = 16  // M: neighbours of a row in the graph
	hnswEffort  = 200 // efConstruction: candidates for them
	ivfClusters = 1024
	ivfSearched = 64  // nprobe: clusters that a search compares
	minEffort   = 256 // ef: candidates of a search in the graph, at least
)

func (i Index) definition() entity.Index {
	params := map[string]string{"metric_type": string(entity.COSINE), "index_type": string(i)}
	switch i {
	case HNSW:
		params["params"] = fmt.Sprintf(`{"M":%d,"efConstruction":%d}`, hnswLinks, hnswEffort)
	case IVFFlat:
		params["params"] = fmt.Sprintf(`{"nlist":%d}`, ivfClusters)
	}
	return entity.NewGenericIndex(vectorField, entity.IndexType(i), params)
}

// effort says how thoroughly a search for limit rows looks. It has the parameters of every index, because a collection keeps
// the index that it was created with. Each index ignores the parameters of the others.
type effort struct{ limit int }

// Params implements entity.SearchParam.
func (e effort) Params() map[string]any {
	return map[string]any{"ef": max(2*e.limit, minEffort), "nprobe": ivfSearched}
}

// AddRadius implements entity.SearchParam; no search here has a radius.
func (effort) AddRadius(float64) {}

// AddRangeFilter implements entity.SearchParam; no search here has a range.
func (effort) AddRangeFilter(float64) {}

// collection says where the rows of a collection are and what it is tied to.
type collection struct {
	name string // of the Milvus collection
	tie  gallery.Tie
}

// maxName is the longest name that the server takes.
const maxName = 255

const modelMark = "__" // between alias and model; escaped names never hold it

func (g *Gallery) alias(c schema.Collection) string { return g.cfg.Prefix + "_" + escape(string(c)) }

func (g *Gallery) deletions() string { return g.cfg.Prefix + modelMark + "deletions" }

func (g *Gallery) tombstones() string { return g.cfg.Prefix + modelMark + "tombstones" }

// escape writes s as letters, digits and underscores, so that different texts stay different.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch x := s[i]; {
		case 'a' <= x && x <= 'z', 'A' <= x && x <= 'Z', '0' <= x && x <= '9':
			b.WriteByte(x)
		default:
			fmt.Fprintf(&b, "_%02x", x)
		}
	}
	return b.String()
}

// unescape reads what escape writes.
func unescape(s string) (string, error) {
	head, rest, escaped := strings.Cut(s, "_")
	if !escaped {
		return s, nil
	}
	if len(rest) < 2 {
		return "", errors.New("an escaped byte is cut off")
	}
	x, err := hex.DecodeString(rest[:2])
	if err != nil {
		return "", err
	}
	tail, err := unescape(rest[2:])
	return head + string(x) + tail, err
}

// resolve finds the collection c. It asks the server every time, because another process may have created the collection or
// switched it to another model.
func (g *Gallery) resolve(ctx context.Context, op string, c schema.Collection) (collection, error) {
	var found *entity.Collection
	err := g.call(ctx, g.cfg.Timeout, func(ctx context.Context) error {
		var err error
		found, err = g.client.DescribeCollection(ctx, g.alias(c))
		return err
	})
	if refused(err, codeNotFound) {
		return collection{}, gallery.Unknown(op, c)
	}
	if err != nil {
		return collection{}, transient(op, err)
	}
	col, err := g.tied(c, found)
	if err != nil {
		return collection{}, schema.Fatal(op, fmt.Errorf("the alias %s in Milvus stands for %s, which this program did not create; choose another prefix or remove the alias",
			g.alias(c), found.Name))
	}
	return col, nil
}

// tied reads from the server's description which Milvus collection of c it is and what it is tied to.
func (g *Gallery) tied(c schema.Collection, found *entity.Collection) (collection, error) {
	escaped, ours := strings.CutPrefix(found.Name, g.alias(c)+modelMark)
	model, err := unescape(escaped)
	col := collection{name: found.Name, tie: gallery.Tie{Model: schema.ModelID(model)}}
	for _, f := range found.Schema.Fields {
		if f.Name == vectorField && err == nil {
			col.tie.Dimension, err = strconv.Atoi(f.TypeParams[entity.TypeParamDim])
		}
	}
	if err == nil && (!ours || col.tie.Dimension == 0) {
		err = errors.New("this program did not create it")
	}
	return col, err
}

// create creates the collection c for the model and dimension of tie, unless another process was first. The alias decides:
// whoever sets it first ties the collection, and the others use what it stands for. The empty Milvus collection of the others
// stays behind unloaded. Dropping it could hit a process that is about to use it.
func (g *Gallery) create(ctx context.Context, op string, c schema.Collection, tie gallery.Tie) (collection, error) {
	g.creating.Lock()
	defer g.creating.Unlock()
	if col, err := g.resolve(ctx, op, c); schema.ReasonOf(err) != schema.ReasonUnknownCollection {
		return col, err
	}
	name, err := g.name(op, c, tie.Model)
	if err != nil {
		return collection{}, err
	}
	if err := g.makeRows(ctx, name, tie.Dimension); err != nil {
		return collection{}, transient(op, err)
	}
	aliasErr := g.call(ctx, g.cfg.Timeout, func(ctx context.Context) error { return g.client.CreateAlias(ctx, name, g.alias(c)) })
	col, err := g.resolve(ctx, op, c)
	if schema.ReasonOf(err) == schema.ReasonUnknownCollection && aliasErr != nil {
		err = transient(op, aliasErr)
	}
	if err != nil {
		return collection{}, err
	}
	return col, transient(op, g.load(ctx, col.name))
}

// name is the name of the Milvus collection for c under model. The error is permanent: the name is too long.
func (g *Gallery) name(op string, c schema.Collection, model schema.ModelID) (string, error) {
	name := g.alias(c) + modelMark + escape(string(model))
	if len(name) > maxName {
		return "", schema.Permanent(op, schema.ReasonInvalidRequest,
			fmt.Errorf("the names of collection %q and model %q are too long together for Milvus; use a shorter collection name", c, model))
	}
	return name, nil
}

// makeMemory creates the memory of deletions.
func (g *Gallery) makeMemory(ctx context.Context) error {
	g.creating.Lock()
	defer g.creating.Unlock()
	for _, memory := range []*entity.Schema{deletions(g.deletions()), tombstones(g.tombstones())} {
		if err := g.make(ctx, memory, FLAT); err != nil {
			return err
		}
		if memory.CollectionName == g.tombstones() {
			if err := g.indexText(ctx, memory.CollectionName, personField); err != nil {
				return err
			}
		}
		if err := g.load(ctx, memory.CollectionName); err != nil {
			return err
		}
	}
	return nil
}

// make creates a Milvus collection with an index. Either may be there already: another process created it, or an earlier try
// that ended half-way.
func (g *Gallery) make(ctx context.Context, s *entity.Schema, index Index) error {
	name := s.CollectionName
	err := g.call(ctx, g.cfg.Timeout, func(ctx context.Context) error {
		if has, err := g.client.HasCollection(ctx, name); has || err != nil {
			return err
		}
		if err := g.client.CreateCollection(ctx, s, shards); err != nil {
			if has, _ := g.client.HasCollection(ctx, name); !has {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	return g.index(ctx, name, vectorField, index.definition())
}

// index has the server index a field if it does not do so yet.
func (g *Gallery) index(ctx context.Context, name, field string, definition entity.Index) error {
	err := g.call(ctx, g.cfg.Timeout, func(ctx context.Context) error {
		if there, err := g.client.DescribeIndex(ctx, name, field); err == nil && len(there) > 0 {
			return nil
		}
		// Without waiting: the index covers new rows anyway, and the SDK would wait for ever if the server went away.
		err := g.client.CreateIndex(ctx, name, field, definition, true)
		if err != nil {
			if there, _ := g.client.DescribeIndex(ctx, name, field); len(there) > 0 {
				return nil
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("index %s of %s: %w", field, name, err)
	}
	return nil
}

// makeRows creates a Milvus collection for rows.
func (g *Gallery) makeRows(ctx context.Context, name string, dimension int) error {
	if err := g.make(ctx, faces(name, dimension), g.cfg.Index); err != nil {
		return err
	}
	return g.indexText(ctx, name, puidField)
}

// indexText indexes rows by a field of text. Servers from 2.4 on have one kind of index for that, earlier ones another. A
// server with neither finds the same rows more slowly.
func (g *Gallery) indexText(ctx context.Context, name, field string) error {
	for _, kind := range []entity.IndexType{entity.Inverted, entity.Trie} {
		err := g.index(ctx, name, field, entity.NewScalarIndexWithType(kind))
		if _, refused := errors.AsType[*refusal](err); !refused {
			return err
		}
	}
	return nil
}

// indexExisting adds the index by person to the collections of earlier versions.
func (g *Gallery) indexExisting(ctx context.Context) error {
	all, err := g.names(ctx)
	if err != nil {
		return err
	}
	for _, names := range all {
		for _, name := range names {
			if err := g.indexText(ctx, name, puidField); err != nil {
				return err
			}
		}
	}
	return nil
}
