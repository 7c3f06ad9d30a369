package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/rs/zerolog"

	"facestream/internal/config"
	"facestream/internal/embedded"
	"facestream/internal/gateway/auth"
	"facestream/internal/host"
	"facestream/internal/services/gateway"
	"facestream/internal/services/indexer"
	"facestream/internal/services/ingest"
	workers "facestream/internal/services/worker"
	"facestream/internal/verdict"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// system is a complete stream in this process: the embedded servers, the services, with an engine that reads faces from colours, and
// gateways, which tests call over real sockets. All tests share it, because a process can hold one embedded store.
var system struct {
	cfg     config.Config
	key     *jose.JSONWebKey
	first   string // the address of a gateway
	client  *events.Client
	servers *embedded.Servers
	log     *lines
}

// callerKey is the API key of the caller named desk.
const callerKey = "the key of the desk, which only this test knows"

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestMain(m *testing.M) {
	flag.Parse()
	stop, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "the stream did not start:", err)
		os.Exit(1)
	}
	code := m.Run()
	err = stop()
	if listening != nil {
		err = errors.Join(err, listening.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the stream did not stop cleanly:", err)
		code = 1
	}
	os.Exit(code)
}

func start() (stop func() error, err error) {
	dir, err := os.MkdirTemp("", "facestream-gateway-")
	if err != nil {
		return nil, err
	}
	cfg := config.Default()
	cfg.SetDataDir(dir)
	cfg.Telemetry.Listen, cfg.Telemetry.LogLevel = "", "debug"
	cfg.Kafka.SessionTimeout, cfg.Ingest.ReconcileInterval = 2*time.Second, time.Hour
	cfg.Gateway.Listen = "127.0.0.1:0"
	cfg.Gateway.MaxBody, cfg.Gateway.BodyTimeout, cfg.Gateway.MaxPixels = 4<<20, 2*time.Second, 1_000_000
	cfg.Gateway.Auth.SigningKey = filepath.Join(dir, "gateway.key")
	sum := sha256.Sum256([]byte(callerKey))
	cfg.Gateway.Auth.APIKeys = []config.APIKey{{Name: "desk", SHA256: hex.EncodeToString(sum[:]), Operations: []string{"*"}, Collections: []string{"desk-*"}}}
	cfg.Resolve()
	if system.key, err = auth.EnsureSigningKey(cfg.Gateway.Auth.SigningKey); err != nil {
		return nil, err
	}
	system.log = &lines{}
	log := zerolog.New(system.log).With().Timestamp().Logger()
	ctx, cancel := context.WithCancel(context.Background())
	system.servers, err = embedded.Open(ctx, embedded.Options{
		Dir: dir, KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", Bucket: cfg.S3.Bucket,
		AccessKey: string(cfg.S3.AccessKey), SecretKey: cfg.S3.SecretKey,
		ObjectsTopic: string(events.Objects), ObjectsPartitions: cfg.Kafka.Partitions.Objects, Log: log,
	})
	if err != nil {
		cancel()
		return nil, err
	}
	cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{system.servers.KafkaAddr()}, system.servers.S3Addr()
	system.cfg = cfg
	if system.client, _, err = host.Clients(cfg); err != nil {
		cancel()
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- host.Serve(ctx, cfg, log, ingest.Run, workers.With(colourful), indexer.Run) }()
	var stopFirst func() error
	system.first, stopFirst, err = openGateway(cfg)
	if err != nil {
		cancel()
		return nil, err
	}
	return func() error {
		err := stopFirst()
		cancel()
		err = errors.Join(err, <-served)
		system.client.Close()
		return errors.Join(err, system.servers.Close(), os.RemoveAll(dir))
	}, nil
}

