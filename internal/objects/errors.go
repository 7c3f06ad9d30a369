package objects

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"

	"github.com/minio/minio-go/v7"

	"facestream/pkg/schema"
)

// answer is what an error code of the store means: what happens next, and the cause and the way out in words. A result
// shows the text of a permanent one to the author of the request.
type answer struct {
	class  schema.Class
	reason schema.Reason
	text   string
}

const unusableKey = "no object of this store can have this key; use UTF-8 without control characters, without empty parts, . or .. between slashes, at most 1024 bytes in all and, in a store that keeps files, 255 between slashes"

const (
	nameTaken     = "this store keeps objects as files, so an object and a folder cannot have the same name; use another key"
	largeMetadata = "the metadata of the object is too large; S3 takes 2 kB of user metadata"
	damaged       = "the data was damaged on the way to the store; send it again"
)

// DamagedCode is the embedded store's code for an object whose content has another checksum than what was uploaded.
const DamagedCode = "XFacestreamObjectDamaged"

// answers are the codes that facestream's calls can meet, of AWS S3 and of the stores that follow it. Those that begin
// with X are MinIO's and Versity's.
var answers = map[string]answer{
	minio.NoSuchKey:      {schema.ClassPermanent, schema.ReasonImageNotFound, "the bucket has no object with this key; upload it first, and mind that keys are case-sensitive"},
	minio.NoSuchVersion:  {schema.ClassPermanent, schema.ReasonImageNotFound, "the object has no such version; name one that exists, or none for the newest"},
	"InvalidVersionId":   {schema.ClassPermanent, schema.ReasonImageNotFound, "the object has no such version, and no version id of this store has this form; name one that exists, or none for the newest"},
	"MethodNotAllowed":   {schema.ClassPermanent, schema.ReasonImageNotFound, "the object was deleted, and the version that is named only marks that; upload it again or name an earlier version"},
	"KeyTooLongError":    {schema.ClassPermanent, schema.ReasonImageNotFound, unusableKey},
	"InvalidURI":         {schema.ClassPermanent, schema.ReasonImageNotFound, unusableKey},
	"InvalidObjectState": {schema.ClassPermanent, schema.ReasonImageUnreadable, "the object is archived and cannot be read; restore it first"},

	DamagedCode: {schema.ClassPermanent, schema.ReasonImageUnreadable, "the store's copy of the object is damaged; upload it again"},

	minio.XMinioInvalidObjectName: {schema.ClassPermanent, schema.ReasonImageNotFound, unusableKey},

	minio.NoSuchBucket:      {schema.ClassPermanent, schema.ReasonBucketNotAllowed, "the store has no bucket of this name; correct the name or create the bucket"},
	minio.InvalidBucketName: {schema.ClassPermanent, schema.ReasonBucketNotAllowed, "no bucket can have this name; it takes 3-63 lower-case letters, digits, dots and hyphens"},
	minio.AccessDenied:      {schema.ClassPermanent, schema.ReasonBucketNotAllowed, "the store does not give facestream the right to do this in the bucket; use another bucket, or let the operator grant the rights that docs/operations.md lists"},
	"AllAccessDisabled":     {schema.ClassPermanent, schema.ReasonBucketNotAllowed, "the store has closed all access to this bucket; use another one, or ask the store's operator to open it"},
	"AccountProblem":        {schema.ClassPermanent, schema.ReasonBucketNotAllowed, "the store has a problem with the account that this bucket belongs to; ask the store's operator"},

	minio.PreconditionFailed: {schema.ClassPermanent, schema.ReasonImageChanged, "other content has taken the place of the content that was named, and no version keeps it; ask for the new content, and switch the bucket's versioning on to keep both"},

	"ObjectParentIsFile":            {schema.ClassPermanent, schema.ReasonInvalidRequest, nameTaken},
	"ExistingObjectIsDirectory":     {schema.ClassPermanent, schema.ReasonInvalidRequest, nameTaken},
	"XMinioParentIsObject":          {schema.ClassPermanent, schema.ReasonInvalidRequest, nameTaken},
	"XMinioObjectExistsAsDirectory": {schema.ClassPermanent, schema.ReasonInvalidRequest, nameTaken},
	"MetadataTooLarge":              {schema.ClassPermanent, schema.ReasonInvalidRequest, largeMetadata},
	"RequestHeaderSectionTooLarge":  {schema.ClassPermanent, schema.ReasonInvalidRequest, largeMetadata},

	"BadDigest":                 {schema.ClassTransient, "", damaged},
	"IncompleteBody":            {schema.ClassTransient, "", damaged},
	"XAmzContentSHA256Mismatch": {schema.ClassTransient, "", damaged},
	"InsufficientStorage":       {schema.ClassOutage, "", "the disks of the store are full; remove objects or add disks"},

	"InvalidAccessKeyId":               {schema.ClassFatal, "", "the store does not know this access key; correct s3.access_key"},
	"XAdminUserNotFound":               {schema.ClassFatal, "", "the store does not know this access key; correct s3.access_key"},
	"SignatureDoesNotMatch":            {schema.ClassFatal, "", "the secret key does not belong to the access key, or something between changes the requests; correct s3.secret_key, and look for a proxy that changes the host name"},
	minio.AuthorizationHeaderMalformed: {schema.ClassFatal, "", "the store expects another region; correct s3.region"},
	"InvalidSecurity":                  {schema.ClassFatal, "", "the store refuses these credentials; correct s3.access_key and s3.secret_key"},
	"NotSignedUp":                      {schema.ClassFatal, "", "the account of these credentials may not use the store; correct s3.access_key and s3.secret_key"},

	"RequestTimeTooSkewed": {schema.ClassOutage, "", "the clocks of this machine and of the store differ by more than 15 minutes; set them"},
	"ExpiredToken":         {schema.ClassOutage, "", "the session token of the credentials has expired; renew it"},
	"InvalidToken":         {schema.ClassOutage, "", "the store refuses the session token of the credentials; renew it"},
	"PermanentRedirect":    {schema.ClassOutage, "", "the bucket is in another region or at another address; correct s3.region and s3.endpoint"},
	"TemporaryRedirect":    {schema.ClassOutage, "", "the bucket is moving to another address; wait, or correct s3.endpoint"},
	"SlowDown":             {schema.ClassOutage, "", "the store is busy; wait, or give it fewer requests at once"},
	"ServiceUnavailable":   {schema.ClassOutage, "", "the store is busy or starting; wait"},
	"InternalError":        {schema.ClassTransient, "", "the store failed; its own log says why"},
	"RequestTimeout":       {schema.ClassTransient, "", "the store waited too long for data; check the network"},
	"OperationAborted":     {schema.ClassTransient, "", "another change of the same bucket or object is under way; wait"},
	"EntityTooLarge":       {schema.ClassPermanent, schema.ReasonImageTooLarge, "the store does not take objects of this size; make it smaller"},
	"QuotaExceeded":        {schema.ClassOutage, "", "the quota of the bucket is used up; raise it or remove objects"},
	"NotImplemented":       {schema.ClassTransient, "", "the store does not offer a function of S3 that facestream needs; use another store, or a newer version of it"},

	"XMinioAdminBucketQuotaExceeded": {schema.ClassOutage, "", "the quota of the bucket is used up; raise it or remove objects"},
	"XMinioStorageFull":              {schema.ClassOutage, "", "the disks of the store are full; remove objects or add disks"},
	"XMinioServerNotInitialized":     {schema.ClassOutage, "", "the store is starting; wait"},
}

