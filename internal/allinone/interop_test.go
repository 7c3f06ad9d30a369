package allinone_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPythonExample runs another client: librdkafka sends a CloudEvents request to a real broker and reads the results, and
// boto3 uploads. Where the broker asks for users, the client has only the rights that docs/operations.md gives it.
func TestPythonExample(t *testing.T) {
	s := useStream(t)
	if !s.realBroker {
		t.Skip("SKIPPED: it needs a real broker (FACESTREAM_KAFKA); `make test-real` has one")
	}
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import confluent_kafka, boto3").Run(); err != nil {
		t.Skip("SKIPPED: python3 lacks what the example needs; pip install -r examples/python/requirements.txt")
	}
	image := filepath.Join(t.TempDir(), "portrait.jpg")
	if err := os.WriteFile(image, portrait(t, 13, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "python3", filepath.Join(s.root, "examples", "python", "request.py"), image)
	command.Env = append(os.Environ(), "FACESTREAM_S3_ENDPOINT="+s.cfg.S3.Endpoint)
	if s.secured() {
		command.Env = append(command.Env, "FACESTREAM_KAFKA_SASL_USERNAME=client")
	}
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
	request, upload, _ := strings.Cut(string(out), "\n")
	if !strings.Contains(request, "1 face(s)") {
		t.Errorf("the request was answered %q, want one face", request)
	}
	if want := "upload:  ok - enrolled\n"; upload != want {
		t.Errorf("the upload was answered %q, want %q", upload, want)
	}
}