// openGateway runs a further gateway and returns its address when it answers.
func openGateway(cfg config.Config) (address string, stop func() error, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := gateway.Listen(ctx, cfg.Gateway)
	if err != nil {
		cancel()
		return "", nil, err
	}
	served := make(chan error, 1)
	log := zerolog.New(system.log).With().Timestamp().Logger()
	go func() { served <- host.Serve(ctx, cfg, log, gateway.On(listener)) }()
	address = "http://" + listener.Addr().String()
	stop = func() error { cancel(); return <-served }
	waiting := &http.Client{Timeout: 30 * time.Second}
	res, err := waiting.Get(address + "/v1/openapi.json")
	if err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return address, stop, res.Body.Close()
}

// colours is an engine that takes the colour of a picture for its person, white for no face, and time for yellow.
type colours struct{}

const colourModel = schema.ModelID("colours@00000001")

func colourful(schema.Collection) []worker.Pack {
	open, err := models.Open(openPack)
	if err != nil {
		panic(err)
	}
	points, err := verdict.Of(open, nil)
	if err != nil {
		panic(err)
	}
	loaded := []schema.ModelRun{{Role: "detector", ID: "colours@2"}, {Role: "embedding", ID: colourModel}}
	for _, role := range []models.Role{models.RoleVoice, models.RoleActivity} {
		if m, ok := open.Model(role); ok {
			loaded = append(loaded, schema.ModelRun{Role: string(role), ID: m.ID()})
		}
	}
	return []worker.Pack{{Engine: colours{}, Verdict: verdict.Pack{
		Name: "colours", Models: loaded,
		Matching: schema.Thresholds{Min: 0.25, Med: 0.5, Max: 0.75}, Voices: points.Voices, SeveralVoices: points.SeveralVoices, MinConfidence: 0.1,
		Liveness: verdict.UnmeasuredLiveness, Traits: verdict.UnmeasuredTraits,
	}}}
}

// openPack describes the networks that hear, with which colours listens; recordings are of people who speak. The embedded store changes the
// working directory.
var openPack, recordings = fromHere("../../../packs/open"), fromHere("../../../../shared/data/voice")

func fromHere(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return path
}

var listening *engine.Engine // what ears opened

// ears opens the open pack once, if it was pulled.
var ears = sync.OnceValues(func() (*engine.Engine, error) {
	pack, err := models.Open(openPack)
	if err == nil {
		pack.Dir, err = models.PulledDir(pack.Name)
	}
	if err == nil {
		listening, err = engine.Open(context.Background(), engine.Options{Pack: pack})
	}
	return listening, err
})

func (colours) Hear(ctx context.Context, recording []byte) (*engine.Heard, error) {
	e, err := ears()
	if err != nil {
		return nil, schema.Permanent("colours.hear", schema.ReasonRoleAbsent, err)
	}
	return e.Hear(ctx, recording)
}

func (colours) Analyze(_ context.Context, data []byte, p engine.Params) (*engine.Analysis, error) {
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, schema.Permanent("colours", schema.ReasonImageUnreadable, errors.New("it is not a PNG file"))
	}
	side := img.Bounds().Dx()
	a := &engine.Analysis{Width: side, Height: side, Models: []schema.ModelRun{{Role: "detector", ID: "colours@2"}}}
	r, g, b, _ := img.At(side/2, side/2).RGBA()
	if r == g && b < r {
		time.Sleep(3 * time.Second)
	}
	if r&g&b == 0xffff {
		return a, nil
	}
	o := face.Observation{Width: side, Height: side}
	o.Confidence = 0.9
	o.Box = schema.BoxF{TopLeft: schema.PointF{X: 16, Y: 16}, BottomRight: schema.PointF{X: 48, Y: 48}}
	o.Points = [5]schema.PointF{{X: 24, Y: 26}, {X: 40, Y: 26}, {X: 32, Y: 34}, {X: 26, Y: 42}, {X: 38, Y: 42}}
	if p.Embed {
		v := []float32{float32(r) - 32768, float32(g) - 32768, float32(b) - 32768}
		norm := float32(math.Sqrt(float64(v[0]*v[0] + v[1]*v[1] + v[2]*v[2])))
		for i := range v {
			v[i] /= norm
		}
		o.Embedding = &schema.Embedding{Model: colourModel, Vector: v}
	}
	a.Faces = append(a.Faces, o)
	return a, nil
}

