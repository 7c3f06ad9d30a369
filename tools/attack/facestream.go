package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/internal/sandbox"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// settings are the operator's: floors protect the collection bank, and drawn people are neither alive nor without glasses.
const settings = `
ingest:
  reconcile_interval: 3s
  reconcile_age: 1s
  floors:
  - collections: [bank]
    config: {face_thresholds_min: 0.2}
  - collections: [vault]
    config: {anti_spoofing_mode: 1}
  routes:
  - config: ` + drawn.Config + "\n"

// memory is how much each process may take, in MiB: as much as the chart gives a worker.
const memory = 2048

// lab is where attacks take place.
type lab struct {
	dir, bin string
	seed     func() (string, error) // a data folder with people in it, of a facestream that was stopped; see seedFolder

	mu      sync.Mutex
	started []*facestream // by the attack that is being carried out alone
}

func newLab(bin string) (*lab, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(bin, "facestream")); err != nil {
		return nil, fmt.Errorf("the programs are not built (make build): %w", err)
	}
	dir, err := os.MkdirTemp("", "facestream-attack-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, bin: bin}
	l.seed = sync.OnceValues(l.seedFolder)
	return l, nil
}

// folder makes a folder of its own.
func (l *lab) folder() (string, error) { return os.MkdirTemp(l.dir, "") }

// setup says what to start.
type setup struct {
	dir   string   // the data folder; "" for an empty one
	apart bool     // the servers and each service as processes of their own; else all in one
	env   []string // further settings
}

// facestream is a running facestream of child processes, and an actor's connections to it.
type facestream struct {
	lab     *lab
	dir     string
	cfg     config.Config
	env     []string
	parts   []*process
	client  *events.Client
	caller  *events.Caller
	objects *objects.Store

	pictures map[[2]int][]byte
}

// process is one program of facestream. It is not started again when it ends.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	live string // the address of its health
	done chan struct{}
}

// start starts a facestream and returns when it is ready.
func (l *lab) start(ctx context.Context, s setup) (_ *facestream, err error) {
	f := &facestream{lab: l, dir: s.dir, cfg: config.Default(), pictures: map[[2]int][]byte{}}
	if f.dir == "" {
		if f.dir, err = l.folder(); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	if !s.apart {
		l.started = append(l.started, f)
	}
	l.mu.Unlock()
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	var addrs [2]string
	for i := range addrs {
		if addrs[i], err = sandbox.FreeAddr(); err != nil {
			return nil, err
		}
	}
	f.cfg.SetDataDir(f.dir)
	f.cfg.Kafka.Brokers, f.cfg.S3.Endpoint = addrs[:1], addrs[1]
	path := filepath.Join(l.dir, uuid.NewString()+".yaml")
	if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
		return nil, err
	}
	f.env = append([]string{"FACESTREAM_CONFIG=" + path, "FACESTREAM_DATA_DIR=" + f.dir, "FACESTREAM_KAFKA=" + addrs[0], "FACESTREAM_S3_ENDPOINT=" + addrs[1],
		"FACESTREAM_EMBEDDED_KAFKA_ADDR=" + addrs[0], "FACESTREAM_EMBEDDED_S3_ADDR=" + addrs[1], "FACESTREAM_TELEMETRY_LOG_FORMAT=json",
		"FACESTREAM_KAFKA_SESSION_TIMEOUT=2s", fmt.Sprintf("GOMEMLIMIT=%dMiB", memory), "FACESTREAM_WORKER_CHALLENGE_KEYS=a key that nobody who attacks has ever seen"}, s.env...)
	if s.apart {
		for _, part := range [][]string{{"facestream", "servers"}, {"ingest"}, {"worker"}, {"indexer"}} {
			if err := f.run(ctx, part[0], part[1:]...); err != nil {
				return nil, err
			}
		}
	} else if err := f.run(ctx, "facestream", "up"); err != nil {
		return nil, err
	}
	if err := f.ready(ctx); err != nil {
		return nil, err
	}
	if f.client, f.objects, err = host.Clients(f.cfg); err != nil {
		return nil, err
	}
	f.caller, err = f.client.OpenCaller(ctx, events.PublisherConfig{Source: "attack"})
	return f, err
}

// run starts a program of facestream with the settings of f.
func (f *facestream) run(_ context.Context, name string, args ...string) error {
	live, err := sandbox.FreeAddr()
	if err != nil {
		return err
	}
	p := &process{name: strings.Join(append([]string{name}, args...), " "), log: filepath.Join(f.lab.dir, uuid.NewString()+".log"), live: live, done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(filepath.Join(f.lab.bin, name), args...)
	p.cmd.Env = append(cleanEnv(), append(f.env, "FACESTREAM_GATEWAY_LISTEN=", "FACESTREAM_TELEMETRY_LISTEN="+live)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	f.parts = append(f.parts, p)
	return nil
}

// cleanEnv is the environment without settings of facestream, but for where models and libraries are.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "FACESTREAM_") && name != "FACESTREAM_MODELS_DIR" && name != "FACESTREAM_ORT_LIB"
	})
}

