package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"facestream/internal/gateway/auth"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// endless is a body of as many bytes as are wanted.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// Whatever is wrong with a request has its status and reason, in an answer as described, and nothing of it is stored or sent.
func TestHostileRequests(t *testing.T) {
	bearer := token(t, "*", "staff,desk")
	allowed := "Bearer " + bearer
	picture := base64.StdEncoding.EncodeToString(red)
	kind, oneFile := form([]string{"config", tolerant}, red)
	manyKind, many := form(nil, func() (files [][]byte) {
		for range 100 {
			files = append(files, white)
		}
		return files
	}()...)
	emptyKind, empty := form(nil, []byte{})
	twiceKind, twice := form([]string{"collection", "staff", "collection", "desk"}, red)
	otherKind, other := form([]string{"colour", "red"}, red)
	huge := hugePNG()
	hugeKind, hugeForm := form(nil, huge)
	latinKind, latin := form([]string{"external_id", "Jos\xe9", "collection", "staff"}, red)
	const form1 = "multipart/form-data; boundary=x"
	asJSON := func(images string) string { return `{"config":` + tolerant + `,"images":[` + images + `]}` }
	before := ends(t)
	for _, tt := range []struct {
		name, method, path, kind, body string
		headers                        []string
		status                         int
		reason                         string
	}{
		{"nobody", "POST", "/v1/validate", kind, oneFile.String(), nil, 401, "unauthenticated"},
		{"two tokens", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", allowed, "Authorization", allowed}, 401, "unauthenticated"},
		{"alg none", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", "Bearer " + unsigned(bearer)}, 401, "unauthenticated"},
		{"a changed token", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", allowed + "A"}, 401, "unauthenticated"},
		{"a token that has ended", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", "Bearer " + ended(t)}, 401, "unauthenticated"},
		{"a token for another", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", "Bearer " + minted(t, "others")}, 401, "unauthenticated"},
		{"another operation", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", "Bearer " + token(t, "predict", "*")}, 403, "forbidden"},
		{"another collection", "POST", "/v1/enroll", "application/json", `{"collection":"bank","images":["` + picture + `"]}`, []string{"Authorization", allowed}, 403, "forbidden"},
		{"another collection by its configuration", "POST", "/v1/enroll", "application/json", `{"config":{"collection_name":"bank"},"images":["` + picture + `"]}`, []string{"Authorization", allowed}, 403, "forbidden"},
		{"the default collection", "POST", "/v1/enroll", "application/json", `{"images":["` + picture + `"]}`, []string{"Authorization", allowed}, 403, "forbidden"},
		{"the collection of an operation without one", "POST", "/v1/validate", "application/json", `{"collection":"bank","images":["` + picture + `"]}`, []string{"Authorization", allowed}, 403, "forbidden"},
		{"an object of the store", "POST", "/v1/validate", "application/json", asJSON(`"s3://images/enroll/bank/x.png"`), []string{"Authorization", allowed}, 403, "forbidden"},
		{"a look-alike of a collection", "POST", "/v1/enroll", "application/json", `{"collection":"ѕtaff","images":["` + picture + `"]}`, []string{"Authorization", allowed}, 403, "forbidden"},
		{"a look-alike for whoever may use all", "POST", "/v1/enroll", "application/json", `{"collection":"ѕtaff","images":["` + picture + `"]}`, []string{"Authorization", "Bearer " + token(t, "*", "*")}, 400, "invalid_request"},
		{"an operation that is none", "POST", "/v1/juggle", kind, oneFile.String(), []string{"Authorization", allowed}, 404, "not_found"},
		{"another method", "DELETE", "/v1/validate", "", "", []string{"Authorization", allowed}, 405, "method_not_allowed"},
		{"a page of another origin", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", allowed, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},
		{"a browser's question for another origin", "OPTIONS", "/v1/validate", "", "", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 405, "method_not_allowed"},
		{"no type", "POST", "/v1/validate", "", oneFile.String(), []string{"Authorization", allowed}, 415, "unsupported_media_type"},
		{"a type that is none", "POST", "/v1/validate", "image/png", string(red), []string{"Authorization", allowed}, 415, "unsupported_media_type"},
		{"a form as JSON", "POST", "/v1/validate", "application/json", oneFile.String(), []string{"Authorization", allowed}, 400, "unparsable"},
		{"JSON as a form", "POST", "/v1/validate", form1, `{}`, []string{"Authorization", allowed}, 400, "body_incomplete"},
		{"a form without boundary", "POST", "/v1/validate", "multipart/form-data", oneFile.String(), []string{"Authorization", allowed}, 415, "unsupported_media_type"},
		{"an encoded body", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", allowed, "Content-Encoding", "gzip"}, 415, "unsupported_media_type"},
		{"half a form", "POST", "/v1/validate", kind, oneFile.String()[:oneFile.Len()/2], []string{"Authorization", allowed}, 400, "body_incomplete"},
		{"an empty file", "POST", "/v1/validate", emptyKind, empty.String(), []string{"Authorization", allowed}, 422, "image_unreadable"},
		{"no image", "POST", "/v1/validate", "application/json", `{}`, []string{"Authorization", allowed}, 400, "invalid_request"},
		{"a hundred files", "POST", "/v1/validate", manyKind, many.String(), []string{"Authorization", allowed}, 400, "invalid_request"},
		{"a field twice", "POST", "/v1/enroll", twiceKind, twice.String(), []string{"Authorization", allowed}, 400, "invalid_request"},
		{"a field that is none", "POST", "/v1/validate", otherKind, other.String(), []string{"Authorization", allowed}, 400, "invalid_request"},
		{"a name that is not UTF-8", "POST", "/v1/enroll", latinKind, latin.String(), []string{"Authorization", allowed}, 400, "unparsable"},
		{"pixels without end", "POST", "/v1/validate", hugeKind, hugeForm.String(), []string{"Authorization", allowed}, 413, "image_too_large"},
		{"base64 with line breaks", "POST", "/v1/validate", "application/json", asJSON(`"` + picture[:40] + `\n` + picture[40:] + `"`), []string{"Authorization", allowed}, 400, "invalid_base64"},
		{"base64 for URLs", "POST", "/v1/validate", "application/json", asJSON(`"_-_-"`), []string{"Authorization", allowed}, 400, "invalid_base64"},
		{"base64 without its end", "POST", "/v1/validate", "application/json", asJSON(`"` + strings.TrimRight(base64.StdEncoding.EncodeToString(red[:len(red)-(len(red)+1)%3]), "=") + `"`), []string{"Authorization", allowed}, 400, "invalid_base64"},
		{"a data URL", "POST", "/v1/validate", "application/json", asJSON(`"data:image/png;base64,` + picture + `"`), []string{"Authorization", allowed}, 400, "invalid_base64"},
		{"an image that is a number", "POST", "/v1/validate", "application/json", asJSON(`7`), []string{"Authorization", allowed}, 400, "invalid_request"},
		{"an object with dots", "POST", "/v1/validate", "application/json", asJSON(`"s3://images/a/../b"`), []string{"Authorization", allowed}, 400, "invalid_request"},
		{"depth of ten thousand", "POST", "/v1/validate", "application/json", `{"config":` + strings.Repeat("[", 9990) + strings.Repeat("]", 9990) + `,"images":["` + picture + `"]}`, []string{"Authorization", allowed}, 400, "invalid_request"},
		{"depth of a hundred thousand", "POST", "/v1/validate", "application/json", `{"images":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, []string{"Authorization", allowed}, 400, "unparsable"},
		{"a key twice", "POST", "/v1/enroll", "application/json", `{"collection":"staff","collection":"bank","images":["` + picture + `"]}`, []string{"Authorization", allowed}, 400, "invalid_request"},
		{"images twice", "POST", "/v1/validate", "application/json", `{"images":["` + picture + `"],"images":["` + picture + `"]}`, []string{"Authorization", allowed}, 400, "invalid_request"},
		{"the operation in the body", "POST", "/v1/validate", "application/json", `{"operation":"enroll","images":["` + picture + `"]}`, []string{"Authorization", allowed}, 400, "invalid_request"},
		{"null", "POST", "/v1/validate", "application/json", `{"config":null,"images":["` + picture + `"]}`, []string{"Authorization", allowed}, 400, "invalid_configuration"},
		{"an id with a path", "POST", "/v1/validate", "application/json", `{"id":"../../x","images":["` + picture + `"]}`, []string{"Authorization", allowed}, 400, "invalid_request"},
		{"dots in an id", "GET", "/v1/requests/..%2f..%2fetc", "", "", []string{"Authorization", allowed}, 404, "not_found"},
		{"a path in an id", "GET", "/v1/requests/a%2fb", "", "", []string{"Authorization", allowed}, 400, "invalid_parameter"},
		{"dots in a path", "GET", "/v1/requests/../results", "", "", []string{"Authorization", allowed}, 404, "not_found"},
		{"an id of a line", "GET", "/v1/requests/a%0d%0aX-Injected:%20yes", "", "", []string{"Authorization", allowed}, 400, "invalid_parameter"},
		{"a key of no form", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", allowed, "Idempotency-Key", "a b"}, 400, "invalid_parameter"},
		{"a key beside an id", "POST", "/v1/validate", "application/json", `{"id":"x","images":["` + picture + `"]}`, []string{"Authorization", allowed, "Idempotency-Key", "k"}, 400, "invalid_request"},
		{"a wait that is no number", "POST", "/v1/validate", kind, oneFile.String(), []string{"Authorization", allowed, "Prefer", "wait=long"}, 400, "invalid_parameter"},
		{"a filter that is none", "GET", "/v1/results?colour=red", "", "", []string{"Authorization", allowed}, 400, "invalid_parameter"},
		{"an event that is none", "GET", "/v1/results", "", "", []string{"Authorization", allowed, "Last-Event-ID", "yesterday"}, 400, "invalid_parameter"},
		{"dead letters for everybody", "GET", "/v1/dead-letters", "", "", []string{"Authorization", allowed}, 403, "forbidden"},
	} {
		headers := tt.headers
		if tt.kind != "" {
			headers = append([]string{"Content-Type", tt.kind}, headers...)
		}
		a := askRaw(t, tt.method, tt.path, strings.NewReader(tt.body), headers...)
		if a.status != tt.status || string(a.problem.Reason) != tt.reason {
			t.Errorf("%s: %d %s; want %d %s", tt.name, a.status, a.body, tt.status, tt.reason)
		}
		if a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("X-Injected") != "" {
			t.Errorf("%s: headers %v", tt.name, a.header)
		}
	}
	if after := ends(t); after != before {
		t.Errorf("%d requests were sent", after-before)
	}
}

// askRaw is ask with the path as it is.
func askRaw(t *testing.T, method, path string, body io.Reader, headers ...string) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, system.first, body)
	if err != nil {
		t.Fatal(err)
	}
	raw, query, _ := strings.Cut(path, "?")
	req.URL.Opaque, req.URL.RawQuery = "//"+req.URL.Host+raw, query
	req.URL.Path = strings.ReplaceAll(raw, "%", "_") // for the description
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	a, err := do(req)
	if err != nil {
		t.Fatalf("%s %.80s: %v", method, path, err)
	}
	return a
}

// ends is how many requests were ever sent.
func ends(t *testing.T) (n int64) {
	t.Helper()
	all, err := system.client.Ends(t.Context(), events.Requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range all[events.Requests] {
		n += end
	}
	return n
}

func minted(t *testing.T, audience string) string {
	t.Helper()
	text, err := auth.Mint(system.key, audience, auth.Grant{Subject: "x", TTL: time.Minute, Caller: auth.Caller{Operations: []string{"*"}}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func ended(t *testing.T) string {
	t.Helper()
	text, err := auth.Mint(system.key, "facestream", auth.Grant{Subject: "x", TTL: time.Minute, Caller: auth.Caller{Operations: []string{"*"}}}, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unsigned is the token with another algorithm and without a signature.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}

// hugePNG is a picture whose header announces 60,000 × 60,000 pixels.
func hugePNG() []byte {
	out := bytes.Clone(white)
	copy(out[16:], []byte{0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60})
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}

// A body without end, and one that comes slowly, end early, with little memory.
func TestEndlessBodies(t *testing.T) {
	bearer := token(t, "*", "*")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for name, size := range map[string]int64{"a gigabyte that is announced": 1 << 30, "a gigabyte in chunks": -1} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, system.first+"/v1/validate", io.LimitReader(endless{}, 1<<30))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = size
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Expect", "100-continue") // so that the answer is read before the connection is closed
		began := time.Now()
		a, err := do(req)
		if err != nil {
			t.Logf("%s: %v", name, err) // the client was still writing when the connection was closed
		} else if a.status != 413 || a.problem.Reason != "body_too_large" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}

	// A body of which a byte comes now and then.
	conn, err := net.Dial("tcp", strings.TrimPrefix(system.first, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/validate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", bearer)
	go func() {
		for range 100 {
			if _, err := conn.Write([]byte(" ")); err != nil {
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
	}()
	began := time.Now()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 408 || !bytes.Contains(body, []byte("body_timeout")) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if took := time.Since(began); took < time.Second || took > 15*time.Second {
		t.Errorf("a slow body was read for %v; want about the two seconds of the settings", took)
	}
}

// listen opens a stream of results.
func listen(t *testing.T, bearer, query, last string) *eventStream {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, system.first+"/v1/results"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := new(http.Client).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	t.Cleanup(func() { stop(); res.Body.Close() })
	return &eventStream{t: t, lines: bufio.NewReaderSize(res.Body, 1<<20), stop: stop}
}

type eventStream struct {
	t     *testing.T
	lines *bufio.Reader
	stop  func()
}

// next returns the next event.
func (e *eventStream) next() (id string, r schema.Result) {
	e.t.Helper()
	timer := time.AfterFunc(30*time.Second, e.stop)
	defer timer.Stop()
	for {
		line, err := e.lines.ReadString('\n')
		if err != nil {
			e.t.Fatal(err)
		}
		if text, ok := strings.CutPrefix(line, "id: "); ok {
			id = strings.TrimSpace(text)
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				e.t.Fatal(err)
			}
			return id, r
		}
	}
}

// A stream has the results that its reader may see and asks for, and goes on behind the last one, whatever was in between.
func TestStream(t *testing.T) {
	all := token(t, "*", "*")
	mine := token(t, "enroll,validate", "stream-a")
	s := listen(t, mine, "?operation=enroll", "")
	enroll := func(collection, tag string) {
		t.Helper()
		a := post(t, all, "enroll", []string{"collection", collection, "operation_tag", tag, "config", tolerant}, [][]byte{red})
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	enroll("stream-b", "of others")
	post(t, all, "validate", []string{"operation_tag", "another operation"}, [][]byte{red})
	enroll("stream-a", "first")
	id, r := s.next()
	if r.CallStatus.OperationTag != "first" || id == "" {
		t.Errorf("%q %+v", id, r.CallStatus)
	}
	s.stop()
	enroll("stream-a", "second")
	enroll("stream-b", "of others")
	enroll("stream-a", "third")
	s = listen(t, mine, "?collection=stream-a", id)
	got := map[string]bool{}
	for range 2 {
		_, r = s.next()
		got[r.CallStatus.OperationTag] = true
	}
	if !got["second"] || !got["third"] {
		t.Errorf("after %s came %v", id, got)
	}
	// The stream of a token ends with it.
	short := token(t, "*", "*", func(g *auth.Grant) { g.TTL = 2 * time.Second })
	s = listen(t, short, "", "")
	began := time.Now()
	if _, err := io.Copy(io.Discard, s.lines); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the stream outlived its token by %v", took)
	}
}

// A reader that takes nothing is cut off, and nothing is kept for it.
func TestReaderThatStops(t *testing.T) {
	bearer := token(t, "*", "*")
	publisher := system.client.NewPublisher(events.PublisherConfig{Source: "test"})
	defer publisher.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(system.first, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/results?status=done HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", bearer)
	head := make([]byte, 15)
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 200 OK" {
		t.Fatalf("%q %v", head, err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	message := strings.Repeat("x", 500_000)
	for i := range 60 { // 30 MB, which no socket keeps
		r := schema.Result{RequestID: schema.RequestID(fmt.Sprint("filler-", i)), Operation: schema.OpValidate, Feedback: message}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := publisher.Publish(t.Context(), events.Results, events.Event{ID: fmt.Sprint("f", i), Type: events.TypeResult, Key: fmt.Sprint(i), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 80<<20 {
		t.Errorf("memory grew by %d MB", grown>>20)
	}
	// It is cut off after ten seconds: what its socket has kept comes, then the end.
	time.Sleep(12 * time.Second)
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Errorf("the connection is open after %d bytes", n)
	}
	if n > 25_000_000 {
		t.Errorf("%d bytes came although nobody read", n)
	}
	if a := post(t, bearer, "validate", nil, [][]byte{red}); a.status != 200 {
		t.Errorf("meanwhile: %d %s", a.status, a.body)
	}
}

// Each caller has limits, and others do not feel them.
func TestLimits(t *testing.T) {
	cfg := system.cfg
	cfg.Gateway.Callers.Rate, cfg.Gateway.Callers.InFlight, cfg.Gateway.Callers.Streams = 5, 2, 1
	address, stop, err := openGateway(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	statuses := map[int]int{}
	send := func(bearer string) *answer {
		kind, body := form([]string{"config", tolerant}, red)
		return ask(t, http.MethodPost, address+"/v1/validate", body, "Authorization", "Bearer "+bearer, "Content-Type", kind, "Prefer", "respond-async")
	}
	bearer := token(t, "*", "*")
	for range 30 {
		a := send(bearer)
		statuses[a.status]++
		if a.status == 429 && (a.problem.Reason != "rate_limited" || a.header.Get("Retry-After") == "") {
			t.Errorf("%s %v", a.body, a.header)
		}
	}
	if statuses[429] == 0 || statuses[202] < 10 || statuses[202]+statuses[429] != 30 {
		t.Errorf("statuses %v", statuses)
	}
	if a := send(token(t, "*", "*", func(g *auth.Grant) { g.Subject = "another" })); a.status != 202 {
		t.Errorf("another caller: %d %s", a.status, a.body)
	}
}

// An operator sees dead letters, and what they hold.
func TestDeadLetters(t *testing.T) {
	operator := token(t, "validate", "*", func(g *auth.Grant) { g.Operator = true })
	publisher := system.client.NewPublisher(events.PublisherConfig{Source: "test"})
	defer publisher.Close()
	if err := publisher.Publish(t.Context(), events.Requests, events.Event{ID: "x", Type: events.TypeRequest, Data: []byte(`{"no id":true}`)}); err != nil {
		t.Fatal(err)
	}
	at := ""
	for until := time.Now().Add(30 * time.Second); at == "" && time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		var list struct {
			Letters []struct{ ID, Topic string } `json:"dead_letters"`
		}
		a := ask(t, http.MethodGet, system.first+"/v1/dead-letters?limit=1000", nil, "Authorization", "Bearer "+operator)
		if err := json.Unmarshal(a.body, &list); a.status != 200 || err != nil {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, d := range list.Letters {
			shown := ask(t, http.MethodGet, system.first+"/v1/dead-letters/"+d.ID, nil, "Authorization", "Bearer "+operator)
			if shown.status == 200 && bytes.Contains(shown.body, []byte("no id")) {
				at = system.first + "/v1/dead-letters/" + d.ID
			}
		}
	}
	if at == "" {
		t.Fatal("the dead letter is not listed")
	}
	if a := ask(t, http.MethodPost, at+"/replay", nil, "Authorization", "Bearer "+operator); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := ask(t, http.MethodGet, system.first+"/v1/dead-letters/9-9999", nil, "Authorization", "Bearer "+operator); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