// picture is a PNG file of one colour.
func picture(r, g, b uint8) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range img.Pix {
		img.Pix[i] = []uint8{r, g, b, 255}[i%4]
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		panic(err)
	}
	return out.Bytes()
}

var (
	red, green, blue = picture(250, 5, 5), picture(5, 250, 5), picture(5, 5, 250)
	white            = picture(255, 255, 255)
	slow             = picture(250, 250, 5) // whose analysis takes a while
)

// tolerant is a configuration under which only matching decides.
const tolerant = `{"anti_spoofing_mode":0,"face_validations_off":true}`

// token mints one for operations and collections, "" for none, separated by commas.
func token(t *testing.T, operations, collections string, more ...func(*auth.Grant)) string {
	t.Helper()
	g := auth.Grant{Subject: t.Name(), TTL: time.Minute, Caller: auth.Caller{Operations: strings.Split(operations, ","), Collections: strings.Split(collections, ",")}}
	for _, f := range more {
		f(&g)
	}
	minted, err := auth.Mint(system.key, "facestream", g, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return minted
}

// answer is what a gateway said.
type answer struct {
	status int
	header http.Header
	body   []byte
	schema.Result
	problem struct {
		Status   int
		Reason   schema.Reason
		Detail   string
		Type     string
		Problems []struct{ Field, Message string }
		Result   *schema.Result
	}
	accepted struct {
		RequestID schema.RequestID `json:"request_id"`
		Status    string
	}
}

// ask sends a request. headers are names and values by turns.
func ask(t *testing.T, method, url string, body io.Reader, headers ...string) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	a, err := do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func do(req *http.Request) (*answer, error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	if err := conforms(req.Method, req.URL.Path, a.status, res.Header.Get("Content-Type"), a.body); err != nil {
		return nil, fmt.Errorf("this is not as described: %w\n%d %s", err, a.status, a.body)
	}
	switch kind := res.Header.Get("Content-Type"); {
	case kind == "application/problem+json":
		err = json.Unmarshal(a.body, &a.problem)
		if err == nil && a.problem.Status != a.status {
			err = fmt.Errorf("the problem says %d, the header %d", a.problem.Status, a.status)
		}
	case a.status == http.StatusAccepted:
		err = json.Unmarshal(a.body, &a.accepted)
	case kind == "application/json":
		err = json.Unmarshal(a.body, &a.Result)
	case kind == "application/octet-stream" || strings.HasPrefix(kind, "image/"):
	default:
		err = fmt.Errorf("status %d of type %q", a.status, kind)
	}
	return a, err
}

// form makes a multipart body of fields, names and values by turns, and files.
func form(fields []string, files ...[]byte) (contentType string, body *bytes.Buffer) {
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			panic(err)
		}
	}
	for i, f := range files {
		part, err := w.CreateFormFile("image", fmt.Sprintf("../../%d.png", i))
		if err == nil {
			_, err = part.Write(f)
		}
		if err != nil {
			panic(err)
		}
	}
	w.Close()
	return w.FormDataContentType(), body
}

// post sends a form to an operation.
func post(t *testing.T, bearer, op string, fields []string, files [][]byte, headers ...string) *answer {
	t.Helper()
	kind, body := form(fields, files...)
	return ask(t, http.MethodPost, system.first+"/v1/"+op, body, append(headers, "Authorization", "Bearer "+bearer, "Content-Type", kind)...)
}

