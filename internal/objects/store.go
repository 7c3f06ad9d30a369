// Package objects is a client of any object store that speaks S3. It reads exact versions of objects, with limits.
//
// It adds to an S3 client:
//   - A reference means one content. Get returns exactly the version (or, without versions, the ETag) that was named, or an error if it is gone. It never returns the content that replaced it.
//   - Limits come before cost (invariant 8): an object larger than the caller's limit is refused by its header, without reading it.
//   - Every error has a class: unreachable and broken stores are schema.Transient, those that are busy, full, not set up, or refuse or fail everything are schema.Outage, objects that can never be read are schema.Permanent with the reason of their result, refused credentials are schema.Fatal.
//   - No error text carries an object key (invariant 6). S3 servers and clients put keys there; this package removes them.
//
// Every call makes one attempt. Retrying is up to the caller.
package objects

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"facestream/pkg/schema"
)

// Config says where the store is and how to reach it.
type Config struct {
	// Endpoint is host:port, without a scheme.
	Endpoint string
	// AccessKey and SecretKey are used if both are set. Without them see credentialsOf.
	AccessKey string
	SecretKey schema.Secret
	// TLS, if set, means HTTPS.
	TLS *tls.Config `json:"-"`
	// Region signs the requests; empty: each bucket's region is asked for once.
	Region string
	// VirtualHost addresses buckets as bucket.endpoint; the default is endpoint/bucket, which every store understands.
	VirtualHost bool
	// Home is the bucket that must always answer. What the store says about it tells a refusal of everybody from the refusal of one
	// object or one bucket; empty: the bucket of the object is asked.
	Home string
	// Timeout bounds each call as a whole, its body included; 0 means DefaultTimeout. A listing is bounded by page.
	Timeout time.Duration
}

// DefaultTimeout is long enough for the largest image that is allowed over a slow link.
const DefaultTimeout = 30 * time.Second

// A server that does not accept a connection within dialTimeout is unreachable.
const dialTimeout = 2 * time.Second

// Store is one object store. It is safe for concurrent use.
type Store struct {
	client  minio.Core
	timeout time.Duration
	home    string
	// The objects in the home bucket that were read and written last; nil: none.
	read, written atomic.Pointer[schema.ObjectRef]
}

// Info is what the store says about one version of an object.
type Info struct {
	// Ref names exactly this version. Version is empty where the bucket keeps no versions, also where the store calls
	// that state "null"; ETag has no quotes.
	Ref      schema.ObjectRef
	Size     int64 // bytes
	Modified time.Time
	// Metadata is the user metadata (x-amz-meta-*), keys in lower case without that prefix. Values are decoded where they
	// are encoded after RFC 2047, and may be of any bytes where they are not. Listings do not have it.
	Metadata map[string]string
}

