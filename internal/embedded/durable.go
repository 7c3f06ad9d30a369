package embedded

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"

	"facestream/internal/objects"
)

// The attributes of an object that matter here, as the file backend names them.
const (
	versionAttribute = "version-id"
	partsAttribute   = "mp-metadata"
	markerAttribute  = "delete-marker"
	etagAttribute    = "etag"
	nullVersion      = "null" // of an object that has no version id
)

// syncing makes durable what an object is replaced by, before it is replaced. The backend writes an upload to a temporary file,
// copies the object that it replaces to the folder of versions, gives the temporary file its version id, and renames it. A deletion
// copies the object, too, and then marks it; the deletion of a version puts the one before back in its place. A loss of power in
// between must leave one of the two.
type syncing struct {
	meta.MetadataStorer
	versions string
}

// StoreAttribute implements meta.MetadataStorer. f is the temporary file of a new object, or of a copy among the versions (object is
// empty then), or nil.
func (s syncing) StoreAttribute(f *os.File, bucket, object, attribute string, value []byte) error {
	replaces := object != "" && (f != nil && attribute == versionAttribute || f == nil && attribute == markerAttribute)
	if replaces {
		before, err := s.RetrieveAttribute(nil, bucket, object, versionAttribute)
		if errors.Is(err, meta.ErrNoSuchKey) {
			before, err = []byte(nullVersion), nil
		}
		if err == nil { // else there is no object
			if err := syncPath(filepath.Join(s.versions, bucket, versionFolder(object), string(before)), s.versions); err != nil {
				return storable(err)
			}
		}
	}
	if err := s.MetadataStorer.StoreAttribute(f, bucket, object, attribute, value); err != nil || object == "" {
		return err
	}
	switch {
	case f != nil && (attribute == versionAttribute || attribute == partsAttribute): // the last one of an upload, also of one in parts
		return storable(f.Sync())
	case f == nil && attribute == etagAttribute: // of a version that was put back
		return storable(syncPath(filepath.Join(bucket, object), "."))
	}
	return nil
}

// versionFolder is where the versions of an object lie that are not the newest, below the folder of its bucket.
func versionFolder(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(name[:2], name[2:4], name[4:6], name)
}

// storable is the answer to an error of fsync.
func storable(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice)
	case errors.Is(err, syscall.EDQUOT):
		return s3err.GetAPIError(s3err.ErrQuotaExceeded)
	}
	return err
}

// syncPath syncs a file, or a folder, and the folders above it up to root. What is not there any more is left out: somebody deleted
// it meanwhile.
func syncPath(path, root string) error {
	for {
		f, err := os.Open(path)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		// Some file systems cannot sync a folder.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
			return err
		}
		above := filepath.Dir(path)
		if path == root || above == path {
			return nil
		}
		path = above
	}
}

// keep makes durable what a successful call changed about an object; nobody was told yet. err is the call's own.
func (f files) keep(bucket, key string, err error) error {
	if err != nil {
		return err
	}
	err = syncPath(filepath.Join(bucket, key), ".") // the working directory is the folder of all buckets
	if err == nil {
		err = syncPath(filepath.Join(f.versions, bucket, versionFolder(key)), f.versions)
	}
	if err == nil && f.sidecar != "" {
		err = f.keepSidecar(filepath.Join(f.sidecar, bucket, key, "meta"))
	}
	return storable(err)
}

// keepSidecar syncs the attributes of an object where they are files.
func (f files) keepSidecar(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, syncPath(filepath.Join(folder, e.Name()), filepath.Join(folder, e.Name())))
	}
	return errors.Join(err, syncPath(folder, f.sidecar))
}

