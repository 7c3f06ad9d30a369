// Package ingest turns requests, and notifications of uploaded objects, into jobs. Only this package validates requests
// and decides whether a request is a repeat.
package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/notify"
	"facestream/internal/objects"
	"facestream/internal/outcome"
	"facestream/internal/routes"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Objects is what ingest asks of the object store.
type Objects interface {
	outcome.Objects
	Stat(ctx context.Context, ref schema.ObjectRef) (objects.Info, error)
	Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error)
	List(ctx context.Context, bucket, prefix string) iter.Seq2[objects.Info, error]
}

// Ledger remembers which request ids have a job or an outcome, and the digest of the content that came first under each.
type Ledger interface {
	Seen(ctx context.Context, id schema.RequestID) (digest string, ok bool, err error)
	Record(ctx context.Context, id schema.RequestID, digest string, at time.Time) error
}

// Peers keeps several ingest processes from deciding about one request id at the same time: each id has a partition of
// facestream.requests, and the process that this partition is assigned to decides.
type Peers interface {
	// Home is the partition of facestream.requests in which requests with this id are decided.
	Home(ctx context.Context, id schema.RequestID) (int, error)
	// Forward writes r again with the id as its key, so that it comes to the home of the id.
	Forward(ctx context.Context, r events.Record, id schema.RequestID) error
	// CatchUp returns when the ledger holds what every process had published before the call.
	CatchUp(ctx context.Context) error
}

// Broker says where the ends of topics are.
type Broker interface {
	// Cluster returns the id of the cluster.
	Cluster(ctx context.Context) (string, error)
	// Ends returns the offset that the next record of each partition gets. Every record that the broker acknowledged before
	// the call lies before it.
	Ends(ctx context.Context, topics ...events.Topic) (map[events.Topic][]int64, error)
}

// Service handles the records of facestream.requests and facestream.objects. Its fields are set once, before use.
type Service struct {
	Publisher outcome.Publisher
	Broker    Broker
	Objects   Objects
	Ledger    Ledger
	Peers     Peers
	Results   *outcome.Sink
	Routes    routes.Table
	Buckets   []string // the buckets that images may lie in
	// ConsentRequired reports whether an enrolment in a collection needs a declaration of consent. Nil: in none.
	ConsentRequired func(schema.Collection) bool
	Defaults        Defaults
	Floors          Floors
	Ignored         func(why string)
	Log             zerolog.Logger

	// deciding holds locks that many request ids share. Nobody else in this process decides about the same id between the
	// question to the ledger and the entry.
	deciding [256]sync.Mutex
}

// Handle turns one record into a job, a rejection, or nothing where the record repeats an earlier one. nil means that
// what follows from the record is durable (invariant 1).
func (s *Service) Handle(ctx context.Context, r events.Record) error {
	if r.Topic == events.Objects {
		return s.handleNotification(ctx, r)
	}
	return s.handleRequest(ctx, r)
}

func (s *Service) handleRequest(ctx context.Context, r events.Record) error {
	req, problems := schema.DecodeRequest(r.Event.Data)
	if req.ID == "" {
		if len(problems) == 0 {
			problems = schema.Problems{{Field: "id", Message: "is missing", Reason: schema.ReasonInvalidRequest}}
		}
		return schema.Permanent("ingest.request", schema.ReasonUnparsable, problems) // nobody to answer: a dead letter
	}
	req.ID = req.ID.Bounded()
	if elsewhere, err := s.forward(ctx, r, req.ID); elsewhere || err != nil {
		return err
	}
	return s.accept(ctx, arrival{Request: req, problems: problems, source: source{record: &r}})
}

// forward sends a request on to the home of its id and reports that it did. There, requests with this id are decided one
// after the other, by whichever process, because there the id is their key.
func (s *Service) forward(ctx context.Context, r events.Record, id schema.RequestID) (bool, error) {
	if r.Forwarded() { // once is enough; while partitions are added, two processes can differ about the home
		return false, nil
	}
	home, err := s.Peers.Home(ctx, id)
	if err != nil {
		return false, err
	}
	if string(r.Key) == string(id) && r.Partition == home {
		return false, nil
	}
	err = s.Peers.Forward(ctx, r, id)
	if schema.ClassOf(err) == schema.ClassPermanent { // too large for the topic unless it is compressed
		return false, s.Peers.CatchUp(ctx)
	}
	return err == nil, err
}