// postJSON sends a JSON body to an operation.
func postJSON(t *testing.T, bearer, op, body string, headers ...string) *answer {
	t.Helper()
	return ask(t, http.MethodPost, system.first+"/v1/"+op, strings.NewReader(body), append(headers, "Authorization", "Bearer "+bearer, "Content-Type", "application/json")...)
}

// The commonest calls, by form and by JSON: enrol, find, compare, verify, delete.
func TestOperations(t *testing.T) {
	bearer := token(t, "*", "*")
	config := []string{"config", tolerant}
	a := post(t, bearer, "enroll", append(config, "collection", "staff", "external_id", "alice", "operation_tag", "first"), [][]byte{red})
	if a.status != 200 || a.Enroll == nil || !a.Enroll.EnrollPerformed || a.CallStatus.OperationTag != "first" {
		t.Fatalf("enroll: %d %s", a.status, a.body)
	}
	puid := a.Enroll.Response.PUID
	body := fmt.Sprintf(`{"collection":"staff","config":%s,"images":[%q]}`, tolerant, base64.StdEncoding.EncodeToString(red))
	if a = postJSON(t, bearer, "predict", body); a.status != 200 || a.Predict == nil || a.Predict.Response.PUID != puid {
		t.Errorf("predict: %d %s; want %s", a.status, a.body, puid)
	}
	if a = post(t, bearer, "predict", append(config, "collection", "staff"), [][]byte{blue}); a.status != 200 || a.CallStatus.Reason != schema.ReasonNoMatch {
		t.Errorf("predict a stranger: %d %s", a.status, a.body)
	}
	if a = post(t, bearer, "compare", config, [][]byte{red, green}); a.status != 200 || a.Compare == nil || a.Compare.IsMatch {
		t.Errorf("compare: %d %s", a.status, a.body)
	}
	if a = post(t, bearer, "verify", append(config, "collection", "staff", "external_id", "alice"), [][]byte{red}); a.status != 200 || a.Verify == nil || !a.Verify.IsMatch {
		t.Errorf("verify: %d %s", a.status, a.body)
	}
	if a = postJSON(t, bearer, "user_delete", `{"collection":"staff","external_id":"alice"}`); a.status != 200 || a.UserDelete == nil {
		t.Errorf("user_delete: %d %s", a.status, a.body)
	}
	if a = post(t, bearer, "validate", config, [][]byte{white}); a.status != 200 || a.CallStatus.Reason != schema.ReasonNoFace {
		t.Errorf("validate: %d %s", a.status, a.body)
	}
	// What the stream refuses is a problem with the reason of the result, and the result.
	if a = postJSON(t, bearer, "user_delete", `{"collection":"nowhere","external_id":"alice"}`); a.status != 404 || a.problem.Reason != schema.ReasonUnknownCollection || a.problem.Result == nil {
		t.Errorf("delete from a collection that is not there: %d %s", a.status, a.body)
	}
}