// New checks cfg and returns its store. It does no I/O: use Ping to see whether the store answers.
func New(cfg Config) (*Store, error) {
	return newStore(cfg, (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext)
}

func newStore(cfg Config, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (*Store, error) {
	const op = "objects.new"
	if cfg.Endpoint == "" {
		return nil, schema.Fatal(op, errors.New("the endpoint is missing; give the store's host:port"))
	}
	if strings.Contains(cfg.Endpoint, "://") {
		return nil, schema.Fatal(op, fmt.Errorf("the endpoint %q has a scheme; give only host:port and choose HTTPS by the settings of TLS", cfg.Endpoint))
	}
	if (cfg.AccessKey == "") != (cfg.SecretKey == "") {
		return nil, schema.Fatal(op, errors.New("either the access key or the secret key is missing; give both, or neither to take them from the environment or the IAM role"))
	}
	transport, err := minio.DefaultTransport(cfg.TLS != nil)
	if err != nil {
		return nil, schema.Fatal(op, err)
	}
	transport.DialContext = dial
	transport.TLSHandshakeTimeout = dialTimeout
	if cfg.TLS != nil {
		transport.TLSClientConfig = cfg.TLS.Clone()
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	lookup := minio.BucketLookupPath
	if cfg.VirtualHost {
		lookup = minio.BucketLookupDNS
	}
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds:        credentialsOf(cfg),
		Secure:       cfg.TLS != nil,
		Transport:    repairing{transport},
		Region:       cfg.Region,
		BucketLookup: lookup,
		MaxRetries:   1, // one attempt: minio-go's own ten would hide an outage for many seconds
	})
	if err != nil {
		return nil, schema.Fatal(op, fmt.Errorf("the endpoint %q is not usable: %w", cfg.Endpoint, err))
	}
	return &Store{client: minio.Core{Client: client}, timeout: timeout, home: cfg.Home}, nil
}

// Stat returns what the store says about ref: the version that it names, else the content with the ETag that it names,
// else the newest. Errors are those of Get, except that size does not matter.
func (s *Store) Stat(ctx context.Context, ref schema.ObjectRef) (Info, error) {
	const op = "objects.stat"
	if err := unreadable(ref); err != nil {
		return Info{}, schema.Permanent(op, schema.ReasonImageNotFound, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	o, err := s.head(ctx, ref)
	if changed(err) {
		if ref, err = s.find(ctx, ref); err == nil {
			o, err = s.head(ctx, ref)
		}
	}
	if err != nil {
		return Info{}, s.classifyRead(ctx, op, ref, err)
	}
	s.worked(&s.read, ref)
	return infoOf(ref.Bucket, ref.Key, o), nil
}

// Get returns the content that ref names and ref with version and ETag resolved. With a version it is exactly that
// version. Without one but with an ETag it is the newest content if that has the ETag, else the newest older version
// that has it (some stores' notifications name no version even where the bucket keeps them). With neither it is the newest.
//
// Permanent errors: ReasonImageChanged (other content has replaced the named content, and no version keeps it),
// ReasonImageNotFound (no such object or version), ReasonImageTooLarge (more than maxBytes; detected before a byte is
// read), ReasonBucketNotAllowed (no such bucket, or no permission to read it). An unreachable store is
// Transient, a busy one an Outage, and so is one that gives permission to read nothing or fails whatever it is asked; refused
// credentials are Fatal.
func (s *Store) Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error) {
	const op = "objects.get"
	if err := unreadable(ref); err != nil {
		return nil, schema.ObjectRef{}, schema.Permanent(op, schema.ReasonImageNotFound, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	body, o, _, err := s.client.GetObject(ctx, ref.Bucket, ref.Key, exactly(ref))
	if changed(err) {
		if ref, err = s.find(ctx, ref); err == nil {
			body, o, _, err = s.client.GetObject(ctx, ref.Bucket, ref.Key, exactly(ref))
		}
	}
	if err != nil {
		return nil, schema.ObjectRef{}, s.classifyRead(ctx, op, ref, err)
	}
	defer body.Close()
	if o.Size < 0 {
		return nil, schema.ObjectRef{}, schema.Transient(op, errors.New("the store did not report the size of the object"))
	}
	if o.Size > maxBytes {
		return nil, schema.ObjectRef{}, schema.Permanent(op, schema.ReasonImageTooLarge, fmt.Errorf("it has %d bytes, the limit is %d", o.Size, maxBytes))
	}
	data := make([]byte, o.Size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, schema.ObjectRef{}, classify(op, err)
	}
	s.worked(&s.read, ref)
	return data, infoOf(ref.Bucket, ref.Key, o).Ref, nil
}

// head asks for an object's header. A refusal of HEAD has no body, so that a wrong secret, a missing bucket and a missing
// version look like others; then the refusal of GET is asked for and returned.
func (s *Store) head(ctx context.Context, ref schema.ObjectRef) (minio.ObjectInfo, error) {
	o, err := s.client.StatObject(ctx, ref.Bucket, ref.Key, exactly(ref))
	status := minio.ToErrorResponse(err).StatusCode
	if status < 400 || status > 499 || changed(err) {
		return o, err
	}
	body, o, _, err := s.client.GetObject(ctx, ref.Bucket, ref.Key, exactly(ref))
	if err == nil {
		body.Close() // it came to be in between
	}
	return o, err
}

// find returns ref with the newest version that has its ETag; changed(err) holds where there is none.
func (s *Store) find(ctx context.Context, ref schema.ObjectRef) (schema.ObjectRef, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range s.client.ListObjectsIter(ctx, ref.Bucket, minio.ListObjectsOptions{Prefix: ref.Key, Recursive: true, WithVersions: true}) {
		if notImplemented(o.Err) || o.Err == nil && o.Key != ref.Key { // keys are in order: longer ones follow
			break
		}
		if o.Err != nil {
			return ref, o.Err
		}
		if !o.IsDeleteMarker && schema.BareETag(o.ETag) == ref.ETag {
			ref.Version = o.VersionID
			return ref, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return ref, err // a cancelled listing ends without an error of its own
	}
	return ref, minio.ErrorResponse{Code: minio.PreconditionFailed, StatusCode: http.StatusPreconditionFailed}
}

func changed(err error) bool        { return minio.ToErrorResponse(err).Code == minio.PreconditionFailed }
func notImplemented(err error) bool { return minio.ToErrorResponse(err).Code == "NotImplemented" }

// Put stores data under ref's bucket and key (its version and ETag are ignored) and returns ref as it can be read back.
// Metadata becomes x-amz-meta-*; what is not ASCII is encoded after RFC 2047, as AWS S3 asks for. When Put returns nil the
// store has acknowledged the object; a repeat overwrites it.
func (s *Store) Put(ctx context.Context, ref schema.ObjectRef, data []byte, contentType string, metadata map[string]string) (schema.ObjectRef, error) {
	const op = "objects.put"
	if err := unwritable(op, ref); err != nil {
		return schema.ObjectRef{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	up, err := s.client.Client.PutObject(ctx, ref.Bucket, ref.Key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{
		ContentType:      contentType,
		UserMetadata:     encoded(metadata),
		DisableMultipart: true, // one request, so that the ETag is of the content and nothing half-written stays behind
	})
	if err != nil {
		return schema.ObjectRef{}, s.classifyWrite(ctx, op, ref, err)
	}
	s.worked(&s.written, ref)
	return resolve(ref.Bucket, ref.Key, up.VersionID, up.ETag), nil
}

// Remove removes the object under ref's bucket and key, with all its versions. What is not there is no error. Errors are those of Put.
func (s *Store) Remove(ctx context.Context, ref schema.ObjectRef) error {
	const op = "objects.remove"
	if err := unwritable(op, ref); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	versions := []string{} // the newest last: a store that removes the newest puts the one before in its place
	for o := range s.client.ListObjectsIter(ctx, ref.Bucket, minio.ListObjectsOptions{Prefix: ref.Key, Recursive: true, WithVersions: true}) {
		if notImplemented(o.Err) {
			versions = []string{""}
			break
		}
		if o.Err != nil {
			return classify(op, o.Err)
		}
		if o.Key != ref.Key { // keys are in order: longer ones follow
			break
		}
		versions = append([]string{o.VersionID}, versions...)
	}
	if err := ctx.Err(); err != nil {
		return classify(op, err) // a cancelled listing ends without an error of its own
	}
	for _, v := range versions {
		if err := s.client.RemoveObject(ctx, ref.Bucket, ref.Key, minio.RemoveObjectOptions{VersionID: v}); err != nil {
			return classify(op, err)
		}
	}
	return nil
}

// encoded is metadata as it travels in headers.
func encoded(metadata map[string]string) map[string]string {
	out := make(map[string]string, len(metadata))
	for k, v := range metadata {
		out[k] = mime.QEncoding.Encode("utf-8", v) // leaves ASCII as it is
	}
	return out
}

// decoded is the value of metadata that a header carried. What is not encoded, or not after RFC 2047, is returned as it is.
func decoded(value string) string {
	text, err := new(mime.WordDecoder).DecodeHeader(value)
	if err != nil {
		return value
	}
	return text
}

// List yields the objects of bucket whose keys begin with prefix, in key order; where the bucket keeps versions, every
// version of each, newest first, because each was an upload of its own. Delete markers and folder markers (empty
// objects whose key ends in "/") are left out. An error comes with a zero Info. It ends the sequence, unless it is
// Permanent with ReasonUnparsable: then one entry has a name that cannot be read, and the others follow.
func (s *Store) List(ctx context.Context, bucket, prefix string) iter.Seq2[Info, error] {
	const op = "objects.list"
	return func(yield func(Info, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		versioning, err := s.client.GetBucketVersioning(ctx, bucket)
		if err != nil && !notImplemented(err) {
			yield(Info{}, classify(op, err))
			return
		}
		opts := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: versioning.Enabled() || versioning.Suspended()}
		// A page that does not come ends the listing; the time that the consumer takes does not count.
		page := time.AfterFunc(s.timeout, cancel)
		defer page.Stop()
		for o := range s.client.ListObjectsIter(ctx, bucket, opts) {
			page.Stop()
			if o.Err != nil {
				yield(Info{}, classify(op, o.Err))
				return
			}
			folder := strings.HasSuffix(o.Key, "/") && o.Size == 0
			switch {
			case o.IsDeleteMarker || folder:
			case strings.ContainsRune(o.Key, lost):
				if !yield(Info{}, schema.Permanent(op, schema.ReasonUnparsable, errors.New("an entry of the listing has a name that XML cannot carry; rename the object"))) {
					return
				}
			case !yield(infoOf(bucket, o.Key, o), nil):
				return
			}
			page.Reset(s.timeout)
		}
		if err := ctx.Err(); err != nil {
			yield(Info{}, classify(op, err)) // a cancelled listing ends without an error of its own
		}
	}
}

// EnsureBucket creates the bucket if it does not exist and, if versioning is true, switches its versioning on. It never
// switches versioning off. It needs no rights for what already exists. Both steps are repeatable.
func (s *Store) EnsureBucket(ctx context.Context, bucket string, versioning bool) error {
	const op = "objects.ensure-bucket"
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	had, err := s.client.GetBucketVersioning(ctx, bucket)
	if minio.ToErrorResponse(err).Code == minio.NoSuchBucket || notImplemented(err) {
		err = s.client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{})
		switch minio.ToErrorResponse(err).Code {
		case "BucketAlreadyOwnedByYou", "BucketAlreadyExists":
			err = nil
		}
	}
	if err == nil && versioning && !had.Enabled() {
		err = s.client.EnableVersioning(ctx, bucket)
	}
	if err != nil {
		return classify(op, err)
	}
	return nil
}

// Ping reports whether the store answers and has the bucket. A missing bucket is Permanent (ReasonBucketNotAllowed),
// refused credentials are Fatal.
func (s *Store) Ping(ctx context.Context, bucket string) error {
	const op = "objects.ping"
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.list(ctx, bucket); err != nil {
		return classify(op, err)
	}
	return nil
}

// list lists one key of a bucket. It does that instead of a HEAD, because the refusal of a listing has a body that says why.
func (s *Store) list(ctx context.Context, bucket string) error {
	for o := range s.client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: 1}) {
		if o.Err != nil {
			return o.Err
		}
		break
	}
	return ctx.Err()
}

// unreadable says why no content can have the ETag or the key of ref, or returns nil. In the header of a request such an ETag would
// break the request, or stand for any content (https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3).
func unreadable(ref schema.ObjectRef) error {
	if ref.ETag == "*" || strings.ContainsFunc(ref.ETag, func(r rune) bool { return r < ' ' || r == '"' || r == 0x7f }) {
		return errors.New("no content has such an ETag: it is * or contains quotes or control characters; name the ETag that the store gave")
	}
	if strings.ContainsRune(ref.Key, 0) { // the protocol's XML cannot say it
		return errors.New("no object has such a key: it contains a NUL character")
	}
	return nil
}

// unwritable is the permanent error of a bucket and a key that the client refuses to write to, or nil.
func unwritable(op string, ref schema.ObjectRef) error {
	switch {
	case s3utils.CheckValidBucketName(ref.Bucket) != nil:
		return schema.Permanent(op, schema.ReasonBucketNotAllowed, errors.New(answers[minio.InvalidBucketName].text))
	case s3utils.CheckValidObjectName(ref.Key) != nil || strings.ContainsRune(ref.Key, 0):
		return schema.Permanent(op, schema.ReasonInvalidRequest, errors.New(unusableKey))
	}
	return nil
}

// exactly asks for the content that ref names and no other. Version "null" is the one that a later upload overwrites,
// so that there, too, the ETag decides.
func exactly(ref schema.ObjectRef) minio.GetObjectOptions {
	var opts minio.GetObjectOptions
	opts.VersionID = ref.Version
	if ref.ETag != "" && unversioned(ref.Version) {
		// SetMatchETag fails only on an empty ETag.
		_ = opts.SetMatchETag(ref.ETag)
	}
	return opts
}

// unversioned reports whether version names no version of its own; "null" is the protocol's word for that.
func unversioned(version string) bool { return version == "" || version == "null" }

func infoOf(bucket, key string, o minio.ObjectInfo) Info {
	i := Info{Ref: resolve(bucket, key, o.VersionID, o.ETag), Size: o.Size, Modified: o.LastModified}
	for k, v := range o.UserMetadata {
		if i.Metadata == nil {
			i.Metadata = make(map[string]string, len(o.UserMetadata))
		}
		i.Metadata[strings.ToLower(k)] = decoded(v)
	}
	return i
}

func resolve(bucket, key, version, etag string) schema.ObjectRef {
	if unversioned(version) {
		version = ""
	}
	return schema.ObjectRef{Bucket: bucket, Key: key, Version: version, ETag: schema.BareETag(etag)}
}