// intact compares the content of an object with its ETag. That is the MD5 of the content, or, after an upload in parts, the MD5 of
// the MD5s of the parts, and their number. An object without an ETag was put into the folder by hand.
func intact(file *os.File, attributes meta.MetadataStorer) (bool, error) {
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	folder, name := filepath.Split(file.Name())
	etag, err := attributes.RetrieveAttribute(file, folder, name, etagAttribute)
	if errors.Is(err, meta.ErrNoSuchKey) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	want := strings.Trim(string(etag), `"`)
	ends := []int64{info.Size()} // of the parts
	inParts := strings.Contains(want, "-")
	if inParts {
		raw, err := attributes.RetrieveAttribute(file, folder, name, partsAttribute)
		if errors.Is(err, meta.ErrNoSuchKey) {
			return true, nil // of a version of the backend that did not note them
		}
		if err != nil {
			return false, err
		}
		parts, err := backend.UnmarshalMpUploadMetadata(raw, false)
		if err != nil || len(parts.Parts) == 0 || parts.Parts[len(parts.Parts)-1] != info.Size() {
			return false, nil
		}
		ends = parts.Parts
	}
	var sums []byte
	at := int64(0)
	for _, end := range ends {
		sum := md5.New()
		if _, err := io.Copy(sum, io.NewSectionReader(file, at, max(0, end-at))); err != nil {
			return false, err
		}
		sums, at = sum.Sum(sums), end
	}
	got := hex.EncodeToString(sums)
	if inParts {
		sum := md5.Sum(sums)
		got = fmt.Sprintf("%s-%d", hex.EncodeToString(sum[:]), len(ends))
	}
	return got == want, nil
}

// damagedObject is the answer about an object that does not hold what was uploaded. internal/objects knows the code.
var damagedObject = s3err.APIError{Code: objects.DamagedCode, HTTPStatusCode: http.StatusInternalServerError,
	Description: "What the store keeps of this object is not what was uploaded: its checksum is another. Upload it again."}

// checked is the answer to reading a whole object, whose content is compared with its checksum first.
func (f files) checked(in *s3.GetObjectInput, out *s3.GetObjectOutput) (*s3.GetObjectOutput, error) {
	file, whole := out.Body.(*os.File)
	if !whole {
		return out, nil
	}
	ok, err := intact(file, f.attributes)
	if ok {
		return out, nil
	}
	file.Close()
	name := sha256.Sum256([]byte(deref(in.Bucket) + "/" + deref(in.Key)))
	f.log.Error().AnErr("cause", bare(err)).Str("server", "s3").Str("sha256_of_bucket_and_key", hex.EncodeToString(name[:])).
		Msg("an object is damaged: its content has another checksum than what was uploaded; `facestream servers check` names all that are")
	return nil, damagedObject
}

// bare is the cause of err without the path, which holds a key (invariant 6).
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// DamagedObjects yields the objects of the embedded store in the data folder dir, the newest and older versions, whose content has
// another checksum than what was uploaded, as paths below dir. The store may run. An error ends the sequence.
func DamagedObjects(dir string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		store := filepath.Join(dir, "s3")
		attributes, _, err := attributesIn(store)
		if err != nil {
			yield("", err)
			return
		}
		for _, folder := range []string{"objects", "versions"} {
			stopped := errors.New("the caller has enough")
			err := filepath.WalkDir(filepath.Join(store, folder), func(path string, entry fs.DirEntry, err error) error {
				switch {
				case errors.Is(err, fs.ErrNotExist): // deleted meanwhile, or nothing was ever stored
					return nil
				case err != nil:
					return err
				case entry.IsDir() && entry.Name() == posix.MetaTmpDir:
					return fs.SkipDir
				case !entry.Type().IsRegular():
					return nil
				}
				file, err := os.Open(path)
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				if err != nil {
					return err
				}
				defer file.Close()
				if ok, _ := intact(file, attributes); ok {
					return nil
				}
				below, err := filepath.Rel(dir, path)
				if err == nil && !yield(below, nil) {
					err = stopped
				}
				return err
			})
			if err == stopped {
				return
			}
			if err != nil {
				yield("", err)
				return
			}
		}
	}
}
