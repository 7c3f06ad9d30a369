package directory

import (
	"context"
	"time"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// Lister is what a gallery and its reader have in common.
type Lister interface {
	List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (gallery.Page, error)
}

// pageSize is the number of rows that are read from a gallery at a time.
const pageSize = 500

// ImageOf returns what the directory keeps of a row of the gallery.
func ImageOf(r gallery.Row) schema.PersonImage {
	i := schema.PersonImage{GUID: r.ID, PUID: r.PUID, Created: r.Created}
	if r.Source != nil {
		i.Object = &r.Source.Image
	}
	return i
}

// RowsOf returns the rows of a person; none if the collection is unknown.
func RowsOf(ctx context.Context, g Lister, c schema.Collection, people ...schema.PUID) (rows []gallery.Row, err error) {
	for after := ""; ; {
		page, err := g.List(ctx, c, after, pageSize, people...)
		if schema.ReasonOf(err) == schema.ReasonUnknownCollection {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Rows...)
		if after = page.Next; after == "" {
			return rows, nil
		}
	}
}

// ErasureOf erases a person, except the images that the gallery still holds because they are younger than the deletion.
func ErasureOf(ctx context.Context, g Lister, c schema.Collection, puid schema.PUID) (Erase, error) {
	rows, err := RowsOf(ctx, g, c, puid)
	act := Erase{PUID: puid}
	for _, row := range rows {
		act.Left = append(act.Left, ImageOf(row))
	}
	return act, err
}

// Take adds rows of the gallery to the directory, with the persons whom they show.
func Take(ctx context.Context, w Writer, c schema.Collection, rows []gallery.Row) error {
	var people []schema.PUID
	acts := map[schema.PUID]*Adopt{}
	for _, r := range rows {
		a := acts[r.PUID]
		if a == nil {
			a = &Adopt{PUID: r.PUID, ExternalID: r.ExternalID}
			acts[r.PUID] = a
			people = append(people, r.PUID)
		}
		if r.Consent != nil {
			a.Consent = r.Consent
		}
		a.Images = append(a.Images, ImageOf(r))
	}
	var changes []Change
	for _, puid := range people {
		changes = append(changes, Change{Collection: c, At: time.Now(), Act: *acts[puid]})
	}
	if len(changes) == 0 {
		return nil
	}
	for _, out := range w.Apply(ctx, changes) {
		if out.Err != nil {
			return out.Err
		}
	}
	return nil
}

// Backfill takes over whoever a gallery holds that was filled before there was a directory, and returns how many images there
// were. It may run while indexers serve both: a person who is deleted meanwhile is not brought back. After a crash it begins
// again with the collection that it was at, which changes nothing that is there.
func Backfill(ctx context.Context, d Directory, g gallery.Reader) (images int, err error) {
	collections, err := g.Collections(ctx)
	if err != nil {
		return 0, err
	}
	for _, k := range collections {
		if filled, err := d.Filled(ctx, k.Name); err != nil || filled {
			if err != nil {
				return images, err
			}
			continue
		}
		for after := ""; ; {
			page, err := g.List(ctx, k.Name, after, pageSize)
			if err != nil {
				return images, err
			}
			if err := takeLiving(ctx, d, g, k.Name, page.Rows); err != nil {
				return images, err
			}
			images += len(page.Rows)
			if after = page.Next; after == "" {
				break
			}
		}
		if err := d.Fill(ctx, k.Name); err != nil {
			return images, err
		}
	}
	return images, nil
}

// takeLiving takes rows over, then erases the persons of whom the gallery has nothing any more. Whoever is deleted after that
// look is erased by the deletion, which erases from the gallery first.
func takeLiving(ctx context.Context, d Directory, g gallery.Reader, c schema.Collection, rows []gallery.Row) error {
	if err := Take(ctx, d, c, rows); err != nil || len(rows) == 0 {
		return err
	}
	living := map[schema.PUID]bool{}
	var people []schema.PUID
	for _, r := range rows {
		if !living[r.PUID] {
			living[r.PUID] = true
			people = append(people, r.PUID)
		}
	}
	clear(living)
	left, err := RowsOf(ctx, g, c, people...)
	if err != nil {
		return err
	}
	for _, r := range left {
		living[r.PUID] = true
	}
	for _, puid := range people {
		if living[puid] {
			continue
		}
		if out := d.Apply(ctx, []Change{{Collection: c, At: time.Now(), Act: Erase{PUID: puid}}}); out[0].Err != nil {
			return out[0].Err
		}
	}
	return nil
}
