package objects

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"

	"github.com/minio/minio-go/v7"

	"facestream/pkg/schema"
)

// classify turns whatever the client returned into an error that says what happens next and names no object. What it
// does not know is Transient: tried again, a bounded number of times.
func classify(op string, err error) error {
	// A full-text wrap of err would leak: its text may hold the URL, and with it the key.
	safe := sanitise(err)
	e := minio.ToErrorResponse(err)
	switch e.Code {
	case minio.NoSuchKey, minio.NoSuchVersion, "InvalidVersionId", "MethodNotAllowed", minio.XMinioInvalidObjectName, "KeyTooLongError":
		// MethodNotAllowed is the answer to reading a delete marker.
		return schema.Permanent(op, schema.ReasonImageNotFound, safe)
	case minio.NoSuchBucket, minio.InvalidBucketName, minio.AccessDenied, "AllAccessDisabled", "AccountProblem":
		return schema.Permanent(op, schema.ReasonBucketNotAllowed, safe)
	case minio.PreconditionFailed:
		return schema.Permanent(op, schema.ReasonImageChanged, safe)
	case "InvalidObjectState":
		return schema.Permanent(op, schema.ReasonImageUnreadable, fmt.Errorf("%w: the object is archived; restore it first", safe))
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "NotSignedUp", minio.AuthorizationHeaderMalformed, "XAdminUserNotFound":
		// XAdminUserNotFound is how Versity S3 Gateway answers an unknown access key.
		return schema.Fatal(op, fmt.Errorf("%w: the store refuses these credentials; correct the access key, the secret key and the region", safe))
	}
	return schema.Transient(op, safe)
}

// classifyRead is classify for reading ref: a version id of a form that the store never gives is an invalid argument to
// it, and names nothing.
func classifyRead(op string, ref schema.ObjectRef, err error) error {
	if ref.Version != "" && minio.ToErrorResponse(err).Code == minio.InvalidArgument {
		return schema.Permanent(op, schema.ReasonImageNotFound, sanitise(err))
	}
	return classify(op, err)
}

// sanitise keeps of err what is known to hold no object name: codes, statuses, addresses, and causes of known types.
func sanitise(err error) error {
	var response minio.ErrorResponse
	if errors.As(err, &response) {
		return fmt.Errorf("the store answered %s (HTTP %d)", response.Code, response.StatusCode)
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