// An answer that takes longer than the caller waits is at another address, also at another gateway, and after every restart.
func TestResultByID(t *testing.T) {
	bearer := token(t, "validate,predict", "*")
	auth := []string{"Authorization", "Bearer " + bearer}
	a := post(t, bearer, "validate", nil, [][]byte{red}, "Prefer", "respond-async")
	if a.status != 202 || a.accepted.Status != "pending" || a.header.Get("Location") != "/v1/requests/"+string(a.accepted.RequestID) ||
		a.header.Get("Preference-Applied") != "respond-async" {
		t.Fatalf("%d %s %v", a.status, a.body, a.header)
	}
	at := a.header.Get("Location")
	id := a.accepted.RequestID
	if a = ask(t, http.MethodGet, system.first+at, nil, append(auth, "Prefer", "wait=20")...); a.status != 200 || a.RequestID != id {
		t.Fatalf("%d %s", a.status, a.body)
	}
	whole := a.body
	second, stop, err := openGateway(system.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if a = ask(t, http.MethodGet, second+at, nil, auth...); a.status != 200 || !bytes.Equal(a.body, whole) {
		t.Errorf("another gateway says %d %s", a.status, a.body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	// Only who may ask for the operation sees what became of it.
	for name, other := range map[string]string{"another operation": token(t, "predict", "*"), "another collection": token(t, "*", "none")} {
		a = ask(t, http.MethodGet, system.first+at, nil, "Authorization", "Bearer "+other)
		want := 404
		if name == "another collection" { // validate has none
			want = 200
		}
		if a.status != want {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a = ask(t, http.MethodGet, system.first+"/v1/requests/4f5b9f9e-7e0b-4d8e-9df2-2c1d3c8a0f11", nil, auth...); a.status != 404 || a.problem.Reason != "not_found" {
		t.Errorf("a request that never was: %d %s", a.status, a.body)
	}
}

// Repeats under one key are one request, wherever they arrive, and another body under the key is refused.
func TestIdempotency(t *testing.T) {
	bearer := token(t, "*", "*")
	key := "order 66"
	key = strings.ReplaceAll(key, " ", "-") + fmt.Sprint(time.Now().UnixNano())
	var ids []schema.RequestID
	for range 3 {
		a := post(t, bearer, "enroll", []string{"collection", "once", "config", tolerant}, [][]byte{green}, "Idempotency-Key", key)
		if a.status != 200 || !a.Enroll.EnrollPerformed {
			t.Fatalf("%d %s", a.status, a.body)
		}
		ids = append(ids, a.RequestID)
	}
	if ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("ids %q", ids)
	}
	a := post(t, bearer, "enroll", []string{"collection", "once", "config", tolerant}, [][]byte{red}, "Idempotency-Key", key)
	if a.status != 422 || a.problem.Reason != "idempotency_key_reused" {
		t.Errorf("another picture under the key: %d %s", a.status, a.body)
	}
	a = post(t, bearer, "predict", []string{"collection", "once", "config", tolerant}, [][]byte{green}, "Idempotency-Key", key)
	if a.status != 422 || a.problem.Reason != "idempotency_key_reused" {
		t.Errorf("another operation under the key: %d %s", a.status, a.body)
	}
	// The key of another caller is another key.
	other := token(t, "*", "*", func(g *auth.Grant) { g.Subject = "somebody else" })
	if a = post(t, other, "validate", []string{"config", tolerant}, [][]byte{green}, "Idempotency-Key", key); a.status != 200 || a.RequestID == ids[0] {
		t.Errorf("another caller: %d %s", a.status, a.body)
	}
	// Many at once, at two gateways, with two bodies: one request, whose outcome those with its body get.
	second, stop, err := openGateway(system.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for i := range 16 {
		wg.Go(func() {
			kind, body := form([]string{"config", tolerant}, [][]byte{red, green}[i%2])
			req, _ := http.NewRequest(http.MethodPost, []string{system.first, second}[i/2%2]+"/v1/validate", body)
			req.Header.Set("Authorization", "Bearer "+bearer)
			req.Header.Set("Content-Type", kind)
			req.Header.Set("Idempotency-Key", key+"-race")
			a, err := do(req)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case a.status == 200:
				got[fmt.Sprint(i%2)]++
			case a.status == 422 && a.problem.Reason == "idempotency_key_reused":
				got["refused"]++
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if got["refused"] != 8 || got["0"]+got["1"] != 8 || got["0"]*got["1"] != 0 {
		t.Errorf("%v; want 8 answers for one body and 8 refusals for the other", got)
	}
}

func TestGatewayWithoutCallersDoesNotStart(t *testing.T) {
	cfg := system.cfg
	cfg.Gateway.Auth.SigningKey, cfg.Gateway.Auth.APIKeys = "", nil
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Serve(t.Context(), cfg, zerolog.Nop(), gateway.On(listener)); err == nil || !strings.Contains(err.Error(), "who may call") {
		t.Errorf("%v", err)
	}
}
