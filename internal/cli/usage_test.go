package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"facestream/internal/config"
	"facestream/internal/memory"
	"facestream/internal/program"
	"facestream/packs"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// facestream runs the command with args, as Main does.
func facestream(t *testing.T, args ...string) (stdout, said string, code int) {
	t.Helper()
	return facestreamReading(t, strings.NewReader(""), args...)
}

// facestreamReading is facestream with a standard input.
func facestreamReading(t *testing.T, stdin io.Reader, args ...string) (stdout, said string, code int) {
	t.Helper()
	c := root()
	c.SetIn(stdin)
	c.SilenceUsage, c.SilenceErrors = true, true
	var out, errs bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	code = program.Run(func(context.Context) error {
		err := run(t.Context(), c)
		if err != nil {
			errs.WriteString(err.Error())
		}
		return err
	})
	return out.String(), errs.String(), code
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestWrongUsage: what is wrong on a command line is found before anything is sent, named as it was typed, and followed by
// what was probably meant. Nothing listens anywhere.
func TestWrongUsage(t *testing.T) {
	image := filepath.Join(t.TempDir(), "a.jpg")
	if err := os.WriteFile(image, []byte("an image"), 0o644); err != nil {
		t.Fatal(err)
	}
	lenient := filepath.Join(t.TempDir(), "lenient.yaml")
	if err := os.WriteFile(lenient, []byte("ingest: {routes: [{metadata: [config]}]}"), 0o644); err != nil {
		t.Fatal(err)
	}
	addr := closedPort(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string // parts of what is said
	}{
		{"an unknown command", []string{"sumbit"}, exitUsage, []string{`"sumbit"`, "submit"}},
		{"an unknown command of a group", []string{"models", "pul", "open"}, exitUsage, []string{`"pul"`, "facestream models", "did you mean pull?"}},
		{"an unknown flag", []string{"submit", "--wiat", image}, exitUsage, []string{"--wiat", "did you mean --wait?", "facestream submit --help"}},
		{"an argument too many", []string{"topics", "all"}, exitUsage, []string{`"all"`}},
		{"a flag that is missing", []string{"upload", image}, exitUsage, []string{`"key"`}},
		{"a misspelt operation", []string{"submit", "-o", "enrol", image}, exitUsage, []string{"--operation", `"enrol"`, "did you mean enroll?", "anti_spoofing"}},
		{"too few images", []string{"submit", "-o", "compare", image}, exitUsage, []string{"images: compare takes 2 to 8, the request names 1"}},
		{"nobody named", []string{"submit", "-o", "user_delete"}, exitUsage, []string{"--puid", "external_id"}},
		{"a configuration that is no JSON", []string{"submit", image, "--operation-config", "{neighbors:3}"}, exitUsage, []string{"--operation-config: is not JSON"}},
		{"a misspelt key", []string{"submit", image, "--operation-config", `{"neighbours":3}`}, exitUsage, []string{"--operation-config: neighbours is not a configuration key", "did you mean neighbors?"}},
		{"a value out of range", []string{"submit", image, "--operation-config", `{"neighbors":0}`}, exitUsage, []string{"--operation-config: neighbors is out of range; it must be an integer, 1..100"}},
		{"a file that is not there", []string{"submit", "-o", "validate", "nobody.jpg"}, program.ExitFailed, []string{"image 1", "nobody.jpg"}},
		{"a key without a route", []string{"upload", image, "--key", "alice.jpg"}, exitUsage, []string{"--key: no route takes this key", "<operation>/<collection>/<external_id>/<file>"}},
		{"a key of a folder", []string{"upload", image, "--key", "enroll/staff/alice/"}, exitUsage, []string{"--key", "slash"}},
		{"a key with a misspelt operation", []string{"upload", image, "--key", "enrol/staff/alice/a.jpg"}, exitUsage, []string{"--key", `"enrol"`, "did you mean enroll?"}},
		{"a key that asks for a deletion", []string{"upload", image, "--key", "user_delete/staff/alice/a.jpg"}, exitUsage, []string{"--key", "user_delete"}},
		{"a key that names two people", []string{"upload", image, "--key", "enroll/staff/alice/../bob/a.jpg"}, exitUsage, []string{"--key", `".."`}},
		{"an upload with a misspelt configuration", []string{"upload", image, "--key", "enroll/staff/alice/a.jpg", "--config", lenient, "--operation-config", `{"neighbours":3}`}, exitUsage, []string{"--operation-config: neighbours", "did you mean neighbors?"}},
		{"a configuration that the route does not take", []string{"upload", image, "--key", "enroll/staff/alice/a.jpg", "--operation-config", "{}"}, exitUsage, []string{"--operation-config: is not taken by the route of this key, which takes operation-tag, consent, deadline, result-object"}},
		{"a tag that the route does not take", []string{"upload", image, "--key", "enroll/staff/alice/a.jpg", "--config", lenient, "--tag", "x"}, exitUsage, []string{"--tag: is not taken", "ingest.routes[].metadata"}},
		{"metadata that names another person", []string{"upload", image, "--key", "enroll/playground/mallory/a.jpg", "--metadata", "facestream-external-id=alice"}, exitUsage, []string{"x-amz-meta-facestream-external-id: contradicts the key"}},
		{"a missing declaration", []string{"upload", image, "--key", "enroll/staff/alice/a.jpg", "--ingest-consent-required", "visitors,staff"}, exitUsage, []string{"--consent: is missing", "ingest.consent.required"}},
		{"a declaration that is not needed, and no servers", []string{"upload", image, "--key", "predict/staff/alice/a.jpg", "--ingest-consent-required", "*", "--kafka-brokers", addr}, program.ExitFailed, []string{"no Kafka broker"}},
		{"misspelt metadata", []string{"upload", image, "--key", "enroll/staff/alice/a.jpg", "--metadata", "facestream-tag=x"}, exitUsage, []string{"x-amz-meta-facestream-tag", "operation-tag"}},
		{"metadata twice", []string{"upload", image, "--key", "enroll/staff/alice/a.jpg", "--tag", "a", "--metadata", "facestream-operation-tag=b"}, exitUsage, []string{"--metadata", "facestream-operation-tag"}},
		{"no servers to upload to", []string{"upload", image, "--key", "enroll/staff/alice/a.portrait.png", "--kafka-brokers", addr}, program.ExitFailed, []string{"no Kafka broker listens at " + addr}},
		{"no servers", []string{"submit", "-o", "validate", image, "--kafka-brokers", addr}, program.ExitFailed, []string{"no Kafka broker listens at " + addr, "facestream up", "--kafka-brokers"}},
		{"no servers to watch", []string{"watch", "--kafka-brokers", addr}, program.ExitFailed, []string{"no Kafka broker listens at " + addr, "facestream up"}},
		{"no topics", []string{"topics", "--kafka-brokers", addr}, program.ExitFailed, []string{"no Kafka broker listens at " + addr}},
		{"no dead letters", []string{"dead-letters", "list", "--kafka-brokers", addr}, program.ExitFailed, []string{"no Kafka broker listens at " + addr}},
		{"a misspelt reason", []string{"watch", "--reason", "noface"}, exitUsage, []string{"--reason", "did you mean no_face?"}},
		{"a misspelt setting", []string{"topics", "--kafka-broker", addr}, exitUsage, []string{"did you mean --kafka-brokers?"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stdout, said, code := facestream(t, tt.args...)
			if code != tt.code || stdout != "" {
				t.Errorf("exit code %d, want %d; printed %q", code, tt.code, stdout)
			}
			for _, part := range tt.want {
				if !strings.Contains(said, part) {
					t.Errorf("%q does not say %q", said, part)
				}
			}
		})
	}
}

// TestDoctorWithoutServers: what is missing is named once, with what to do.
func TestDoctorWithoutServers(t *testing.T) {
	addr := closedPort(t)
	stdout, said, code := facestream(t, "doctor", "--kafka-brokers", addr, "--s3-endpoint", addr, "--data-dir", t.TempDir())
	if code != exitOutcome || !strings.Contains(said, "need attention") {
		t.Errorf("exit code %d, %q", code, said)
	}
	for _, want := range []string{"FAIL  broker        nothing listens at " + addr, "fix: start `facestream up`", "FAIL  services      not checked without the broker", "ok    data folder"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("doctor does not say %q:\n%s", want, stdout)
		}
	}
}

