// Package restore gives a gallery back what it lost. FromTopics repeats in a gallery that nobody serves what the topics of
// analyses and results say. SendAgain and Uploads let the services, while they run, repeat enrolments whose rows are gone: a
// repeat has the same ids, so it writes the same rows and publishes the same results (invariant 3).
package restore

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"facestream/internal/directory"
	"facestream/internal/gallery"
	"facestream/internal/gallery/verify"
	"facestream/internal/indexer"
	"facestream/internal/objects"
	"facestream/internal/outcome"
	"facestream/internal/routes"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// again says how calls of the gallery are retried: for at least 10 s.
var again = retry.Policy{Least: 200 * time.Millisecond, Most: 5 * time.Second, Tries: 9}

// Filled is what FromTopics did.
type Filled struct {
	Analyses int `json:"analyses"` // enrolments and deletions of the topic of analyses that were repeated
	Deleted  int `json:"deleted"`  // people whom results call deleted, and who were deleted again
	Missing  int `json:"missing"`  // rows that results call enrolled and that are still not there
}

// Gallery is what FromTopics fills.
type Gallery interface {
	gallery.Gallery
	verify.Lister
}

// FromTopics repeats in g the enrolments and deletions that the topic of analyses still holds, and the deletions of the topic
// of jobs, which keeps them longer. Then it deletes whom the results call deleted. It publishes nothing. The directory d, nil
// where there is none, remembers how each was decided; what it lacks of them is carried out there, too.
func FromTopics(ctx context.Context, client *events.Client, g Gallery, d directory.Directory) (out Filled, err error) {
	topics, err := client.Describe(ctx, events.Analyses, events.Jobs, events.Results)
	if err != nil {
		return out, err
	}
	service := indexer.Service{Gallery: g, Directory: d, Results: &outcome.Sink{Service: "restore", Publisher: nowhere{}}}
	for _, topic := range topics[:2] {
		if !topic.Exists {
			continue
		}
		err := client.ReadPresent(ctx, topic.Topic, nil, func(r events.Record) error {
			var a schema.Analysis // the job of a deletion is one, too
			if json.Unmarshal(r.Event.Data, &a) != nil || a.Operation != schema.OpUserDelete && (!a.Operation.Enrolls() || topic.Topic != events.Analyses) {
				return nil
			}
			if topic.Topic == events.Jobs && a.Order == nil {
				return nil // of an earlier ingest: it would erase whoever was enrolled since
			}
			a.ResultObject = false
			data, err := json.Marshal(&a)
			if err != nil {
				return schema.Fatal("restore.analysis", err)
			}
			r.Event.Data = data
			err = again.Do(ctx, func() error { return service.Handle(ctx, r) })
			if schema.ClassOf(err) == schema.ClassPermanent { // a dead letter, then as now
				err = nil
			}
			if topic.Topic == events.Analyses {
				out.Analyses++
			}
			return err
		})
		if err != nil {
			return out, err
		}
	}
	if !topics[2].Exists {
		return out, nil
	}
	report, err := verify.Run(ctx, client, g, "")
	if err != nil {
		return out, err
	}
	done := map[gallery.Deletion]bool{}
	for _, difference := range report.Differences {
		switch difference.Kind {
		case verify.Missing:
			out.Missing++
		case verify.Deleted:
			deletion := gallery.Deletion{PUID: difference.PUID, Request: difference.Request}
			if done[deletion] {
				continue
			}
			done[deletion] = true
			out.Deleted++
			if err := again.Do(ctx, func() error { return erase(ctx, g, d, difference.Collection, deletion) }); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// erase repeats a deletion in the gallery, then in the directory, which changes nothing there if the directory remembers it.
func erase(ctx context.Context, g Gallery, d directory.Directory, c schema.Collection, deletion gallery.Deletion) error {
	if err := g.Delete(ctx, c, []gallery.Deletion{deletion})[0].Err; err != nil || d == nil {
		return err
	}
	act, err := directory.ErasureOf(ctx, g, c, deletion.PUID)
	if err != nil {
		return err
	}
	return d.Apply(ctx, []directory.Change{{Collection: c, Request: deletion.Request, At: time.Now(), Act: act}})[0].Err
}

// nowhere publishes nothing.
type nowhere struct{}

func (nowhere) Publish(context.Context, events.Topic, ...events.Event) error { return nil }

// Sent is what SendAgain did.
type Sent struct {
	Sent int `json:"sent"` // enrolments that the workers carry out again
	// Left are rows that results call enrolled and whose jobs the topic no longer keeps.
	Left []verify.Difference `json:"left"`
}

// SendAgain publishes the jobs of enrolments again whose rows results name and g does not have, because g lost them. Nobody
// is among them who was deleted since.
func SendAgain(ctx context.Context, client *events.Client, p outcome.Publisher, g verify.Lister) (Sent, error) {
	out := Sent{Left: []verify.Difference{}}
	report, err := verify.Run(ctx, client, g, "")
	if err != nil {
		return out, err
	}
	missing := map[schema.RequestID]bool{}
	for _, d := range report.Differences {
		if d.Kind == verify.Missing {
			missing[d.Request] = true
		}
	}
	sent := map[schema.RequestID]bool{}
	if len(missing) > 0 {
		err = client.ReadPresent(ctx, events.Jobs, nil, func(r events.Record) error {
			var job schema.Job
			if json.Unmarshal(r.Event.Data, &job) != nil || !job.Operation.Enrolls() || !missing[job.ID] || sent[job.ID] {
				return nil
			}
			job.Deadline = nil // it was met
			data, err := json.Marshal(&job)
			if err != nil {
				return schema.Fatal("restore.job", err)
			}
			e := r.Event
			e.Data = data
			sent[job.ID] = true
			return p.Publish(ctx, events.Jobs, e)
		})
	}
	out.Sent = len(sent)
	for _, d := range report.Differences {
		if d.Kind == verify.Missing && !sent[d.Request] {
			out.Left = append(out.Left, d)
		}
	}
	return out, err
}

// Uploaded is what Uploads found.
type Uploaded struct {
	Listed  int `json:"listed"`  // enrolments by upload
	Missing int `json:"missing"` // of them, those without a row that nothing speaks against
	Deleted int `json:"deleted"` // those whose person was deleted after the upload, as far as the results reach
	Refused int `json:"refused"` // those that a result refuses
}

// Lister lists objects.
type Lister interface {
	List(ctx context.Context, bucket, prefix string) iter.Seq2[objects.Info, error]
}

// Uploads returns the request ids of the enrolments by upload whose rows g does not have: those to send again. Results say who
// was deleted and what was refused, as far back as their topic goes. Who was deleted before and whose images are still there
// is among the missing, unless g remembers the deletion: then a repeat changes nothing.
func Uploads(ctx context.Context, client *events.Client, g gallery.Reader, store Lister, table routes.Table, buckets []string) (Uploaded, map[schema.RequestID]bool, error) {
	var out Uploaded
	there := map[string]bool{}
	kept, err := g.Collections(ctx)
	if err != nil {
		return out, nil, err
	}
	for _, k := range kept {
		for after := ""; ; {
			page, err := g.List(ctx, k.Name, after, 1000)
			if err != nil {
				return out, nil, err
			}
			for _, r := range page.Rows {
				there[r.ID] = true
			}
			if after = page.Next; after == "" {
				break
			}
		}
	}
	said, err := results(ctx, client)
	if err != nil {
		return out, nil, err
	}
	missing := map[schema.RequestID]bool{}
	for _, at := range table.Prefixes(buckets) {
		for info, err := range store.List(ctx, at.Bucket, at.Key) {
			if schema.ReasonOf(err) == schema.ReasonUnparsable { // this entry alone
				continue
			}
			if err != nil {
				return out, nil, err
			}
			match, ok := table.Match(at.Bucket, info.Ref.Key)
			if !ok || routes.IsFolder(info.Ref.Key) {
				continue
			}
			req, problems := match.Request(info.Ref)
			if len(problems) > 0 || !req.Operation.Enrolls() {
				continue
			}
			out.Listed++
			switch {
			case there[schema.RowID(req.ID, info.Ref, 0)]:
			case said.refused[req.ID]:
				out.Refused++
			case said.deletedAfter(&req, info.Modified):
				out.Deleted++
			default:
				missing[req.ID] = true
			}
		}
	}
	out.Missing = len(missing)
	return out, missing, nil
}

// book is what results say that an upload alone does not.
type book struct {
	refused map[schema.RequestID]bool
	deleted map[string]time.Time // when, by the key of the person's records
}

func results(ctx context.Context, client *events.Client) (book, error) {
	b := book{map[schema.RequestID]bool{}, map[string]time.Time{}}
	topics, err := client.Describe(ctx, events.Results)
	if err != nil || !topics[0].Exists {
		return b, err
	}
	return b, client.ReadPresent(ctx, events.Results, nil, func(r events.Record) error {
		var result schema.Result
		switch {
		case json.Unmarshal(r.Event.Data, &result) != nil:
		case result.Operation.Enrolls():
			b.refused[result.RequestID] = result.CallStatus.Reason != ""
		case result.Operation == schema.OpUserDelete && (result.CallStatus.Reason == "" || result.CallStatus.Reason == schema.ReasonUnknownPUID):
			if r.Time.After(b.deleted[r.Event.Key]) {
				b.deleted[r.Event.Key] = r.Time
			}
		}
		return nil
	})
}

// deletedAfter reports whether the person of req was deleted after a time, under any spelling of the name.
func (b book) deletedAfter(req *schema.Request, at time.Time) bool {
	for _, p := range req.Persons() {
		if b.deleted[string(req.Collection)+"/"+string(p)].After(at) {
			return true
		}
	}
	return false
}
