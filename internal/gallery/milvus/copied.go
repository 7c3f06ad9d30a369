package milvus

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// This file is about collections that were copied from a local gallery. Its memory of deletions comes with them. The local
// gallery keeps that under hashes that contain the number of a collection, so that number is kept too, under numberKey.

// Export is List with the embeddings, of unit length. A page has at most maxPage rows.
func (g *Gallery) Export(ctx context.Context, c schema.Collection, after string, limit int) (gallery.Page, error) {
	const op = "gallery.export"
	page, err := g.List(ctx, c, after, limit)
	if err != nil {
		return page, err
	}
	col, err := g.resolve(ctx, op, c)
	if err != nil {
		return page, err
	}
	ids := make([]string, len(page.Rows))
	for i, r := range page.Rows {
		ids[i] = r.ID
	}
	found, err := g.rows(ctx, col, ids)
	if err != nil {
		return page, transient(op, err)
	}
	there := page.Rows[:0]
	for _, r := range page.Rows {
		if s, ok := found[r.ID]; ok { // else it was deleted since
			r.Embedding = schema.Embedding{Model: col.tie.Model, Vector: s.vector}
			there = append(there, r)
		}
	}
	page.Rows = there
	return page, nil
}

// Adopt takes over the memory of deletions of a local gallery. It can be repeated. The error is permanent if a collection was
// copied from another local gallery before.
func (g *Gallery) Adopt(ctx context.Context, d gallery.Deletions) error {
	const op = "gallery.adopt"
	for c, number := range d.Numbers {
		before, err := g.recall(ctx, []string{numberKey(c)})
		if err != nil {
			return transient(op, err)
		}
		if n, ok := before[numberKey(c)]; ok && int64(n) != number {
			return schema.Permanent(op, schema.ReasonInvalidRequest, fmt.Errorf("collection %q was copied from another local gallery before, and the deletions of two cannot be kept apart; copy into another Milvus or under another indexer.gallery.milvus.prefix", c))
		}
		if err := g.remember(ctx, []string{numberKey(c)}, int(number)); err != nil {
			return transient(op, err)
		}
	}
	var stones []tombstone
	for key, orders := range d.Tombstones {
		if len(orders) == 0 {
			stones = append(stones, tombstone{key: hexKey(key)})
		} else {
			stones = append(stones, tombstoneOf(key, "copied", orders))
		}
	}
	if err := g.bury(ctx, stones...); err != nil {
		return transient(op, err)
	}
	byCount := map[int][]string{}
	for key, n := range d.Counts {
		byCount[n] = append(byCount[n], hex.EncodeToString(key[:]))
	}
	for n, keys := range byCount {
		for part := range slices.Chunk(keys, batchRows) {
			if err := g.remember(ctx, part, -1-n); err != nil {
				return transient(op, err)
			}
		}
	}
	return nil
}

func numberKey(c schema.Collection) string { return deletionKey(c) }

// recallIn returns the counts that are remembered under keys of c. If c was copied, it also looks under the key that numbered
// returns for the i-th of them.
func (g *Gallery) recallIn(ctx context.Context, c schema.Collection, keys []string, numbered func(number int64, i int) gallery.DeletionKey) (map[string]int, error) {
	for {
		number, copied := g.numbers.Load(c)
		ask := append(slices.Clone(keys), numberKey(c))
		if copied {
			for i := range keys {
				key := numbered(number.(int64), i)
				ask = append(ask, hex.EncodeToString(key[:]))
			}
		}
		found, err := g.recall(ctx, ask)
		if err != nil {
			return nil, err
		}
		if n, ok := found[numberKey(c)]; ok && !copied {
			g.numbers.Store(c, int64(n))
			continue
		}
		out := map[string]int{}
		for i, key := range keys {
			if n, ok := found[key]; ok {
				out[key] = n
			} else if copied {
				if n, ok := found[ask[len(keys)+1+i]]; ok {
					out[key] = n
				}
			}
		}
		return out, nil
	}
}

// recallRows returns which of the rows of c were deleted.
func (g *Gallery) recallRows(ctx context.Context, c schema.Collection, ids []string) (map[string]bool, error) {
	keys := rowKeys(c, ids)
	found, err := g.recallIn(ctx, c, keys, func(number int64, i int) gallery.DeletionKey { return gallery.RowKey(number, ids[i]) })
	deleted := map[string]bool{}
	for i, key := range keys {
		if _, ok := found[key]; ok {
			deleted[ids[i]] = true
		}
	}
	return deleted, err
}