// TestDoctorLoads: the second pack takes less memory than the first, whose networks it shares.
func TestDoctorLoads(t *testing.T) {
	if _, _, err := onnx.FindLibrary(t.Context()); err != nil {
		t.Skipf("SKIPPED, no pack was loaded: %v", err)
	}
	if _, err := memory.Resident(); err != nil {
		t.Skipf("SKIPPED, no memory was measured: %v", err)
	}
	cfg := config.Default()
	cfg.Worker.Models = []string{packs.Starter, otherPack(t)}
	said, err := lookAtMemory(t.Context(), cfg.Worker)
	if err != nil {
		t.Fatal(err)
	}
	var megabytes []float64
	for _, m := range regexp.MustCompile(`takes ([0-9.]+) MB( more)?, \d+ networks on cpu`).FindAllStringSubmatch(said, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		megabytes = append(megabytes, n)
	}
	if len(megabytes) != 2 || megabytes[0] < 5 || megabytes[1] > megabytes[0]/2 {
		t.Errorf("%q; want at least 5 MB of the first, and less than half of that for the networks that the second does not share", said)
	}
}

// TestErrorsForPeople: the name of the step is for logs, that of the reason for programs.
func TestErrorsForPeople(t *testing.T) {
	for _, err := range []error{schema.Transient("events.ping", errors.New("no answer")), schema.Permanent("objects.put", schema.ReasonBucketNotAllowed, errors.New("no answer"))} {
		if got := (forPeople{fmt.Errorf("the server: %w", err)}).Error(); got != "the server: no answer" {
			t.Errorf("%q", got)
		}
	}
}

