package gallery

import (
	"context"
	"errors"

	"facestream/pkg/schema"
)

// Listing returns the page after a token, ordered by row id. A collection that is unknown has no rows.
type Listing func(ctx context.Context, after string) (Page, error)

// Pairs visits the rows of two listings together, by id: where one side has no row of an id, visit gets nil for it. Both
// sides may change meanwhile, at ids that were visited already.
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
