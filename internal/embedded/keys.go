package embedded

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rs/zerolog"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// maxPart is the longest file name, in bytes, that usual file systems keep.
const maxPart = 255

// keyProblem says why the store cannot keep an object under key, or returns "". Keys become paths of files, so that some
// keys would meet in one file, and some names can be written but never listed again.
func keyProblem(key string) string {
	if !utf8.ValidString(key) {
		return "The key is not UTF-8. Name the object in UTF-8."
	}
	for _, r := range key {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return "The key contains a control character that a listing cannot carry. Remove it."
		}
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return `The key has an empty part, "." or ".." between slashes. This store would take it for another key; leave that part out.`
		case part == posix.MetaTmpDir:
			return `The key has the part "` + posix.MetaTmpDir + `", which this store keeps for itself. Use another name.`
		case len(part) > maxPart:
			return "A part of the key between slashes has more than 255 bytes, which this store cannot keep. Use a shorter name."
		}
	}
	return ""
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// keyError returns the error of a new key, or nil if the store can keep it.
func keyError(key *string) error {
	if problem := keyProblem(deref(key)); problem != "" {
		return s3err.APIError{Code: "InvalidArgument", Description: problem, HTTPStatusCode: http.StatusBadRequest}
	}
	return nil
}

// noSuchKey is the answer to reading a key that cannot be kept: the file that its path leads to is another object.
func noSuchKey(key *string) error {
	if keyProblem(deref(key)) != "" {
		return s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	return nil
}

// files is the gateway's file backend behind four rules: a key that cannot be kept names no object; no error text carries a
// key; what was answered is on disk; an object is read only as it was uploaded. The gateway prints every error that it does not
// know to standard error, and those of the file system hold paths (invariant 6).
type files struct {
	*posix.Posix
	log        zerolog.Logger
	attributes meta.MetadataStorer
	versions   string // the folder of the versions that are not the newest
	sidecar    string // the folder of the attributes; "": they are extended attributes
}

// guard returns refused if it is an error, else the answer of do.
func guard[T any](f files, refused error, do func() (T, error)) (T, error) {
	if refused != nil {
		var none T
		return none, refused
	}
	v, err := do()
	return v, f.known(err)
}

// known is err where the gateway has an answer for it, else an error that tells the client and the log no name.
func (f files) known(err error) error {
	var answer s3err.S3Error
	if err == nil {
		return nil
	}
	if errors.As(err, &answer) {
		return answer
	}
	if !errors.Is(err, context.Canceled) {
		cause := errors.New("an error of the file backend")
		if bare := bare(err); bare != err {
			cause = bare
		}
		f.log.Error().AnErr("cause", cause).Str("server", "s3").Msg("the embedded store failed to answer a request")
	}
	return s3err.GetAPIError(s3err.ErrInternalError)
}

// What writes.

func (f files) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	return guard(f, keyError(in.Key), func() (s3response.PutObjectOutput, error) {
		out, err := f.Posix.PutObject(ctx, in)
		return out, f.keep(deref(in.Bucket), deref(in.Key), err)
	})
}

func (f files) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	return guard(f, first(keyError(in.Key), f.copyable(ctx, in.CopySource)), func() (s3response.CopyObjectOutput, error) {
		out, err := f.Posix.CopyObject(ctx, in)
		return out, f.keep(deref(in.Bucket), deref(in.Key), err)
	})
}

// first is the first error of errs. The gateway looks at an error itself, not at what it wraps.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// copyable returns the answer to copying an object whose key cannot be kept, or which is damaged: its copy would get a checksum of
// its own. Other mistakes are the backend's to find.
func (f files) copyable(ctx context.Context, source *string) error {
	bucket, key, version, err := backend.ParseCopySource(deref(source))
	if err != nil {
		return err
	}
	if err := noSuchKey(&key); err != nil {
		return err
	}
	out, err := f.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: &version, Range: new(string)})
	if err == nil && out.Body != nil {
		out.Body.Close()
	}
	if err == error(damagedObject) {
		return err
	}
	return nil
}

func (f files) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	return guard(f, keyError(in.Key), func() (s3response.InitiateMultipartUploadResult, error) {
		return f.Posix.CreateMultipartUpload(ctx, in)
	})
}

func (f files) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	if err := noSuchKey(in.Key); err != nil {
		return s3response.CompleteMultipartUploadResult{}, "", err
	}
	result, version, err := f.Posix.CompleteMultipartUpload(ctx, in)
	return result, version, f.known(f.keep(deref(in.Bucket), deref(in.Key), err))
}

func (f files) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	return f.do(noSuchKey(in.Key), func() error { return f.Posix.AbortMultipartUpload(ctx, in) })
}

func (f files) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	return guard(f, nil, func() (s3response.ListMultipartUploadsResult, error) { return f.Posix.ListMultipartUploads(ctx, in) })
}

func (f files) ListParts(ctx context.Context, in *s3.ListPartsInput) (s3response.ListPartsResult, error) {
	return guard(f, noSuchKey(in.Key), func() (s3response.ListPartsResult, error) { return f.Posix.ListParts(ctx, in) })
}

func (f files) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	return guard(f, noSuchKey(in.Key), func() (*s3.UploadPartOutput, error) { return f.Posix.UploadPart(ctx, in) })
}