func (s *Service) handleNotification(ctx context.Context, r events.Record) error {
	notifications, failed := notify.Parse(r.Event.Data) // the good ones count even where others are bad
	for _, n := range notifications {
		if !n.Created {
			s.ignored("not_a_creation")
			continue
		}
		if !slices.Contains(s.Buckets, n.Ref.Bucket) {
			s.ignored("no_route")
			continue
		}
		ref, err := s.meant(ctx, n)
		if err == nil {
			_, err = s.acceptObject(ctx, ref, source{record: &r})
		}
		switch {
		case err == nil:
		case schema.ClassOf(err) != schema.ClassPermanent:
			return err
		case failed == nil:
			failed = err
		}
	}
	return failed
}

// meant is the object of a notification. If its key has two readings, the first under which an object exists is meant.
func (s *Service) meant(ctx context.Context, n notify.Notification) (schema.ObjectRef, error) {
	if n.OtherKey == "" {
		return n.Ref, nil
	}
	other := n.Ref
	other.Key = n.OtherKey
	for _, ref := range []schema.ObjectRef{n.Ref, other} {
		if _, err := s.Objects.Stat(ctx, ref); schema.ClassOf(err) != schema.ClassPermanent {
			return ref, err
		}
	}
	return n.Ref, nil
}

// acceptObject makes the request that an upload stands for and accepts it. It reports whether the object is an upload:
// objects that no route covers are not, and neither are those that facestream wrote itself.
func (s *Service) acceptObject(ctx context.Context, ref schema.ObjectRef, from source) (bool, error) {
	if routes.IsFolder(ref.Key) {
		s.ignored("folder_marker")
		return false, nil
	}
	match, ok := s.Routes.Match(ref.Bucket, ref.Key)
	if !ok || !slices.Contains(s.Buckets, ref.Bucket) {
		s.ignored("no_route")
		return false, nil
	}
	named, problems := match.Request(ref) // as the event names it, which may be without the version
	info, err := s.Objects.Stat(ctx, ref)
	gone := schema.ClassOf(err) == schema.ClassPermanent
	if err != nil && !gone {
		return false, err
	}
	own, err := s.wrote(ctx, ref, info, gone, from)
	if err != nil {
		return false, err
	}
	if gone && !own {
		return true, s.accept(ctx, arrival{Request: named, problems: problems, floors: match.Floors(), upload: true, source: from})
	}
	req := named
	if !gone {
		req, problems = match.Request(info.Ref)
	}
	if own {
		s.ignored("own_output")
		return false, s.remember(ctx, req.ID, named.ID)
	}
	problems = append(problems, match.Apply(&req, info.Metadata)...)
	err = s.accept(ctx, arrival{Request: req, problems: problems, floors: match.Floors(), upload: true, resolved: true, source: from})
	if err != nil || req.ID == named.ID {
		return true, err
	}
	// The event comes again after the object is gone: its own name for the upload must be known as well.
	return true, s.remember(ctx, named.ID)
}

