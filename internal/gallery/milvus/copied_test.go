package milvus

import (
	"errors"
	"testing"

	"facestream/internal/gallery"
	"facestream/internal/gallery/local"
	"facestream/internal/gallery/transfer"
	"facestream/pkg/schema"
)

// Rows that were copied from a local gallery are found, and rows that were deleted there stay deleted.
func TestCopiedFromLocal(t *testing.T) {
	from, err := local.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	g := open(t, config(t, FLAT))
	a, gone, former := testRow("a", "ann", 1), testRow("gone", "bob", 2), testRow("gone before", "bob", 3)
	a.ExternalID, a.Consent = "alice", &schema.Consent{Given: true, Reference: "form 12"}
	a.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "a.jpg"}}
	placed := func(offset int64) *schema.Order {
		return &schema.Order{Cluster: "cluster", Topic: "requests", Offset: offset}
	}
	a.Order, gone.Order = placed(3), placed(4)
	deletion := gallery.Deletion{PUID: "bob", Request: "d", Order: &schema.Order{Cluster: "cluster", Ends: schema.Ends{"requests": {10}}}}
	elsewhere := deletion
	elsewhere.PUID = "cid"
	from.Delete(t.Context(), "not there yet", []gallery.Deletion{elsewhere})
	refused := testRow("refused", "bob", 5)
	refused.Order = placed(5)
	if err := errors.Join(from.Upsert(t.Context(), people, []gallery.Row{a, gone, former})...); err != nil {
		t.Fatal(err)
	}
	if o := from.Delete(t.Context(), people, []gallery.Deletion{deletion})[0]; o.Err != nil || o.Value != 2 {
		t.Fatal(o)
	}
	if err := from.Upsert(t.Context(), people, []gallery.Row{refused})[0]; schema.ReasonOf(err) != schema.ReasonDeletedMeanwhile {
		t.Fatal(err)
	}
	for i := range 2 {
		report, err := transfer.Run(t.Context(), from, g, nil)
		if err != nil || report.Different() != 0 || len(report.Collections) != 1 || report.Collections[0].Copied != 1-i {
			t.Fatalf("copy %d: %+v, %v", i, report, err)
		}
	}

	if o := g.Search(t.Context(), people, []schema.Embedding{direction(1)}, 1)[0]; o.Err != nil || len(o.Value) != 1 || o.Value[0].Row.ExternalID != "alice" || o.Value[0].Score < 0.9999 {
		t.Errorf("search: %v, %v", o.Value, o.Err)
	}
	page, err := g.List(t.Context(), people, "", 10, "ann")
	if err != nil || len(page.Rows) != 1 || page.Rows[0].Consent == nil || page.Rows[0].Consent.Reference != "form 12" || page.Rows[0].Source == nil || page.Rows[0].Order == nil {
		t.Errorf("listed %v, %v", page.Rows, err)
	}

	// Repeats of requests from before the copy, also by a process that knows nothing of the copy yet.
	for _, g := range []*Gallery{g, open(t, g.cfg)} {
		renamed := testRow("as it is called now", "bob", 3)
		renamed.FormerID = former.ID
		joining := gone
		joining.Joins = true
		upsert(t, g, gone, renamed, joining)
		if page, err := g.List(t.Context(), people, "", 10); err != nil || len(page.Rows) != 1 {
			t.Errorf("after late repeats there are %d rows, %v; want 1", len(page.Rows), err)
		}
		if o := g.Delete(t.Context(), people, []gallery.Deletion{deletion})[0]; o.Err != nil || o.Value != 2 {
			t.Errorf("the deletion, repeated: %d, %v; want its first count, 2", o.Value, o.Err)
		}
	}
	late, far := testRow("late", "bob", 6), testRow("far", "cid", 6)
	late.Order, far.Order = placed(9), placed(9)
	later := refused // another notification of the same upload
	later.Order = placed(11)
	for _, r := range []gallery.Row{late, refused, later} {
		if err := g.Upsert(t.Context(), people, []gallery.Row{r})[0]; schema.ReasonOf(err) != schema.ReasonDeletedMeanwhile {
			t.Errorf("%s, older than a deletion before the copy: %v", r.ID, err)
		}
	}
	if err := g.Upsert(t.Context(), "not there yet", []gallery.Row{far})[0]; schema.ReasonOf(err) != schema.ReasonDeletedMeanwhile {
		t.Errorf("older than a deletion in an unknown collection: %v", err)
	}
	newcomer := testRow("new", "bob", 4)
	newcomer.Order = placed(10)
	upsert(t, g, newcomer)
	if o := g.Delete(t.Context(), people, []gallery.Deletion{{PUID: "bob", Request: "d2"}})[0]; o.Err != nil || o.Value != 1 {
		t.Errorf("another deletion: %d, %v; want 1", o.Value, o.Err)
	}

	// A second local gallery cannot be copied over it, because both number their collections.
	second, err := local.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := errors.Join(append(second.Upsert(t.Context(), "other", []gallery.Row{a}), second.Upsert(t.Context(), people, []gallery.Row{a})...)...); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Run(t.Context(), second, g, nil); schema.ReasonOf(err) != schema.ReasonInvalidRequest {
		t.Errorf("a second local gallery: %v, want invalid_request", err)
	}
}