// away are the statuses with which a server says that it serves nobody for now. Those of a proxy that got no answer are not
// among them, because one request alone may kill the server.
var away = []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage}

// classify turns whatever the client returned into an error that says what happens next and names no object. What it
// does not know is Transient: tried again, a bounded number of times.
func classify(op string, err error) error {
	response := minio.ToErrorResponse(err)
	a, known := answers[response.Code]
	// A full-text wrap of err would leak: its text may hold the URL, and with it the key.
	safe := sanitise(err)
	switch {
	case known && a.class == schema.ClassPermanent:
		return schema.Permanent(op, a.reason, safe)
	case known && a.class == schema.ClassFatal:
		return schema.Fatal(op, safe)
	case known && a.class == schema.ClassOutage, slices.Contains(away, response.StatusCode):
		return schema.Outage(op, safe)
	}
	return schema.Transient(op, safe)
}

// classifyRead is classify for reading ref. A version id, or a key, of a form that the store never gives is an invalid
// argument to it, and names nothing.
func (s *Store) classifyRead(ctx context.Context, op string, ref schema.ObjectRef, err error) error {
	response := minio.ToErrorResponse(err)
	switch {
	case response.Code == minio.InvalidArgument && ref.Version != "":
		return schema.Permanent(op, schema.ReasonImageNotFound, errors.New(answers["InvalidVersionId"].text))
	case response.Code == minio.InvalidArgument:
		return schema.Permanent(op, schema.ReasonImageNotFound, errors.New(unusableKey))
	case s.refusesAll(ctx, ref, err, s.readAgain):
		return schema.Outage(op, sanitise(err))
	case s.refusesThisAlone(ctx, ref, err):
		return schema.Permanent(op, schema.ReasonImageUnreadable, fmt.Errorf("the store refuses to give out what the request names (HTTP %d); check key, version and etag, and whether the object is encrypted with a key that only its uploader has (SSE-C)", response.StatusCode))
	}
	return classify(op, err)
}

// refusesThisAlone reports whether the store refuses a request about one object without a word that is known, while it
// answers about the bucket as always. Then the object, or its name, is the cause.
func (s *Store) refusesThisAlone(ctx context.Context, ref schema.ObjectRef, err error) bool {
	response := minio.ToErrorResponse(err)
	_, known := answers[response.Code]
	return !known && refusesRequest(response.StatusCode) && s.Ping(ctx, ref.Bucket) == nil
}