func (f files) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	return guard(f, first(noSuchKey(in.Key), f.copyable(ctx, in.CopySource)), func() (s3response.CopyPartResult, error) { return f.Posix.UploadPartCopy(ctx, in) })
}

// What reads and removes.

func (f files) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	return guard(f, noSuchKey(in.Key), func() (*s3.HeadObjectOutput, error) { return f.Posix.HeadObject(ctx, in) })
}

func (f files) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	return guard(f, noSuchKey(in.Key), func() (*s3.GetObjectOutput, error) {
		out, err := f.Posix.GetObject(ctx, in)
		if err != nil {
			return out, err
		}
		return f.checked(in, out)
	})
}

func (f files) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (s3response.GetObjectAttributesResponse, error) {
	return guard(f, noSuchKey(in.Key), func() (s3response.GetObjectAttributesResponse, error) { return f.Posix.GetObjectAttributes(ctx, in) })
}

func (f files) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	return guard(f, noSuchKey(in.Key), func() (*s3.DeleteObjectOutput, error) {
		out, err := f.Posix.DeleteObject(ctx, in)
		return out, f.keep(deref(in.Bucket), deref(in.Key), err)
	})
}

func (f files) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	var refused []types.Error
	good := *in
	good.Delete = &types.Delete{}
	for _, o := range in.Delete.Objects {
		if err := noSuchKey(o.Key); err != nil {
			refused = append(refused, s3err.ObjectDeleteError(o.Key, o.VersionId, err))
		} else {
			good.Delete.Objects = append(good.Delete.Objects, o)
		}
	}
	result, err := f.Posix.DeleteObjects(ctx, &good)
	for _, o := range good.Delete.Objects {
		err = f.keep(deref(in.Bucket), deref(o.Key), err)
	}
	result.Error = append(result.Error, refused...)
	return result, f.known(err)
}

func (f files) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	return guard(f, nil, func() (s3response.ListObjectsResult, error) { return f.Posix.ListObjects(ctx, in) })
}

func (f files) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	return guard(f, nil, func() (s3response.ListObjectsV2Result, error) { return f.Posix.ListObjectsV2(ctx, in) })
}

func (f files) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput) (s3response.ListVersionsResult, error) {
	return guard(f, nil, func() (s3response.ListVersionsResult, error) { return f.Posix.ListObjectVersions(ctx, in) })
}

func (f files) GetObjectTagging(ctx context.Context, bucket, key, version string) (map[string]string, error) {
	return guard(f, noSuchKey(&key), func() (map[string]string, error) { return f.Posix.GetObjectTagging(ctx, bucket, key, version) })
}

func (f files) PutObjectTagging(ctx context.Context, bucket, key, version string, tags map[string]string) error {
	return f.do(noSuchKey(&key), func() error {
		return f.keep(bucket, key, f.Posix.PutObjectTagging(ctx, bucket, key, version, tags))
	})
}

func (f files) DeleteObjectTagging(ctx context.Context, bucket, key, version string) error {
	return f.do(noSuchKey(&key), func() error {
		return f.keep(bucket, key, f.Posix.DeleteObjectTagging(ctx, bucket, key, version))
	})
}

func (f files) PutObjectRetention(ctx context.Context, bucket, key, version string, retention []byte) error {
	return f.do(noSuchKey(&key), func() error { return f.Posix.PutObjectRetention(ctx, bucket, key, version, retention) })
}

func (f files) GetObjectRetention(ctx context.Context, bucket, key, version string) ([]byte, error) {
	return guard(f, noSuchKey(&key), func() ([]byte, error) { return f.Posix.GetObjectRetention(ctx, bucket, key, version) })
}

func (f files) PutObjectLegalHold(ctx context.Context, bucket, key, version string, status bool) error {
	return f.do(noSuchKey(&key), func() error { return f.Posix.PutObjectLegalHold(ctx, bucket, key, version, status) })
}

func (f files) GetObjectLegalHold(ctx context.Context, bucket, key, version string) (*bool, error) {
	return guard(f, noSuchKey(&key), func() (*bool, error) { return f.Posix.GetObjectLegalHold(ctx, bucket, key, version) })
}

func (f files) do(refused error, do func() error) error {
	if refused != nil {
		return refused
	}
	return f.known(do())
}

// setAside moves files under root, the folder of all buckets, whose names no listing can carry to the folder aside, and
// returns how many there were. Earlier versions accepted such keys, and every listing of their bucket failed from then on.
// Later ones refuse them, so that one pass in the life of a data folder is enough; a file beside root remembers it.
func setAside(root, aside string) (int, error) {
	done := root + ".checked"
	if _, err := os.Stat(done); err == nil {
		return 0, nil
	}
	moved := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := filepath.Base(path); {
		case err != nil:
			return err
		case name == posix.MetaTmpDir:
			return fs.SkipDir
		case path == root || keyProblem(name) == "":
			return nil
		}
		if err := os.MkdirAll(aside, 0o700); err != nil {
			return err
		}
		folder, err := os.MkdirTemp(aside, "*")
		if err != nil {
			return err
		}
		if err := os.Rename(path, filepath.Join(folder, "object")); err != nil {
			return err
		}
		moved++
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return moved, errors.New("the folder of the objects cannot be searched for names that no listing can carry") // the cause's text has a key
	}
	return moved, os.WriteFile(done, nil, 0o600)
}