// ready waits until every part says that it is ready. The servers have no health of their own.
func (f *facestream) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, p := range f.parts {
		for p.name != "facestream servers" && p.health(ctx) != http.StatusOK {
			if err := p.ended(); err != nil {
				return err
			}
			if !retry.Sleep(ctx, 100*time.Millisecond) {
				return fmt.Errorf("%s is not ready: %s", p.name, p.lastWords())
			}
		}
	}
	return nil
}

// health is the status of /readyz, 0 where nothing answers.
func (p *process) health(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.live+"/readyz", nil)
	if err != nil {
		return 0
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// ended says how the process ended, nil while it runs.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended (%v): %s", p.name, p.cmd.ProcessState, p.lastWords())
	default:
		return nil
	}
}

func (p *process) text() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// lastWords is the last line of the log.
func (p *process) lastWords() string {
	text := strings.TrimSpace(p.text())
	last := text[strings.LastIndexByte(text, '\n')+1:]
	return last[:min(len(last), 400)]
}

// forgetPeak lets peak begin anew (clear_refs in proc(5)).
func (p *process) forgetPeak() {
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0)
}

// peak is the most memory that the process has had since forgetPeak, in MiB; 0 where it cannot be read.
func (p *process) peak() int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kib >> 10
		}
	}
	return 0
}

// cpu is the processor time that the process has taken.
func (p *process) cpu() time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest)) // from the third of proc(5) on
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
}

// part is the process of that name.
func (f *facestream) part(name string) *process {
	return f.parts[slices.IndexFunc(f.parts, func(p *process) bool { return p.name == name })]
}

// halt ends a process, in an orderly way if it can.
func (p *process) halt() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// stop ends everything, the servers last.
func (f *facestream) stop() {
	if f.caller != nil {
		f.caller.Close()
	}
	if f.client != nil {
		f.client.Close()
	}
	f.caller, f.client = nil, nil
	for _, p := range slices.Backward(f.parts) {
		p.halt()
	}
}

// stopAll ends what the attack that is over started.
func (l *lab) stopAll() {
	l.mu.Lock()
	started := l.started
	l.started = nil
	l.mu.Unlock()
	for _, f := range started {
		f.stop()
	}
}

// serves says what is wrong with f: a process that ended, or a request that is not answered.
func (f *facestream) serves(ctx context.Context) error {
	for _, p := range f.parts {
		if err := p.ended(); err != nil {
			return err
		}
	}
	ref, err := f.put(ctx, "innocent/"+uuid.NewString()+".jpg", f.picture(0, 0), nil)
	if err != nil {
		return fmt.Errorf("an innocent upload: %w", err)
	}
	r, err := f.call(ctx, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{ref}})
	switch {
	case err != nil:
		return fmt.Errorf("an innocent request is not answered: %w", err)
	case r.CallStatus.Reason != "":
		return fmt.Errorf("an innocent request is answered %s", r.CallStatus.Reason)
	}
	return nil
}

// patience is how long an outcome may take on a busy machine.
const patience = 40 * time.Second

// picture is a picture of a drawn person.
func (f *facestream) picture(person, shot int) []byte {
	at := [2]int{person, shot}
	if f.pictures[at] == nil {
		data, err := drawn.JPEG(drawn.Cast()[person], shot, 224, jpeg.DefaultQuality)
		if err != nil {
			panic(err) // an encoder that writes to memory and fails is a bug
		}
		f.pictures[at] = data
	}
	return f.pictures[at]
}

func (f *facestream) put(ctx context.Context, key string, data []byte, metadata map[string]string) (schema.ObjectRef, error) {
	return f.objects.Put(ctx, schema.ObjectRef{Bucket: f.cfg.S3.Bucket, Key: key}, data, "application/octet-stream", metadata)
}

// face uploads a picture under a key that is no request.
func (f *facestream) face(ctx context.Context, person, shot int) ([]schema.ObjectRef, error) {
	ref, err := f.put(ctx, "loose/"+uuid.NewString()+".jpg", f.picture(person, shot), nil)
	return []schema.ObjectRef{ref}, err
}

// call sends a request and returns its result. Without a configuration it has the one for drawn people.
func (f *facestream) call(ctx context.Context, r schema.Request) (schema.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if len(r.Config) == 0 && r.Operation != schema.OpUserDelete {
		r.Config = json.RawMessage(drawn.Config)
	}
	answer, err := f.caller.Call(ctx, r)
	return answer.Result, err
}