// remember enters ids of one upload into the ledger.
func (s *Service) remember(ctx context.Context, ids ...schema.RequestID) error {
	for _, id := range ids {
		if err := s.Ledger.Record(ctx, id, digestOfUpload(id), time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// wrote reports whether facestream itself wrote the object. Its mark says so. Earlier versions set no mark. Their results
// say in their content which image they are about, and their portraits have a name that nobody invents. Whoever uploads a
// portrait that they downloaded does so away from its image; but a portrait that a listing finds there may be an old one,
// whose image was erased, and its face must not come back.
func (s *Service) wrote(ctx context.Context, ref schema.ObjectRef, info objects.Info, gone bool, from source) (bool, error) {
	image, ok := outcome.ImageOf(ref.Key)
	if !ok || gone || outcome.Marked(ref.Key, info.Metadata) {
		return ok, nil // an output that is gone needs no outcome either
	}
	if strings.HasSuffix(ref.Key, outcome.Suffix) {
		data, _, err := s.Objects.Get(ctx, info.Ref, maxResultObject)
		if schema.ClassOf(err) == schema.ClassPermanent {
			return false, nil
		}
		var r schema.Result
		return err == nil && json.Unmarshal(data, &r) == nil && len(r.Images) > 0 && r.Images[0].Key == image, err
	}
	if _, marked := info.Metadata[routes.OutputMark]; marked {
		return false, nil // a copy
	}
	if from.record == nil {
		return true, nil
	}
	_, err := s.Objects.Stat(ctx, schema.ObjectRef{Bucket: ref.Bucket, Key: image})
	if schema.ClassOf(err) == schema.ClassPermanent {
		return false, nil
	}
	return err == nil, err
}

// maxResultObject is more than any result has.
const maxResultObject = 16 << 20

// arrival is a request as it reached ingest.
type arrival struct {
	schema.Request
	problems schema.Problems
	floors   schema.Floors // of the route that it came by
	upload   bool          // it stands for an upload
	resolved bool          // its images name versions that were seen to exist
	source   source
}

// digest tells requests with one id apart. The id of an upload is made of the object, which stands for one content however
// the metadata reads that came with it.
func (r *arrival) digest() string {
	if r.upload {
		return digestOfUpload(r.ID)
	}
	return r.Request.Digest()
}

// accept ends in exactly one of: a job, a rejection, nothing (a repeat), an error.
func (s *Service) accept(ctx context.Context, r arrival) error {
	lock := &s.deciding[fnv32(string(r.ID))%uint32(len(s.deciding))]
	lock.Lock()
	defer lock.Unlock()
	digest, trace := r.digest(), r.source.trace()
	if seen, err := s.seen(ctx, &r, digest); seen || err != nil {
		return err
	}
	job := schema.Job{Request: r.Request, Digest: digest, AcceptedAt: time.Now().UTC()}
	unresolved := job.Resolve()
	problems := append(r.problems, unresolved...)
	if len(unresolved) == 0 { // the collection is known
		problems = append(problems, job.Default(s.Defaults.of(job.Collection)...)...)
		problems = append(problems, job.Hold(slices.Concat(s.Floors.of(job.Collection), r.floors))...)
	}
	problems = append(problems, consentProblems(&job.Request, s.ConsentRequired)...)
	for i, o := range job.Images {
		if !slices.Contains(s.Buckets, o.Bucket) {
			job.ResultObject = false // nothing is written to a bucket that is not served
			if len(problems) > schema.MaxProblems {
				break
			}
			problems = append(problems, schema.Problem{Field: fmt.Sprintf("images[%d].bucket", i),
				Message: "is not served here; served: " + strings.Join(s.Buckets, ", "), Reason: schema.ReasonBucketNotAllowed})
		}
	}
	if len(problems) == 0 && job.Expired(job.AcceptedAt) {
		return s.reject(ctx, &job, schema.ReasonExpired, "the deadline had passed when the request arrived", trace)
	}
	if len(problems) > 0 {
		return s.reject(ctx, &job, problems.Reason(), problems.Error(), trace)
	}
	for i := range job.Images {
		if r.resolved {
			break
		}
		info, err := s.Objects.Stat(ctx, job.Images[i])
		if reason := schema.ReasonOf(err); reason != "" {
			return s.reject(ctx, &job, reason, fmt.Sprintf("images[%d]: %s", i, schema.MessageOf(err)), trace)
		} else if err != nil {
			return err
		}
		job.Images[i] = info.Ref
	}
	if job.Operation.WritesGallery() {
		order, err := s.order(ctx, &job, r.source)
		if err != nil {
			return err
		}
		job.Order = order
	}
	data, err := json.Marshal(&job)
	if err != nil {
		return schema.Fatal("ingest.job", err)
	}
	e := s.Results.Event(events.TypeJob, &job, data, trace)
	e.Key = string(job.ID) // spreads the load; order per person begins with the analyses
	if err := s.Publisher.Publish(ctx, events.Jobs, e); err != nil {
		return err
	}
	return s.Ledger.Record(ctx, job.ID, digest, job.AcceptedAt)
}

func (s *Service) reject(ctx context.Context, job *schema.Job, reason schema.Reason, message, trace string) error {
	if err := s.Results.Publish(ctx, job, schema.NewResult(job, reason, message), trace); err != nil {
		return err
	}
	return s.Ledger.Record(ctx, job.ID, job.Digest, job.AcceptedAt)
}

// seen reports whether r repeats an earlier request. The same id with other content is a permanent error.
func (s *Service) seen(ctx context.Context, r *arrival, digest string) (bool, error) {
	earlier, ok, err := s.Ledger.Seen(ctx, r.ID)
	reused := func(problem string) (bool, error) {
		return true, schema.Permanent("ingest.request", schema.ReasonRequestIDReused, errors.New(problem))
	}
	switch {
	case err != nil || !ok:
		return false, err
	case earlier == digest:
	case r.upload && (earlier == "" || earlier == r.Request.Digest()): // earlier versions entered uploads like this
	case earlier == "":
		return reused("a request with this id has an outcome, whose event does not say what was asked; the outcome stands")
	default:
		return reused("another request already used this id; its outcome stands")
	}
	s.ignored("repeat")
	return true, nil
}

// digestOfUpload is the digest of the upload whose request has this id.
func digestOfUpload(id schema.RequestID) string {
	sum := sha256.Sum256([]byte("upload " + id))
	return hex.EncodeToString(sum[:])
}

func fnv32(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32()
}

func (s *Service) ignored(why string) {
	if s.Ignored != nil {
		s.Ignored(why)
	}
}
