package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// RequestID names one request. The author of the request chooses it. Requests with equal ids are the same request
// (invariant 3).
type RequestID string

// MaxRequestID is the length of the longest request id, in bytes.
const MaxRequestID = 128

// Bounded is id as it may be repeated: longer than 512 bytes, it is cut to these and gets the hash of the whole. No such id is valid.
func (id RequestID) Bounded() RequestID {
	const most = 512
	if len(id) <= most {
		return id
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(id[end]) {
		end--
	}
	sum := sha256.Sum256([]byte(id))
	return id[:end] + RequestID("…sha256:"+hex.EncodeToString(sum[:]))
}

// Collection names one gallery. All embeddings of a collection are of one model.
type Collection string

// ModelID names a network and its version, for instance "mobilefacenet@b9e1c4d2" (name @ first 8 hex digits of the file's sha256).
type ModelID string

// PUID is the private unique identifier of a person inside one collection. Another collection gives the same person
// another puid. It is redacted when it is printed. Convert it to string only to write it to a payload or a store.
type PUID string

// ExternalID is the caller's own name for a person. It is redacted when it is printed.
type ExternalID string

// Namespaces of the deterministic ids (UUID version 5, RFC 9562 §5.5). They are part of the wire format.
var (
	nsRoot   = uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:facestream:ids:v1"))
	nsObject = uuid.NewSHA1(nsRoot, []byte("object"))
	nsPUID   = uuid.NewSHA1(nsRoot, []byte("puid"))
	nsRow    = uuid.NewSHA1(nsRoot, []byte("row"))
	nsGroup  = uuid.NewSHA1(nsRoot, []byte("group"))
	nsEnd    = uuid.NewSHA1(nsRoot, []byte("end"))
	nsEvent  = uuid.NewSHA1(nsRoot, []byte("event"))
)

// derive joins parts unambiguously (each is preceded by its length) and hashes them into ns.
func derive(ns uuid.UUID, parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)))
		b.WriteByte(':')
		b.WriteString(p)
	}
	return uuid.NewSHA1(ns, []byte(b.String())).String()
}

// ObjectRequestID returns the request id of an upload that no request accompanies. It depends on bucket, key and
// version, or on the ETag where the bucket keeps no versions. Repeated and reordered notifications of one upload
// therefore give one request.
func ObjectRequestID(o ObjectRef) RequestID {
	version := o.Version
	if version == "" {
		version = "etag:" + o.ETag
	}
	return RequestID(derive(nsObject, o.Bucket, o.Key, version))
}

// CallerRequestID returns the id of the request that a caller of an API sends under a key of its own. The same caller and key always give
// the same id, wherever the request arrives.
func CallerRequestID(caller, key string) RequestID {
	return RequestID(derive(nsRoot, "caller", caller, key))
}

// DerivePUID returns the puid of a person in a collection. It follows from the external id in its normal spelling
// ([ExternalID.Normal]) if there is one, else from the enrolling request.
func DerivePUID(c Collection, external ExternalID, request RequestID) PUID {
	if external != "" {
		return derivePUID(c, external.Normal())
	}
	return PUID(derive(nsPUID, string(c), "request", string(request)))
}

// derivePUID returns the puid of the exact spelling of external.
func derivePUID(c Collection, external ExternalID) PUID {
	return PUID(derive(nsPUID, string(c), "external", string(external)))
}

// RowID returns the gallery id of one enrolled face. The same request, object version and face always give the same id,
// under every embedding model.
func RowID(request RequestID, o ObjectRef, face int) string {
	return derive(nsRow, string(request), o.Bucket, o.Key, o.Version, o.ETag, strconv.Itoa(face))
}

// FormerRowID returns the id that earlier versions gave the same row. It differs between models.
func FormerRowID(request RequestID, o ObjectRef, face int, model ModelID) string {
	return derive(nsRow, string(request), o.Bucket, o.Key, o.Version, o.ETag, strconv.Itoa(face), string(model))
}

// EventID returns the CloudEvents id of the event of type kind that request leads to. A redelivered record therefore
// publishes its successor under the same id.
func EventID(kind string, request RequestID) string { return derive(nsEvent, kind, string(request)) }

// EndID returns the id of the try, numbered from 0, to delete a person whose time has ended at a moment.
func EndID(c Collection, puid PUID, end time.Time, try int) string {
	return derive(nsEnd, string(c), string(puid), strconv.FormatInt(end.UnixMicro(), 10), strconv.Itoa(try))
}
