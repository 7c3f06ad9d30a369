package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/internal/gallery/local"
	"facestream/pkg/schema"
)

const model = schema.ModelID("net@12345678")

// target is a gallery that takes rows while it is not away, and keeps what it adopts.
type target struct {
	*local.Gallery
	away    func() bool
	adopted gallery.Deletions
	upserts atomic.Int32
}

func (t *target) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	t.upserts.Add(1)
	return gallerytest.Faulty{Inner: t.Gallery, Down: t.away}.Upsert(ctx, c, rows)
}

func (t *target) Adopt(_ context.Context, d gallery.Deletions) error {
	t.adopted = d
	return nil
}

func open(t *testing.T) *local.Gallery {
	t.Helper()
	g, err := local.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func newTarget(t *testing.T) *target {
	return &target{Gallery: open(t), away: func() bool { return false }}
}

// fill enrolls n people in staff, one in guests, and deletes the last of staff.
func fill(t *testing.T, g *local.Gallery, n int) {
	t.Helper()
	var rows []gallery.Row
	for i := range n {
		r := gallerytest.Random(model, fmt.Sprintf("%05d", i), schema.PUID(fmt.Sprint("p", i)), uint64(i))
		r.ExternalID, r.Consent = schema.ExternalID(fmt.Sprint("name ", i)), &schema.Consent{Given: true, Reference: r.ID}
		r.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: r.ID}}
		r.Order = &schema.Order{Cluster: "cluster", Topic: "requests", Offset: int64(i)}
		rows = append(rows, r)
	}
	errs := append(g.Upsert(t.Context(), "staff", rows), g.Upsert(t.Context(), "guests", rows[:1])...)
	last := rows[n-1].PUID
	errs = append(errs, g.Delete(t.Context(), "staff", []gallery.Deletion{{PUID: last, Request: "d", Order: &schema.Order{Cluster: "cluster", Ends: schema.Ends{"requests": {int64(n)}}}}})[0].Err)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func export(t *testing.T, g Exporter, c schema.Collection) []gallery.Row {
	t.Helper()
	var rows []gallery.Row
	for after := ""; ; {
		page, err := g.Export(t.Context(), c, after, 700)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page.Rows...)
		if after = page.Next; after == "" {
			return rows
		}
	}
}

func TestRun(t *testing.T) {
	from, to := open(t), newTarget(t)
	const n = 2*pageRows + 7
	fill(t, from, n)
	own := gallerytest.Random(model, "its own", "somebody", 9)
	if err := to.Gallery.Upsert(t.Context(), "staff", []gallery.Row{own})[0]; err != nil {
		t.Fatal(err)
	}
	var last string
	report, err := Run(t.Context(), from, to, func(c schema.Collection, done, total int) { last = fmt.Sprint(c, " ", done, " of ", total) })
	want := Report{Collections: []Tally{{Collection: "guests", Model: model, Rows: 1, Copied: 1}, {Collection: "staff", Model: model, Rows: n - 1, Copied: n - 1}}}
	if diff := cmp.Diff(want, report); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	if report.Different() != 0 || last != fmt.Sprintf("staff %d of %d", n-1, n-1) {
		t.Errorf("%d differ; the last progress was %q", report.Different(), last)
	}
	copied := slices.DeleteFunc(export(t, to, "staff"), func(r gallery.Row) bool { return r.ID == own.ID })
	if diff := cmp.Diff(export(t, from, "staff"), copied, cmp.Comparer(func(a, b []float32) bool { return schema.Cosine(a, b) > sameVector })); diff != "" {
		t.Errorf("rows (-source +target):\n%s", diff)
	}
	deletions, err := from.Deletions(t.Context())
	if diff := cmp.Diff(deletions, to.adopted); err != nil || diff != "" || len(deletions.Counts) != 2 || len(deletions.Tombstones) != 1 {
		t.Errorf("what is remembered of deletions, %v (-source +target):\n%s", err, diff)
	}

	// Again: nothing is left to do.
	before := to.upserts.Load()
	report, err = Run(t.Context(), from, to, nil)
	if err != nil || report.Collections[1].Copied != 0 || report.Collections[1].Rows != n-1 || to.upserts.Load() != before {
		t.Errorf("again: %+v, %v, %d writes", report, err, to.upserts.Load()-before)
	}
}

// A target that goes away for a moment costs time alone; one that stays away ends the copy, and the next one goes on.
func TestRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := open(t), newTarget(t)
		fill(t, from, 3*pageRows)
		calls := 0
		to.away = func() bool { calls++; return calls > 4 }
		report, err := Run(t.Context(), from, to, nil)
		if schema.ClassOf(err) != schema.ClassTransient || !strings.Contains(err.Error(), "staff") {
			t.Fatalf("a target that stays away: %+v, %v", report, err)
		}
		there := len(export(t, to, "staff"))
		if there == 0 || there == 3*pageRows-1 {
			t.Fatalf("%d rows were copied before the target went away", there)
		}
		to.away = func() bool { calls++; return calls%5 == 0 }
		report, err = Run(t.Context(), from, to, nil)
		if err != nil || report.Different() != 0 || report.Collections[1].Copied != 3*pageRows-1-there {
			t.Errorf("going on after %d rows: %+v, %v", there, report, err)
		}
		from.Close()
		to.Gallery.Close()
	})
}

// Rows that the target has otherwise are written again; those that it refuses to have again are named.
func TestRunNamesDifferences(t *testing.T) {
	from, to := open(t), newTarget(t)
	fill(t, from, 5)
	if _, err := Run(t.Context(), from, to, nil); err != nil {
		t.Fatal(err)
	}
	changed := gallerytest.Random(model, "00001", "p1", 77)
	if err := to.Gallery.Upsert(t.Context(), "staff", []gallery.Row{changed})[0]; err != nil {
		t.Fatal(err)
	}
	if o := to.Gallery.Delete(t.Context(), "staff", []gallery.Deletion{{PUID: "p2", Request: "r"}})[0]; o.Err != nil || o.Value != 1 {
		t.Fatal(o)
	}
	report, err := Run(t.Context(), from, to, nil)
	if err != nil || report.Different() != 1 || !slices.Equal(report.Collections[1].Different, []string{"00002"}) {
		t.Errorf("%+v, %v; want the row that was deleted in the target", report, err)
	}
}

func TestRunRefusesAnotherModel(t *testing.T) {
	from, to := open(t), newTarget(t)
	fill(t, from, 5)
	if err := to.Gallery.Upsert(t.Context(), "staff", []gallery.Row{gallerytest.Random("other@1", "x", "x", 1)})[0]; err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), from, to, nil); schema.ReasonOf(err) != schema.ReasonModelMismatch {
		t.Errorf("got %v, want model_mismatch", err)
	}
	if to.upserts.Load() != 0 {
		t.Error("something was written")
	}
}