// about sends a request about a person of the cast.
func (f *facestream) about(ctx context.Context, op schema.Operation, collection, name string, person, shot int) (schema.Result, error) {
	r := schema.Request{Operation: op, Collection: schema.Collection(collection), ExternalID: schema.ExternalID(name)}
	if op != schema.OpUserDelete {
		var err error
		if r.Images, err = f.face(ctx, person, shot); err != nil {
			return schema.Result{}, err
		}
	}
	return f.call(ctx, r)
}

// enrolled fails unless the person is enrolled.
func (f *facestream) enrolled(ctx context.Context, collection, name string, person, shot int) error {
	r, err := f.about(ctx, schema.OpEnroll, collection, name, person, shot)
	if err == nil && (r.Enroll == nil || !r.Enroll.EnrollPerformed) {
		err = fmt.Errorf("an honest enrolment is answered %q: %s", r.CallStatus.Reason, r.CallStatus.ReturnMessage)
	}
	return err
}

// matches reports whether a picture of the person verifies as name.
func (f *facestream) matches(ctx context.Context, collection, name string, person, shot int) (bool, error) {
	r, err := f.about(ctx, schema.OpVerify, collection, name, person, shot)
	return err == nil && r.CallStatus.Reason == "", err
}

func (f *facestream) await(ctx context.Context, id schema.RequestID) (schema.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := f.caller.Await(ctx, id)
	return answer.Result, err
}

// write sends records as a foreign producer does.
func (f *facestream) write(ctx context.Context, topic events.Topic, codec kafka.Compression, records ...kafka.Message) error {
	w := &kafka.Writer{Addr: kafka.TCP(f.cfg.Kafka.Brokers...), Topic: string(topic), Compression: codec, RequiredAcks: kafka.RequireAll,
		BatchBytes: 1 << 30, BatchSize: len(records), BatchTimeout: time.Second, MaxAttempts: 3}
	return errors.Join(w.WriteMessages(ctx, records...), w.Close())
}

// raw sends a value without any header.
func (f *facestream) raw(ctx context.Context, topic events.Topic, key, value string) error {
	return f.write(ctx, topic, 0, kafka.Message{Key: []byte(key), Value: []byte(value)})
}

// dead waits for a dead letter that is meant.
func (f *facestream) dead(ctx context.Context, meant func(events.DeadLetter) bool) (events.DeadLetter, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		for d, err := range f.client.DeadLetters(ctx, events.DeadLetterFilter{}) {
			if err == nil && meant(d) {
				return d, nil
			}
		}
		if !retry.Sleep(ctx, 200*time.Millisecond) {
			return events.DeadLetter{}, errors.New("it did not become a dead letter")
		}
	}
}

// records reads a topic to its end.
func (f *facestream) records(ctx context.Context, topic events.Topic) (all []events.Record, err error) {
	err = f.client.ReadPresent(ctx, topic, nil, func(r events.Record) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

// command runs a command of facestream and returns what it said.
func (l *lab) command(ctx context.Context, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, filepath.Join(l.bin, name), args...)
	c.Env = append(cleanEnv(), env...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// refuses fails unless a program ends by itself, with an error that says one of words.
func (l *lab) refuses(ctx context.Context, env []string, program []string, words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 25*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, filepath.Join(l.bin, program[0]), program[1:]...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 20 * time.Second
	c.Env = append(cleanEnv(), env...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	said := strings.TrimSpace(out.String())
	last := said[strings.LastIndexByte(said, '\n')+1:]
	last = last[:min(len(last), 300)]
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s starts and runs; it said last: %s", program[0], last)
	case err == nil:
		return "", fmt.Errorf("%s accepts it: %s", program[0], last)
	case len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(said, w) }):
		return "", fmt.Errorf("%s ends and does not say why: %s", program[0], last)
	}
	return "refused: " + last, nil
}

// seedFolder makes a data folder in which alice and bob are enrolled and carol was deleted.
func (l *lab) seedFolder() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	f, err := l.start(ctx, setup{})
	if err != nil {
		return "", err
	}
	for person, name := range []string{"alice", "bob", "carol"} {
		if err := f.enrolled(ctx, "seed", name, person, 0); err != nil {
			return "", err
		}
	}
	if _, err := f.about(ctx, schema.OpUserDelete, "seed", "carol", 0, 0); err != nil {
		return "", err
	}
	f.stop()
	return f.dir, nil
}

// seeded is a copy of the seed folder.
func (l *lab) seeded() (string, error) {
	seed, err := l.seed()
	if err != nil {
		return "", err
	}
	dir, err := l.folder()
	if err != nil {
		return "", err
	}
	// With its extended attributes, in which the store keeps what it knows of an object.
	out, err := exec.Command("cp", "-a", seed+"/.", dir).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("cp: %w: %s", err, out)
	}
	return dir, err
}

// get asks for an address and returns the status and the beginning of the answer.
func get(ctx context.Context, url string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, string(text), err
}
