package objects_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/objects"
	"facestream/pkg/schema"
)

// recorded is a store that gives recorded answers.
func recorded(t *testing.T, answer http.HandlerFunc) *objects.Store {
	t.Helper()
	return recordedHome(t, "", answer)
}

func recordedHome(t *testing.T, home string, answer http.HandlerFunc) *objects.Store {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return storeFor(t, objects.Config{Home: home, Endpoint: strings.TrimPrefix(server.URL, "http://"), AccessKey: "access", SecretKey: "secret-secret", Region: "us-east-1"})
}

// listed answers a listing with an empty bucket.
func listed(w http.ResponseWriter, r *http.Request) bool {
	if !r.URL.Query().Has("list-type") {
		return false
	}
	io.WriteString(w, `<ListBucketResult><Name>images</Name><IsTruncated>false</IsTruncated></ListBucketResult>`)
	return true
}

// A store that refuses or fails one object, or one bucket, says so about that. One that does it to all is out of service, and
// nobody's request is to blame.
func TestRefusalOfAll(t *testing.T) {
	const code = `<Error><Code>%s</Code><Message>planted</Message></Error>`
	for _, refusal := range []struct {
		status int
		code   string
		one    schema.Class // of a refusal of one object
		reason schema.Reason
	}{
		{http.StatusForbidden, "AccessDenied", schema.ClassPermanent, schema.ReasonBucketNotAllowed},
		{http.StatusForbidden, "SomethingNew", schema.ClassTransient, ""},
		{http.StatusInternalServerError, "InternalError", schema.ClassTransient, ""},
		{http.StatusBadGateway, "", schema.ClassTransient, ""},
		{http.StatusGatewayTimeout, "", schema.ClassTransient, ""},
	} {
		for _, tt := range []struct {
			name    string
			refused func(r *http.Request) bool
			all     bool
		}{
			{"one key", func(r *http.Request) bool { return strings.Contains(r.URL.Path, "planted") }, false},
			{"one bucket", func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/others/") }, false},
			{"all keys of the home bucket", func(r *http.Request) bool { return !r.URL.Query().Has("list-type") }, true},
			{"listings of the home bucket, and the key", func(r *http.Request) bool {
				return strings.Contains(r.URL.Path, "planted") || r.URL.Query().Has("list-type")
			}, true},
			{"everything", func(*http.Request) bool { return true }, true},
		} {
			t.Run(fmt.Sprintf("%s %d %s", tt.name, refusal.status, refusal.code), func(t *testing.T) {
				var refusing atomic.Bool
				kept := 0 // uploads in parts
				s := recordedHome(t, "images", func(w http.ResponseWriter, r *http.Request) {
					switch {
					case refusing.Load() && tt.refused(r):
						w.WriteHeader(refusal.status)
						if refusal.code != "" {
							fmt.Fprintf(w, code, refusal.code)
						}
					case listed(w, r):
					case r.Method == http.MethodPost:
						kept++
						io.WriteString(w, `<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`)
					case r.Method == http.MethodDelete:
						kept--
						w.WriteHeader(http.StatusNoContent)
					default:
						w.Header().Set("ETag", `"d41d"`)
						w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
					}
				})
				good, bad := schema.ObjectRef{Bucket: "images", Key: "good"}, schema.ObjectRef{Bucket: "images", Key: "planted"}
				if tt.name == "one bucket" {
					bad.Bucket = "others"
				}
				get := func(ref schema.ObjectRef) error { _, _, err := s.Get(t.Context(), ref, 10); return err }
				put := func(ref schema.ObjectRef) error {
					_, err := s.Put(t.Context(), ref, nil, "image/jpeg", nil)
					return err
				}
				for _, call := range []func(schema.ObjectRef) error{get, put} {
					refusing.Store(false)
					if err := call(good); err != nil {
						t.Fatal(err)
					}
					refusing.Store(true)
					class, reason := refusal.one, refusal.reason
					if tt.all {
						class, reason = schema.ClassOutage, ""
					}
					wantError(t, call(bad), class, reason, "planted")
					if !tt.all {
						if err := call(good); err != nil {
							t.Errorf("the others: %v", err)
						}
					}
				}
				if kept != 0 {
					t.Errorf("%d uploads in parts were left behind", kept)
				}
			})
		}
	}
}

// An object that was read, and is refused later, is no evidence about all.
func TestRefusalOfTheObjectReadLast(t *testing.T) {
	var refusing atomic.Bool
	s := recordedHome(t, "images", func(w http.ResponseWriter, r *http.Request) {
		if listed(w, r) {
			return
		}
		w.Header().Set("ETag", `"d41d"`)
		w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
		if refusing.Load() {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	ref := schema.ObjectRef{Bucket: "images", Key: "planted"}
	if _, _, err := s.Get(t.Context(), ref, 10); err != nil {
		t.Fatal(err)
	}
	refusing.Store(true)
	_, _, err := s.Get(t.Context(), ref, 10)
	wantError(t, err, schema.ClassPermanent, schema.ReasonBucketNotAllowed, "planted")
}

// TestAnswersInWords: every code that a user can meet is a cause and a way out. Results get no code of HTTP, and nothing
// that the store says of the key.
func TestAnswersInWords(t *testing.T) {
	for _, tt := range []struct {
		code   string
		status int
		class  schema.Class
		reason schema.Reason
		cause  string
		wayOut string
	}{
		{"NoSuchKey", 404, schema.ClassPermanent, schema.ReasonImageNotFound, "no object with this key", "upload it first"},
		{"NoSuchVersion", 404, schema.ClassPermanent, schema.ReasonImageNotFound, "no such version", "name one that exists"},
		{"MethodNotAllowed", 405, schema.ClassPermanent, schema.ReasonImageNotFound, "deleted", "upload it again"},
		{"KeyTooLongError", 400, schema.ClassPermanent, schema.ReasonImageNotFound, "can have this key", "use UTF-8"},
		{"XMinioInvalidObjectName", 400, schema.ClassPermanent, schema.ReasonImageNotFound, "can have this key", "use UTF-8"},
		{"InvalidObjectState", 403, schema.ClassPermanent, schema.ReasonImageUnreadable, "archived", "restore it"},
		{"NoSuchBucket", 404, schema.ClassPermanent, schema.ReasonBucketNotAllowed, "no bucket of this name", "create"},
		{"AccessDenied", 403, schema.ClassPermanent, schema.ReasonBucketNotAllowed, "right", "grant"},
		{"AllAccessDisabled", 403, schema.ClassPermanent, schema.ReasonBucketNotAllowed, "closed", "another"},
		{"PreconditionFailed", 412, schema.ClassPermanent, schema.ReasonImageChanged, "other content has taken the place", "versioning on"},
		{"ObjectParentIsFile", 409, schema.ClassPermanent, schema.ReasonInvalidRequest, "the same name", "another key"},
		{"MetadataTooLarge", 400, schema.ClassPermanent, schema.ReasonInvalidRequest, "too large", "2 kB"},
		{"BadDigest", 400, schema.ClassTransient, "", "damaged", "again"},
		{"InvalidAccessKeyId", 403, schema.ClassFatal, "", "does not know this access key", "s3.access_key"},
		{"SignatureDoesNotMatch", 403, schema.ClassFatal, "", "does not belong", "s3.secret_key"},
		{"AuthorizationHeaderMalformed", 400, schema.ClassFatal, "", "another region", "s3.region"},
		{"RequestTimeTooSkewed", 403, schema.ClassOutage, "", "clocks", "set them"},
		{"ExpiredToken", 400, schema.ClassOutage, "", "expired", "renew"},
		{"SlowDown", 503, schema.ClassOutage, "", "busy", "fewer"},
		{"ServiceUnavailable", 503, schema.ClassOutage, "", "busy", "wait"},
		{"InternalError", 500, schema.ClassTransient, "", "failed", "log"},
		{"XMinioServerNotInitialized", 503, schema.ClassOutage, "", "starting", "wait"},
		{"XMinioStorageFull", 507, schema.ClassOutage, "", "full", "add disks"},
		{"QuotaExceeded", 403, schema.ClassOutage, "", "quota", "raise it"},
		{"SomethingNew", 507, schema.ClassOutage, "", "SomethingNew (HTTP 507)", "documentation"},
		{"SomethingNew", 418, schema.ClassTransient, "", "SomethingNew (HTTP 418)", "documentation"},
	} {
		t.Run(tt.code, func(t *testing.T) {
			s := recorded(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.code != "SomethingNew" && listed(w, r) {
					return
				}
				w.WriteHeader(tt.status)
				fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>planted</Message><Key>planted</Key><Resource>/images/planted</Resource></Error>`, tt.code)
			})
			_, _, err := s.Get(t.Context(), schema.ObjectRef{Bucket: "images", Key: "planted"}, 10)
			wantError(t, err, tt.class, tt.reason, "planted")
			text := schema.MessageOf(err)
			if !strings.Contains(text, tt.cause) || !strings.Contains(text, tt.wayOut) {
				t.Errorf("%q does not say %q and %q", text, tt.cause, tt.wayOut)
			}
			if tt.class == schema.ClassPermanent && (strings.Contains(text, "HTTP") || strings.Contains(text, tt.code)) {
				t.Errorf("%q speaks of the protocol", text)
			}
		})
	}
	for _, code := range []string{"InvalidArgument", "KeyTooLongError", "XMinioInvalidObjectName"} {
		s := recorded(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `<Error><Code>%s</Code><Message>planted</Message></Error>`, code)
		})
		_, err := s.Put(t.Context(), schema.ObjectRef{Bucket: "images", Key: "planted"}, nil, "image/jpeg", nil)
		wantError(t, err, schema.ClassPermanent, schema.ReasonInvalidRequest, "planted")
	}
}

// TestMetadataOfAnyStore: AWS S3 returns text that is not ASCII encoded after RFC 2047, MinIO as it was sent. Bytes of
// another character set stay what they are.
func TestMetadataOfAnyStore(t *testing.T) {
	for sent, want := range map[string]string{
		"alice":                               "alice",
		"Zoë":                                 "Zoë",
		"=?UTF-8?Q?Zo=C3=AB?=":                "Zoë",
		"=?UTF-8?B?Wm/Dqw==?=":                "Zoë",
		"=?utf-8?q?Zo=C3=AB?= =?utf-8?q?_B?=": "Zoë B",
		"=?ISO-8859-1?Q?Zo=EB?=":              "Zoë",
		"=?KOI8-R?Q?Zo=EB?=":                  "=?KOI8-R?Q?Zo=EB?=",
		"=?not encoded":                       "=?not encoded",
		"Zo\xeb":                              "Zo\xeb",
	} {
		s := recorded(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"d41d"`)
			w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
			w.Header()["X-Amz-Meta-Name"] = []string{sent}
		})
		info, err := s.Stat(t.Context(), schema.ObjectRef{Bucket: "images", Key: "k"})
		if err != nil || info.Metadata["name"] != want {
			t.Errorf("%q was read as %q (%v)", sent, info.Metadata["name"], err)
		}
	}
	var sent string
	s := recorded(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("X-Amz-Meta-Name")
		w.Header().Set("ETag", `"d41d"`)
	})
	if _, err := s.Put(t.Context(), schema.ObjectRef{Bucket: "images", Key: "k"}, nil, "image/jpeg", map[string]string{"name": "Zoë"}); err != nil || sent != "=?utf-8?q?Zo=C3=AB?=" {
		t.Errorf("Zoë was sent as %q (%v)", sent, err)
	}
}

// TestPoisonNeverStopsAListing gives pages as stores do that let any name in. Entries that cannot be read are reported one
// by one, all others are listed, and a store that says that it encodes names but does not is read all the same.
func TestPoisonNeverStopsAListing(t *testing.T) {
	entry := func(key string) string {
		return `<Version><Key>` + key + `</Key><VersionId>v</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>"d41d"</ETag><Size>5</Size></Version>`
	}
	const url = `<EncodingType>url</EncodingType>`
	for _, tt := range []struct {
		name, head string
		keys       []string
		want       []string
		unreadable int
	}{
		{"plain names", "", []string{"a.jpg", "100%.jpg", "a+b.jpg", "z.jpg"}, []string{"a.jpg", "100%.jpg", "a+b.jpg", "z.jpg"}, 0},
		{"encoded names", url, []string{"a.jpg", "100%25.jpg", "a%2Bb+c.jpg"}, []string{"a.jpg", "100%.jpg", "a+b c.jpg"}, 0},
		{"names that are not encoded after all", url, []string{"a.jpg", "100%.jpg", "50%4.jpg", "%", "%%%41", "z.jpg"}, []string{"a.jpg", "100%.jpg", "50%4.jpg", "%", "%%A", "z.jpg"}, 0},
		{"not UTF-8", "", []string{"a.jpg", "planted\xff.jpg", "planted\xc3(.jpg", "z.jpg"}, []string{"a.jpg", "z.jpg"}, 2},
		{"control characters", "", []string{"a.jpg", "planted\x01.jpg", "planted&#x1;.jpg", "planted&#8;.jpg", "tab&#x9;.jpg", "z.jpg"}, []string{"a.jpg", "tab\t.jpg", "z.jpg"}, 3},
		{"an honest replacement character", "", []string{"a\ufffd.jpg"}, []string{"a\ufffd.jpg"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := recorded(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Query().Has("versioning"):
					io.WriteString(w, `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`)
				default:
					io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>images</Name>`+tt.head+`<IsTruncated>false</IsTruncated>`)
					for _, key := range tt.keys {
						io.WriteString(w, entry(key))
					}
					io.WriteString(w, `</ListVersionsResult>`)
				}
			})
			var got []string
			unreadable := 0
			for info, err := range s.List(t.Context(), "images", "") {
				if err != nil {
					wantError(t, err, schema.ClassPermanent, schema.ReasonUnparsable, "planted")
					unreadable++
					continue
				}
				got = append(got, info.Ref.Key)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || unreadable != tt.unreadable {
				t.Errorf("%d entries cannot be read, want %d: %s", unreadable, tt.unreadable, diff)
			}
		})
	}
}

// TestPoisonAtTheEndOfAPage: the listing goes on behind a key that cannot be read, misses nothing, and ends, wherever its
// pages do.
func TestPoisonAtTheEndOfAPage(t *testing.T) {
	var keys []string
	for _, folder := range []string{"a/", "b/", "c/"} {
		for i := range 7 {
			keys = append(keys, folder+string(rune(i+1))+".jpg")
		}
		for i := range 5 {
			keys = append(keys, fmt.Sprintf("%s%d.jpg", folder, i))
		}
	}
	for size := 1; size < 20; size++ {
		pages := 0
		s := recorded(t, func(w http.ResponseWriter, r *http.Request) {
			query := r.URL.Query()
			if query.Has("versioning") {
				io.WriteString(w, `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`)
				return
			}
			if pages++; pages > 1000 {
				t.Error("the listing does not end")
				w.WriteHeader(http.StatusForbidden)
				return
			}
			start, _ := slices.BinarySearch(keys, query.Get("key-marker")+"\x00")
			page := keys[start:min(start+size, len(keys))]
			fmt.Fprintf(w, `<ListVersionsResult><IsTruncated>%t</IsTruncated>`, start+size < len(keys))
			for _, key := range page {
				fmt.Fprintf(w, `<Version><Key>%s</Key><VersionId>v</VersionId><LastModified>2026-01-02T03:04:05.000Z</LastModified><Size>5</Size></Version>`, key)
			}
			if len(page) > 0 {
				fmt.Fprintf(w, `<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>`, page[len(page)-1])
			}
			io.WriteString(w, `</ListVersionsResult>`)
		})
		got := map[string]bool{}
		for info, err := range s.List(t.Context(), "images", "") {
			if err != nil && schema.ReasonOf(err) != schema.ReasonUnparsable {
				t.Fatal(err)
			}
			got[info.Ref.Key] = true
		}
		for _, key := range keys {
			// A page that is full of such keys is left behind with the rest of its folder.
			if readable := !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' }); readable && !got[key] && size > 7 {
				t.Errorf("with pages of %d, %q is missing", size, key)
			}
		}
	}
}