// refusesRequest reports whether an HTTP status says that the same request will always be refused.
func refusesRequest(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status <= 499
}

// classifyWrite is classify for writing an object. There a key that no object can have is the caller's mistake, and the
// key is the argument that a store calls invalid.
func (s *Store) classifyWrite(ctx context.Context, op string, ref schema.ObjectRef, err error) error {
	if code := minio.ToErrorResponse(err).Code; code == minio.InvalidArgument || answers[code].text == unusableKey || s.refusesThisAlone(ctx, ref, err) {
		return schema.Permanent(op, schema.ReasonInvalidRequest, errors.New(unusableKey))
	}
	if s.refusesAll(ctx, ref, err, s.writeAgain) {
		return schema.Outage(op, sanitise(err))
	}
	return classify(op, err)
}

// refusal is a way to refuse that can be about one object or about all.
type refusal int

const (
	noRefusal refusal = iota
	forbidden         // no right
	failing           // the store, or a proxy before it, has an error of its own
)

// refusalOf tells which one err is.
func refusalOf(err error) refusal {
	response := minio.ToErrorResponse(err)
	a, known := answers[response.Code]
	switch {
	case known && (a.class == schema.ClassFatal || a.class == schema.ClassOutage || a.reason == schema.ReasonImageUnreadable):
		return noRefusal
	case response.StatusCode == http.StatusForbidden:
		return forbidden
	case response.StatusCode >= 500 && response.StatusCode != http.StatusNotImplemented && !slices.Contains(away, response.StatusCode):
		return failing
	}
	return noRefusal
}

// refusesAll reports whether the store refuses everything as it refused a request about ref: also to list its home bucket, or again
// what it did before. An author of requests cannot bring that about: a listing has no key, and what was done last for anybody
// is what is asked for again.
func (s *Store) refusesAll(ctx context.Context, ref schema.ObjectRef, err error, again func(context.Context, schema.ObjectRef) error) bool {
	how := refusalOf(err)
	return how != noRefusal && (refusalOf(s.list(ctx, cmp.Or(s.home, ref.Bucket))) == how || refusalOf(again(ctx, ref)) == how)
}

// worked notes what was read or written.
func (s *Store) worked(last *atomic.Pointer[schema.ObjectRef], ref schema.ObjectRef) {
	if s.home == "" || ref.Bucket == s.home {
		last.Store(&ref)
	}
}

// readAgain asks for the object that was read last. nil: it was answered, or none but that of ref was read yet.
func (s *Store) readAgain(ctx context.Context, ref schema.ObjectRef) error {
	last := s.read.Load()
	if last == nil || last.Key == ref.Key {
		return nil
	}
	_, err := s.client.StatObject(ctx, last.Bucket, last.Key, exactly(*last))
	return err
}

// writeAgain begins to write the object that was written last, in parts, and gives up before the first: so nothing is overwritten.
func (s *Store) writeAgain(ctx context.Context, ref schema.ObjectRef) error {
	last := s.written.Load()
	if last == nil || last.Key == ref.Key {
		return nil
	}
	id, err := s.client.NewMultipartUpload(ctx, last.Bucket, last.Key, minio.PutObjectOptions{})
	if err == nil {
		_ = s.client.AbortMultipartUpload(ctx, last.Bucket, last.Key, id) // else the store keeps an upload without parts
	}
	return err
}

// sanitise keeps of err what is known to hold no object name: codes, statuses, addresses, and causes of known types.
func sanitise(err error) error {
	var response minio.ErrorResponse
	if errors.As(err, &response) {
		a, known := answers[response.Code]
		switch {
		case !known:
			return fmt.Errorf("the store answered %s (HTTP %d), which facestream does not know; its own documentation says what that means", response.Code, response.StatusCode)
		case a.class == schema.ClassPermanent:
			return errors.New(a.text)
		}
		return fmt.Errorf("%s (the store answered %s, HTTP %d)", a.text, response.Code, response.StatusCode)
	}
	var credentials noCredentialsError
	if errors.As(err, &credentials) {
		return credentials
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF} {
		if errors.Is(err, known) {
			return fmt.Errorf("no answer from the store: %w", known)
		}
	}
	var network *net.OpError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var request *url.Error
	switch {
	case errors.As(err, &network):
		return fmt.Errorf("the store is not reachable: %w", network)
	case errors.As(err, &name):
		return fmt.Errorf("the store is not reachable: %w", name)
	case errors.As(err, &certificate):
		return fmt.Errorf("the store's certificate is not trusted: %w", certificate)
	case errors.As(err, &authority):
		return fmt.Errorf("the store's certificate is not trusted: %w", authority)
	case errors.As(err, &request) && request.Timeout():
		return errors.New("no answer from the store in time")
	case errors.As(err, &request):
		return errors.New("the connection to the store broke, or what answered does not speak HTTP as configured (check the endpoint and whether it wants TLS)")
	}
	return fmt.Errorf("the S3 client failed (%T)", err)
}
