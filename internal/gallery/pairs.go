package gallery

import (
	"context"
	"errors"

	"facestream/pkg/schema"
)

// Listing returns the page after a token. Its rows are ordered by id. An unknown collection counts as empty.
type Listing func(ctx context.Context, after string) (Page, error)

// Pairs visits the rows of two listings side by side, by id. visit gets nil for the side that has no row of an id. visit may
// write rows whose ids were visited already.
func Pairs(ctx context.Context, a, b Listing, visit func(a, b *Row) error) error {
	as, bs := cursor{list: a}, cursor{list: b}
	for {
		x, err1 := as.head(ctx)
		y, err2 := bs.head(ctx)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		switch {
		case x == nil && y == nil:
			return nil
		case y == nil || x != nil && x.ID < y.ID:
			y = nil
		case x == nil || y.ID < x.ID:
			x = nil
		}
		if x != nil {
			as.current++
		}
		if y != nil {
			bs.current++
		}
		if err := visit(x, y); err != nil {
			return err
		}
	}
}

// cursor goes through a listing.
type cursor struct {
	list    Listing
	rows    []Row
	after   string
	last    bool // rows are the last ones
	current int
}

// head returns the current row; nil at the end.
func (c *cursor) head(ctx context.Context) (*Row, error) {
	for c.current == len(c.rows) {
		if c.last {
			return nil, nil
		}
		page, err := c.list(ctx, c.after)
		if err != nil && schema.ReasonOf(err) != schema.ReasonUnknownCollection {
			return nil, err
		}
		c.rows, c.current, c.after, c.last = page.Rows, 0, page.Next, page.Next == ""
	}
	return &c.rows[c.current], nil
}
