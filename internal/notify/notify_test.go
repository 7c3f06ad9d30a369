package notify

import (
	"strings"
	"testing"
	"unicode/utf8"

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

// The bodies below follow what the stores document; names and values are our own.
const (
	cephDocumented = `{"Records":[{"eventVersion":"2.1","eventSource":"ceph:s3","awsRegion":"zonegroup-a","eventTime":"2026-01-02T03:04:05.124724Z",
		"eventName":"ObjectCreated:Put","userIdentity":{"principalId":"camera"},"requestParameters":{"sourceIPAddress":""},
		"responseElements":{"x-amz-request-id":"7a1c9d8e.4155.2","x-amz-id-2":"103b-zone-a"},
		"s3":{"s3SchemaVersion":"1.0","configurationId":"to-kafka","bucket":{"name":"images","ownerIdentity":{"principalId":"camera"},"arn":"arn:aws:s3:zonegroup-a::images","id":"7a1c9d8e.4160.7"},
		"object":{"key":"enroll/staff/a+b/100%.jpg","size":"1024","eTag":"37b51d194a7513e45b56f6524f2d51f2","versionId":"","sequencer":"F7E6D75DC742D108","metadata":[],"tags":[]}},
		"eventId":"","opaqueData":"ops@example.com"}]}`
	cephFilled = `{"Records":[{"eventVersion":"2.2","eventSource":"ceph:s3","awsRegion":"","eventTime":"2026-01-02T03:04:05.318851Z","eventName":"s3:ObjectCreated:Put",
		"userIdentity":{"principalId":"camera"},"requestParameters":{"sourceIPAddress":""},"responseElements":{"x-amz-request-id":"9.5","x-amz-id-2":"1136-a-a"},
		"s3":{"s3SchemaVersion":"1.0","configurationId":"n","bucket":{"name":"images","ownerIdentity":{"principalId":"camera"},"arn":"arn:aws:s3:a::images","id":"9.5.1"},
		"object":{"key":"enroll/staff/ü/%41.jpg","size":4,"eTag":"37b5","versionId":"uOQk4I7e3t3F2p","sequencer":"25","metadata":[{"key":"x-amz-meta-facestream-consent","val":"form 7"}],"tags":[{"key":"a","val":"b"}]}},
		"eventId":"1585043377.319162.37b5","opaqueData":""}]}`
	cephRemoved = `{"Records":[{"eventVersion":"2.2","eventSource":"ceph:s3","eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"images"},"object":{"key":"a b.jpg","size":0,"eTag":"","versionId":""}}}]}`
	// A gateway that says nothing of itself, or something new, and does not encode.
	otherPut = `{"Records":[{"eventVersion":"2.1","eventSource":"acme:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"images","arn":7},
		"object":{"key":"a+b%20c.jpg","size":null,"eTag":"W/\"d41d\"","versionId":12,"contentType":["image/jpeg"],"userMetadata":"none"}}}]}`
	namelessPut = `{"Records":[{"eventName":"ObjectCreated:CompleteMultipartUpload","s3":{"bucket":{"name":"images"},"object":{"key":"plain.jpg"}}}]}`
	bridgePut   = `{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103","detail-type":"Object Created","source":"aws.s3","account":"111122223333","time":"2026-01-02T03:04:05Z",
		"region":"eu-west-1","resources":["arn:aws:s3:::images"],"detail":{"version":"0","bucket":{"name":"images"},
		"object":{"key":"enroll/staff/a+b/100%25.jpg","size":5,"etag":"b1946ac92492d2347c6235b4d2611184","version-id":"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e","sequencer":"617f08299329d189"},
		"request-id":"N4N7GDK58NMKJ12R","requester":"123456789012","source-ip-address":"192.0.2.7","reason":"PutObject"}}`
	bridgeRemoved = `{"detail-type":"Object Deleted","source":"aws.s3","detail":{"bucket":{"name":"images"},"object":{"key":"a.jpg","etag":"d41d","version-id":"v1"},"reason":"DeleteObject","deletion-type":"Delete Marker Created"}}`
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, value string
		want        []Notification
	}{
		{"aws", awsPut, []Notification{{
			Ref:      schema.ObjectRef{Bucket: "images", Key: "enroll/staff/a b+c%20/ü.jpg", Version: "096fKKXTRTtl3on89fVO.nfljtsv6qko", ETag: "d41d8cd98f00b204e9800998ecf8427e"},
			OtherKey: "enroll/staff/a+b%2Bc%2520/%C3%BC.jpg", Created: true, Event: "s3:ObjectCreated:Put", Size: 1024, Dialect: DialectAWS,
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
		{"ceph as documented: a raw key and a size in quotes", cephDocumented, []Notification{{
			Ref:     schema.ObjectRef{Bucket: "images", Key: "enroll/staff/a+b/100%.jpg", ETag: "37b51d194a7513e45b56f6524f2d51f2"},
			Created: true, Event: "s3:ObjectCreated:Put", Size: 1024, Dialect: DialectCeph,
		}}},
		{"ceph as it sends", cephFilled, []Notification{{
			Ref:      schema.ObjectRef{Bucket: "images", Key: "enroll/staff/ü/%41.jpg", Version: "uOQk4I7e3t3F2p", ETag: "37b5"},
			OtherKey: "enroll/staff/ü/A.jpg", Created: true, Event: "s3:ObjectCreated:Put", Size: 4, Dialect: DialectCeph,
		}}},
		{"ceph, a removal", cephRemoved, []Notification{
			{Ref: schema.ObjectRef{Bucket: "images", Key: "a b.jpg"}, Event: "s3:ObjectRemoved:Delete", Dialect: DialectCeph},
		}},
		{"a store that nobody knows, with fields of other types", otherPut, []Notification{{
			Ref: schema.ObjectRef{Bucket: "images", Key: "a+b%20c.jpg", ETag: "d41d"}, OtherKey: "a b c.jpg", Created: true, Event: "s3:ObjectCreated:Put", Dialect: DialectUnknown,
		}}},
		{"a store that says nothing of itself", namelessPut, []Notification{
			{Ref: schema.ObjectRef{Bucket: "images", Key: "plain.jpg"}, Created: true, Event: "s3:ObjectCreated:CompleteMultipartUpload", Dialect: DialectUnknown},
		}},
		{"eventbridge", bridgePut, []Notification{{
			Ref:     schema.ObjectRef{Bucket: "images", Key: "enroll/staff/a+b/100%25.jpg", Version: "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", ETag: "b1946ac92492d2347c6235b4d2611184"},
			Created: true, Event: "s3:ObjectCreated:Put", Size: 5, Dialect: DialectEventBridge,
		}}},
		{"eventbridge, a removal", bridgeRemoved, []Notification{
			{Ref: schema.ObjectRef{Bucket: "images", Key: "a.jpg", Version: "v1", ETag: "d41d"}, Event: "s3:ObjectDeleted", Dialect: DialectEventBridge},
		}},
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
		{"an array", `[]`, "a JSON array", 0},
		{"empty", `{"Records":[]}`, "no Records", 0},
		{"records that are none", `{"Records":"secret-key"}`, "Records is a JSON string", 0},
		{"a record that is null", `{"Records":[null]}`, "eventName", 0},
		{"no event", `{"Records":[` + record("ObjectCreated:Put", "") + `]}`, "eventName", 0},
		{"no bucket", `{"Records":[` + record(`"images"`, `""`) + `]}`, "bucket", 0},
		{"no key", `{"Records":[` + record("secret-key", "") + `]}`, "key", 0},
		{"a key that is no string", `{"Records":[` + record(`"secret-key"`, "7") + `]}`, "key is not a string", 0},
		{"not UTF-8", `{"Records":[` + record("secret-key", "secret-key\xff") + `]}`, "not UTF-8", 0},
		{"half of a character", `{"Records":[` + record("secret-key", `secret-key\ud800`) + `]}`, "half of a character", 0},
		{"eventbridge without a key", `{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"images"}}}`, "detail.object.key is missing", 0},
		{"eventbridge without its type", `{"source":"aws.s3","detail":{}}`, "detail-type is missing", 0},
		// What SeaweedFS publishes is about files of its filer, what Google publishes about objects of its JSON API.
		{"seaweedfs", `{"key":"/buckets/images/secret-key","message":{"oldEntry":null,"newEntry":{"name":"secret-key"}}}`, "no Records", 0},
		{"google", `{"kind":"storage#object","name":"secret-key","bucket":"images","generation":"1700000000000000","size":"5"}`, "no Records", 0},
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

// TestUnneededFieldsRefuseNothing puts every kind of value in the place of every field that is not needed.
func TestUnneededFieldsRefuseNothing(t *testing.T) {
	for _, field := range []string{"eventVersion", "eventSource", "s3.bucket.arn", "s3.object.size", "s3.object.eTag", "s3.object.versionId", "s3.object.contentType", "s3.object.userMetadata", "s3.object.sequencer"} {
		for _, value := range []string{`null`, `7`, `-5`, `1e99`, `"text"`, `true`, `[]`, `[{}]`, `{}`, `{"a":1}`} {
			event := map[string]string{"eventName": `"ObjectCreated:Put"`, "s3.bucket.name": `"images"`, "s3.object.key": `"k.jpg"`}
			event[field] = value
			object, bucket, top := "", "", ""
			for name, v := range event {
				switch {
				case strings.HasPrefix(name, "s3.object."):
					object += `,"` + strings.TrimPrefix(name, "s3.object.") + `":` + v
				case strings.HasPrefix(name, "s3.bucket."):
					bucket += `,"` + strings.TrimPrefix(name, "s3.bucket.") + `":` + v
				default:
					top += `"` + name + `":` + v + `,`
				}
			}
			body := `{"Records":[{` + top + `"s3":{"bucket":{` + bucket[1:] + `},"object":{` + object[1:] + `}}}]}`
			got, err := Parse([]byte(body))
			if err != nil || len(got) != 1 || !got[0].Created || got[0].Ref.Key != "k.jpg" {
				t.Errorf("%s: %v, %v", body, got, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{awsPut, awsTwo, awsTest, minioPut, minioFolder, minioRetention, versityPut, cephDocumented, cephFilled, otherPut, bridgePut, bridgeRemoved, `{"Records":[null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		notifications, err := Parse(value)
		if err != nil && schema.ReasonOf(err) != schema.ReasonUnparsable {
			t.Errorf("%v", err)
		}
		for _, n := range notifications {
			if n.Ref.Bucket == "" || n.Ref.Key == "" || n.Size < 0 || !strings.HasPrefix(n.Event, "s3:") || !utf8.ValidString(n.Ref.Key+n.OtherKey) {
				t.Errorf("%+v, key %q", n, n.Ref.Key)
			}
			if n.Created && !strings.HasPrefix(n.Event, "s3:ObjectCreated:") {
				t.Errorf("%q counts as a creation", n.Event)
			}
		}
	})
}
