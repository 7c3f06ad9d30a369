package schema

import (
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// RequestID names one request; its author chooses it, and equal ids mean the same request (invariant 3).
type RequestID string

// Collection names one gallery. A collection is tied to one embedding model.
type Collection string

// ModelID names a network and its version, for instance "mobilefacenet@b9e1c4d2" (name @ first 8 hex digits of the file's sha256).
type ModelID string

// PUID is the private unique identifier of a person inside one collection: another collection gives the same person
// another one. It prints redacted; convert to string only to write it to a payload or a store.
type PUID string

// ExternalID is the caller's own name for a person. It prints redacted.
type ExternalID string

// Namespaces of the deterministic ids (UUID version 5, RFC 9562 §5.5). They are part of the wire format.
var (
	nsRoot   = uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:facestream:ids:v1"))
	nsObject = uuid.NewSHA1(nsRoot, []byte("object"))
	nsPUID   = uuid.NewSHA1(nsRoot, []byte("puid"))
	nsRow    = uuid.NewSHA1(nsRoot, []byte("row"))
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

// ObjectRequestID is the request id of an unattended upload: one per bucket, key and version (the ETag where the bucket
// keeps no versions), so that repeated and reordered notifications meet in one request.
func ObjectRequestID(o ObjectRef) RequestID {
	version := o.Version
	if version == "" {
		version = "etag:" + o.ETag
	}
	return RequestID(derive(nsObject, o.Bucket, o.Key, version))
}

// DerivePUID is the identity of a person in a collection: a function of the external id in its normal spelling where
// there is one, else of the enrolling request.
func DerivePUID(c Collection, external ExternalID, request RequestID) PUID {
	if external != "" {
		return derivePUID(c, external.Normal())
	}
	return PUID(derive(nsPUID, string(c), "request", string(request)))
}

// derivePUID is the identity of the exact spelling of external.
func derivePUID(c Collection, external ExternalID) PUID {
	return PUID(derive(nsPUID, string(c), "external", string(external)))
}

// RowID is the gallery id of one enrolled face: the same request, object version and face always give the same row,
// under whichever model it is embedded.
func RowID(request RequestID, o ObjectRef, face int) string {
	return derive(nsRow, string(request), o.Bucket, o.Key, o.Version, o.ETag, strconv.Itoa(face))
}

// FormerRowID is the id that earlier versions gave the same row: another one under each model.
func FormerRowID(request RequestID, o ObjectRef, face int, model ModelID) string {
	return derive(nsRow, string(request), o.Bucket, o.Key, o.Version, o.ETag, strconv.Itoa(face), string(model))
}

// EventID is the CloudEvents id of what kind (an event type) a request leads to: a redelivered record publishes its
// successor under the same id.
func EventID(kind string, request RequestID) string { return derive(nsEvent, kind, string(request)) }
