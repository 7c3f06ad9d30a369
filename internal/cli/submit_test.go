package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facestream/internal/drawn"
	"facestream/internal/gallery"
	"facestream/packs"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// facestream runs a command on the flow's servers.
func (f *flow) facestream(args ...string) (stdout, said string, code int) {
	f.t.Helper()
	return facestream(f.t, append(args, "--kafka-brokers", f.cfg.Kafka.Brokers[0], "--s3-endpoint", f.cfg.S3.Endpoint)...)
}

// watch returns the first line that `facestream watch` prints.
func (f *flow) watch(args ...string) string {
	f.t.Helper()
	c := root()
	c.SilenceUsage, c.SilenceErrors = true, true
	in, out := io.Pipe()
	c.SetOut(out)
	c.SetArgs(append(append([]string{"watch"}, args...), "--kafka-brokers", f.cfg.Kafka.Brokers[0]))
	ctx, stop := context.WithCancel(f.t.Context())
	ended := make(chan error, 1)
	go func() {
		err := c.ExecuteContext(ctx)
		ended <- errors.Join(err, out.Close())
	}()
	line, _ := bufio.NewReader(in).ReadString('\n') // what is missing shows in the line
	stop()
	in.Close() // so that nobody waits to write further lines
	if err := <-ended; err != nil {
		f.t.Error(err)
	}
	return line
}

// drawnFile writes a picture of a drawn person into a file.
func drawnFile(t *testing.T, person, shot int) string {
	t.Helper()
	data, err := drawn.JPEG(drawn.Cast()[person], shot, 400, 92)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "person.jpg")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSubmit sends requests through the whole stream as a person does, and reads what they read.
