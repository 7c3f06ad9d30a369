package notify

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/schema"
)

// The records below have the fields that the stores document or send; values that do not matter are shortened.
const (
	awsPut = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.000Z",
		"eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AWS:AIDAEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},
		"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"FMyUVURIY8"},
		"s3":{"s3SchemaVersion":"1.0","configurationId":"webhook-global","bucket":{"name":"images","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},"arn":"arn:aws:s3:::images"},
		"object":{"key":"enroll/staff/a+b%2Bc%2520/%C3%BC.jpg","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5"}}}]}`
	awsTwo = `{"Records":[
		{"eventSource":"aws:s3","eventName":"ObjectRemoved:DeleteMarkerCreated","s3":{"bucket":{"name":"images","arn":"arn:aws:s3:::images"},"object":{"key":"a.jpg","eTag":"d41d","versionId":"v2"}}},
		{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"images","arn":"arn:aws:s3:::images"},"object":{"key":"folder/","size":0,"eTag":"d41d"}}}]}`
	awsTest  = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05.000Z","Bucket":"images","RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwcmo8"}`
	minioPut = `{"EventName":"s3:ObjectCreated:Put","Key":"images/enroll/staff/a b+c%20/ü.jpg","Records":[{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"",
		"eventTime":"2026-01-02T03:04:05.000Z","eventName":"s3:ObjectCreated:Put","userIdentity":{"principalId":"minioadmin"},
		"requestParameters":{"principalId":"minioadmin","region":"","sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-request-id":"17A1","x-minio-origin-endpoint":"http://127.0.0.1:9000"},
		"s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":{"name":"images","ownerIdentity":{"principalId":"minioadmin"},"arn":"arn:aws:s3:::images"},
		"object":{"key":"enroll%2Fstaff%2Fa+b%2Bc%2520%2F%C3%BC.jpg","size":5,"eTag":"5d41402abc4b2a76b9719d911017c592","contentType":"image/jpeg",
		"userMetadata":{"X-Amz-Meta-Facestream-Operation":"enroll","content-type":"image/jpeg"},"versionId":"null","sequencer":"17A1B2C3"}},
		"source":{"host":"127.0.0.1","port":"","userAgent":"MinIO (linux; amd64) minio-go/v7"}}]}`
	minioFolder = `{"EventName":"s3:ObjectCreated:Put","Key":"images/f","Records":[{"eventSource":"minio:s3","eventName":"s3:ObjectCreated:Put",
		"s3":{"bucket":{"name":"images"},"object":{"key":"f","eTag":"d41d","contentType":"application/x-directory"}}}]}`
	minioRetention = `{"EventName":"s3:ObjectCreated:PutRetention","Key":"images/f.jpg","Records":[{"eventSource":"minio:s3","eventName":"s3:ObjectCreated:PutRetention",
		"s3":{"bucket":{"name":"images"},"object":{"key":"f.jpg","size":9,"eTag":"d41d","versionId":"v1"}}}]}`
	versityPut = `{"Records":[{"eventVersion":"2.2","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:04:05Z","eventName":"s3:ObjectCreated:Put",
		"userIdentity":{"PrincipalId":"access"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-request-id":"","x-amz-id-2":""},
		"s3":{"s3SchemaVersion":"1.0","configurationId":"webhook-global","bucket":{"name":"images","ownerIdentity":{"PrincipalId":"access"},"arn":"arn:aws:s3:::/images/a b+c%20/ü.jpg"},
		"object":{"key":"a b+c%20/ü.jpg","size":5,"eTag":"\"5d41402abc4b2a76b9719d911017c592\"","versionId":null,"sequencer":"1"}},
		"glacierEventData":{"restoreEventData":{"lifecycleRestorationExpiryTime":"","lifecycleRestoreStorageClass":""}}}]}`
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, value string
		want        []Notification
	}{
		{"aws", awsPut, []Notification{{
			Ref:     schema.ObjectRef{Bucket: "images", Key: "enroll/staff/a b+c%20/ü.jpg", Version: "096fKKXTRTtl3on89fVO.nfljtsv6qko", ETag: "d41d8cd98f00b204e9800998ecf8427e"},
			Created: true, Event: "s3:ObjectCreated:Put", Size: 1024, Dialect: DialectAWS,
		}}},
		{"aws, a removal and a folder", awsTwo, []Notification{
			{Ref: schema.ObjectRef{Bucket: "images", Key: "a.jpg", Version: "v2", ETag: "d41d"}, Event: "s3:ObjectRemoved:DeleteMarkerCreated", Dialect: DialectAWS},
			{Ref: schema.ObjectRef{Bucket: "images", Key: "folder/", ETag: "d41d"}, Event: "s3:ObjectCreated:Put", Dialect: DialectAWS},
		}},
		{"aws, the test event", awsTest, nil},
		{"minio", minioPut, []Notification{{
			Ref:     schema.ObjectRef{Bucket: "images", Key: "enroll/staff/a b+c%20/ü.jpg", ETag: "5d41402abc4b2a76b9719d911017c592"},
			Created: true, Event: "s3:ObjectCreated:Put", Size: 5, Metadata: map[string]string{"facestream-operation": "enroll"}, Dialect: DialectMinIO,
		}}},
		{"minio, a folder by its type", minioFolder, []Notification{
			{Ref: schema.ObjectRef{Bucket: "images", Key: "f", ETag: "d41d"}, Event: "s3:ObjectCreated:Put", Dialect: DialectMinIO},
		}},
		{"minio, a creation that is none", minioRetention, []Notification{
			{Ref: schema.ObjectRef{Bucket: "images", Key: "f.jpg", ETag: "d41d", Version: "v1"}, Event: "s3:ObjectCreated:PutRetention", Size: 9, Dialect: DialectMinIO},
		}},
		{"versity", versityPut, []Notification{{
			Ref:     schema.ObjectRef{Bucket: "images", Key: "a b+c%20/ü.jpg", ETag: "5d41402abc4b2a76b9719d911017c592"},
			Created: true, Event: "s3:ObjectCreated:Put", Size: 5, Dialect: DialectVersity,
		}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse([]byte(test.value))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnparsable(t *testing.T) {
	// record is a good one with old replaced.
	record := func(old, replacement string) string {
		const good = `{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"images"},"object":{"key":"secret-key","size":5}}}`
		changed := strings.Replace(good, old, replacement, 1)
		if changed == good && old != "" {
			t.Fatalf("%q is not in the record", old)
		}
		return changed
	}
	good := record("", "")
	tests := []struct {
		name, value, want string
		understood        int
	}{
		{"nothing", ``, "not JSON", 0},
		{"no JSON", `secret-key`, "not JSON", 0},
		{"half of it", awsPut[:200], "not JSON", 0},
		{"null", `null`, "no Records", 0},
		{"a request", `{"id":"secret-key","operation":"enroll"}`, "no Records", 0},
		{"an array", `[]`, "another type", 0},
		{"empty", `{"Records":[]}`, "no Records", 0},
		{"records that are none", `{"Records":"secret-key"}`, "another type", 0},
		{"a record that is null", `{"Records":[null]}`, "eventName", 0},
		{"no event", `{"Records":[` + record("ObjectCreated:Put", "") + `]}`, "eventName", 0},
		{"no bucket", `{"Records":[` + record(`"images"`, `""`) + `]}`, "bucket", 0},
		{"no key", `{"Records":[` + record("secret-key", "") + `]}`, "key", 0},
		{"a negative size", `{"Records":[` + record("5", "-5") + `]}`, "size", 0},
		{"a size that is no number", `{"Records":[` + record("5", `"secret-key"`) + `]}`, "s3.object.size", 0},
		{"a key that is not encoded", `{"Records":[` + record("secret-key", "secret-key 100%.jpg") + `]}`, "URL-encoded", 0},
		{"one bad between two good", `{"Records":[` + good + `,{},` + good + `]}`, "Records[1]", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse([]byte(test.value))
			if schema.ClassOf(err) != schema.ClassPermanent || schema.ReasonOf(err) != schema.ReasonUnparsable {
				t.Fatalf("%v is %v %q", err, schema.ClassOf(err), schema.ReasonOf(err))
			}
			if len(got) != test.understood {
				t.Errorf("%d notifications, want %d", len(got), test.understood)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
			if strings.Contains(err.Error(), "secret-key") {
				t.Errorf("%q holds the key", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{awsPut, awsTwo, awsTest, minioPut, minioFolder, minioRetention, versityPut, `{"Records":[null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		notifications, err := Parse(value)
		if err != nil && schema.ReasonOf(err) != schema.ReasonUnparsable {
			t.Errorf("%v", err)
		}
		for _, n := range notifications {
			if n.Ref.Bucket == "" || n.Ref.Key == "" || n.Size < 0 || !strings.HasPrefix(n.Event, "s3:") {
				t.Errorf("%+v, key %q", n, n.Ref.Key)
			}
			if n.Created && !strings.HasPrefix(n.Event, "s3:ObjectCreated:") {
				t.Errorf("%q counts as a creation", n.Event)
			}
		}
	})
}