// TestCompletion: the shell completes operations and reasons.
func TestCompletion(t *testing.T) {
	stdout, _, _ := facestream(t, cobra.ShellCompNoDescRequestCmd, "submit", "-o", "")
	got := strings.Split(stdout, "\n")
	for _, op := range operationNames() {
		if !slices.Contains(got, op) {
			t.Errorf("%s is not completed: %q", op, got)
		}
	}
	if len(operationNames()) < 9 {
		t.Errorf("operations: %v", operationNames())
	}
	if stdout, _, _ := facestream(t, cobra.ShellCompNoDescRequestCmd, "models", "pull", ""); !strings.Contains(stdout, "open\n") {
		t.Errorf("packs are not completed: %q", stdout)
	}
	if stdout, _, _ := facestream(t, cobra.ShellCompNoDescRequestCmd, "watch", "--reason", "spoof"); !strings.Contains(stdout, "spoof_detected") {
		t.Errorf("reasons are not completed: %q", stdout)
	}
}

// TestHelpNamesEveryOperation: and the exit codes, which scripts need.
func TestHelpNamesEveryOperation(t *testing.T) {
	stdout, _, code := facestream(t, "submit", "--help")
	for _, op := range operationNames() {
		if !strings.Contains(stdout, op) {
			t.Errorf("submit --help does not name %s", op)
		}
	}
	if code != 0 || !strings.Contains(stdout, "exit code") {
		t.Errorf("exit code %d, help %s", code, stdout)
	}
}

// TestExamples: the commands, flags and arguments of every example of the help exist.
func TestExamples(t *testing.T) {
	examples := 0
	eachCommand(root(), func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
			args := strings.Fields(line)
			if len(args) == 0 || args[0] != "facestream" {
				t.Errorf("%s: the example %q does not begin with facestream", c.CommandPath(), line)
				continue
			}
			examples++
			found, rest, err := root().Find(args[1:])
			if err != nil || !strings.HasPrefix(found.CommandPath(), c.CommandPath()) {
				t.Errorf("%s: the example %q is of %s: %v", c.CommandPath(), line, found.CommandPath(), err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", c.CommandPath(), line, err)
			} else if err := errors.Join(found.ValidateArgs(found.Flags().Args()), found.ValidateRequiredFlags(), found.ValidateFlagGroups()); err != nil {
				t.Errorf("%s: %q: %v", c.CommandPath(), line, err)
			}
		}
	})
	if examples < 10 {
		t.Errorf("%d examples", examples)
	}
}