func TestSubmit(t *testing.T) {
	ann, annAgain, bob, stranger := drawnFile(t, 0, 0), drawnFile(t, 0, 1), drawnFile(t, 1, 0), drawnFile(t, 30, 0)
	nobody := filepath.Join(t.TempDir(), "nobody.png")
	file, err := os.Create(nobody)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(file, image.NewGray(image.Rect(0, 0, 200, 200))); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	f := startFlow(t)
	f.start("ingest", "")
	f.start("worker", packs.Starter)
	f.start("indexer")
	check := func(want string, code int, args ...string) (stdout string) {
		t.Helper()
		stdout, said, got := f.facestream(append([]string{"submit", "--wait", "--operation-config", drawn.Config}, args...)...)
		if first, _, _ := strings.Cut(stdout, "\n"); got != code || !strings.HasPrefix(first, want) {
			t.Errorf("%v: exit code %d, want %d; printed\n%s%s", args, got, code, stdout, said)
		}
		return stdout
	}
	enroll := []string{"-o", "enroll", "--collection", "staff", "--external-id", "ann", "--consent", "form 17", "--id", "enroll-ann", ann}
	enrolled := check("enrolled as ", 0, enroll...)
	check("recognised as ann in staff (similarity 0.", 0, "-o", "predict", "-c", "staff", annAgain)
	check("nobody recognised in staff", exitNo, "-o", "predict", "-c", "staff", stranger)
	check("this is ann in staff (similarity 0.", 0, "-o", "verify", "-c", "staff", "--external-id", "ann", "--image", annAgain)
	check("this is not ann in staff (similarity ", exitNo, "-o", "verify", "-c", "staff", "--external-id", "ann", bob)
	check("not verified: nobody in the collection has this", exitOutcome, "-o", "verify", "-c", "staff", "--external-id", "eve", bob)
	check("not enrolled: no face was found", exitOutcome, "-o", "enroll", "-c", "staff", nobody)
	check("the same person (similarity 0.", 0, "-o", "compare", ann, annAgain)
	check("different people (similarity ", exitNo, "-o", "compare", ann, "--image", bob)
	check("1 face", 0, "--id", "../an id / of Zoë's own", ann)
	check("not validated: image 1: ", exitOutcome, "s3://images/absent.jpg")

	picture, err := os.ReadFile(ann)
	if err != nil {
		t.Fatal(err)
	}
	if stdout, said, code := facestreamReading(t, bytes.NewReader(picture), "submit", "-", "--wait", "--kafka-brokers", f.cfg.Kafka.Brokers[0], "--s3-endpoint", f.cfg.S3.Endpoint); code != 0 || !strings.HasPrefix(stdout, "1 face") {
		t.Errorf("standard input: exit code %d, printed %q, %q", code, stdout, said)
	}

	page, err := f.gallery.List(t.Context(), "staff", "", 10)
	if err != nil || len(page.Rows) != 1 || page.Rows[0].Consent == nil || !page.Rows[0].Consent.Given || page.Rows[0].Consent.Reference != "form 17" {
		t.Errorf("the enrolment is kept without its consent: %v, %+v", err, page.Rows)
	}

	if stdout, said, code := f.facestream("doctor", "--data-dir", f.cfg.DataDir); code != 0 || !strings.Contains(stdout, "running: ingest 1, worker 1, indexer 1") {
		t.Errorf("doctor: exit code %d, printed\n%s%s", code, stdout, said)
	}

	// The result of a request that was answered is printed again, whether or not all of it is typed again.
	for _, args := range [][]string{enroll, {"--id", "enroll-ann"}} {
		stdout, said, code := f.facestream(append([]string{"submit", "--wait"}, args...)...)
		if stdout != enrolled || code != 0 || !strings.Contains(said, "request enroll-ann was answered on 2") {
			t.Errorf("%v: exit code %d, printed %q and %q; want what was printed first, %q", args, code, stdout, said, enrolled)
		}
	}
	if _, said, code := f.facestream("submit", "--wait", "--id", "enroll-ann", "-o", "validate", ann); code != exitUsage || !strings.Contains(said, "--id: enroll-ann is the id of another request (enroll)") {
		t.Errorf("the id of another request: exit code %d, %q", code, said)
	}
	// A request that is sent again before it is answered is the same one: nothing becomes a dead letter.
	f.stop("ingest")
	if stdout, said, code := f.facestream("submit", "--id", "twice", ann); stdout != "twice\n" || code != 0 {
		t.Errorf("exit code %d, printed %q, %q", code, stdout, said)
	}
	if _, said, code := f.facestream("submit", "--id", "twice", "--wait", "--timeout", "2s", ann); code != 1 || !strings.Contains(said, "no result within 2s") || !strings.Contains(said, "facestream submit --wait --id twice") {
		t.Errorf("exit code %d, %q", code, said)
	}
	f.start("ingest", "")
	if stdout, said, code := f.facestream("submit", "--id", "twice", "--wait", "--json"); code != 0 {
		t.Errorf("exit code %d, %q", code, said)
	} else {
		var r schema.Result
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.RequestID != "twice" || len(r.Faces) != 1 {
			t.Errorf("%v: %s", err, stdout)
		}
	}
	f.idle("ingest", events.Requests)
	if stdout, _, _ := f.facestream("dead-letters", "list", "--json"); stdout != "[]\n" {
		t.Errorf("dead letters: %s", stdout)
	}

	// An upload has an outcome whatever its name, and its flags arrive.
	for key, want := range map[string]string{
		"enroll/staff/Zoë/a.portrait.png":  "enrolled as ",
		"validate/staff/bob/a.result.json": "1 face",
	} {
		stdout, said, code := f.facestream("upload", stranger, "--key", key, "--wait", "--consent", "Formular für Zoë", "--tag", "a tag")
		if code != 0 || !strings.HasPrefix(stdout, want) || !strings.Contains(stdout, "tag        a tag\n") {
			t.Errorf("%s: exit code %d, printed\n%s%s", key, code, stdout, said)
		}
	}
	page, err = f.gallery.List(t.Context(), "staff", "", 10)
	if err != nil || !slices.ContainsFunc(page.Rows, func(r gallery.Row) bool {
		return r.ExternalID == "Zoë" && r.Consent != nil && r.Consent.Given && r.Consent.Reference == "Formular für Zoë"
	}) {
		t.Errorf("the upload is kept without its name or its consent: %v", err)
	}
	watched := f.watch("--from-start", "--operation", "enroll", "--collection", "staff", "--reason", "no_face")
	if want := "  enroll         not enrolled: no face was found  "; !strings.Contains(watched, want) {
		t.Errorf("watch printed %q, want %q in it", watched, want)
	}
	var r schema.Result
	if watched := f.watch("--from-start", "--json", "-o", "verify"); json.Unmarshal([]byte(watched), &r) != nil || r.Operation != schema.OpVerify {
		t.Errorf("watch --json printed %q", watched)
	}
	stdout, said, code := f.facestream("submit", "-o", "user_delete", "-c", "staff", "--external-id", "ann", "--wait")
	if code != 0 || !strings.HasPrefix(stdout, "deleted from staff: 1 image of ann\n") {
		t.Errorf("exit code %d, printed %q, %q", code, stdout, said)
	}
}
