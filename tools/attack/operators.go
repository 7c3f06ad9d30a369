package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // reads and damages what the services keep

	"facestream/internal/sandbox"
	"facestream/pkg/schema"
)

const (
	operator = "operator"
	local    = "another user of the machine"
)

// operators are the mistakes that an operator can make, and what another user of the machine may try.
func operators() []attack {
	return []attack{
		{name: "broker-on-the-network", actor: operator, tried: "embedded.kafka_addr on an address of the network", alone: brokerOnTheNetwork},
		{name: "default-secret-on-the-network", actor: operator, tried: "embedded.s3_addr on every address with the secret that everybody knows", alone: defaultSecret},
		{name: "password-in-clear", actor: operator, tried: "SASL plain without TLS to a broker of another machine", alone: passwordInClear},
		{name: "two-ingests-one-folder", actor: operator, tried: "a second ingest, indexer and up on the folder of a running one", alone: twoOnOneFolder},
		{name: "lock-removed", actor: operator, tried: "the file LOCK removed under a running indexer, then a second one", alone: lockRemoved},
		{name: "downgrade", actor: operator, tried: "a gallery and a ledger of a later format", alone: downgrade},
		{name: "files-for-everybody", actor: local, tried: "the modes of all files of a data folder, made under umask 022", alone: filesForEverybody},
		{name: "secrets-in-the-open", actor: local, tried: "secrets in arguments, logs, settings and errors", alone: secretsInTheOpen},
		{name: "keys-on-stderr", actor: local, tried: "errors of the store's files, whose log is searched for keys", alone: keysOnStderr},
		{name: "names-in-the-log", actor: local, tried: "names, ids and keys of all attacks before, looked for in the logs of all services", running: namesInTheLog},
	}
}

func brokerOnTheNetwork(ctx context.Context, l *lab) (string, error) {
	dir, err := l.folder()
	if err != nil {
		return "", err
	}
	// The address of another machine cannot be listened on, so that only a check before that can name the danger.
	return l.refuses(ctx, []string{"FACESTREAM_DATA_DIR=" + dir, "FACESTREAM_EMBEDDED_KAFKA_ADDR=192.0.2.7:9092", "FACESTREAM_EMBEDDED_S3_ADDR=127.0.0.1:0", "FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_GATEWAY_LISTEN="},
		[]string{"facestream", "servers"}, "open to other machines", "other machines", "no password", "without a password")
}

func defaultSecret(ctx context.Context, l *lab) (string, error) {
	return l.refuses(ctx, []string{"FACESTREAM_EMBEDDED_S3_ADDR=0.0.0.0:9000"}, []string{"facestream", "servers"}, "publicly known default")
}

func passwordInClear(ctx context.Context, l *lab) (string, error) {
	return l.refuses(ctx, []string{"FACESTREAM_KAFKA=192.0.2.7:9092", "FACESTREAM_KAFKA_SASL_MECHANISM=plain", "FACESTREAM_KAFKA_SASL_USERNAME=u", "FACESTREAM_KAFKA_SASL_PASSWORD=p",
		"FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_GATEWAY_LISTEN="}, []string{"ingest"}, "tls")
}

// another is the settings of a further program beside f, on the same folders.
func (f *facestream) another() []string {
	return append(f.env, "FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_GATEWAY_LISTEN=")
}

func twoOnOneFolder(ctx context.Context, l *lab) (string, error) {
	f, err := l.start(ctx, setup{apart: true})
	if err != nil {
		return "", err
	}
	defer f.stop()
	for _, program := range []string{"ingest", "indexer"} {
		if _, err := l.refuses(ctx, f.another(), []string{program}, "in use"); err != nil {
			return "", err
		}
	}
	_, err = l.refuses(ctx, append(f.another(), "FACESTREAM_EMBEDDED_KAFKA_ADDR=127.0.0.1:0", "FACESTREAM_EMBEDDED_S3_ADDR=127.0.0.1:0"), []string{"facestream", "servers"}, "in use")
	return "each is refused by the lock's name", err
}

func lockRemoved(ctx context.Context, l *lab) (string, error) {
	f, err := l.start(ctx, setup{apart: true})
	if err != nil {
		return "", err
	}
	defer f.stop()
	removed := 0
	filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "LOCK" {
			removed++
			return os.Remove(path)
		}
		return nil
	})
	if removed == 0 {
		return "", errors.New("there is no LOCK")
	}
	if _, err := l.refuses(ctx, f.another(), []string{"indexer"}); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d locks removed; a second indexer is refused", removed), nil
}

// sqliteFile opens a database of a service that is stopped.
func sqliteFile(path string) (*sql.DB, error) {
	if !exists(path) {
		return nil, fmt.Errorf("%s is not there", filepath.Base(path))
	}
	return sql.Open("sqlite", path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// databases are the files with an SQLite database in a data folder: the gallery and the ledger.
func databases(dir string) (gallery, ledger string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !strings.HasSuffix(path, ".db"):
		case strings.Contains(path, "gallery"):
			gallery = path
		default:
			ledger = path
		}
		return nil
	})
	return gallery, ledger
}

func execute(path, statement string, args ...any) error {
	db, err := sqliteFile(path)
	if err != nil {
		return err
	}
	_, err = db.Exec(statement, args...)
	return errors.Join(err, db.Close())
}

func downgrade(ctx context.Context, l *lab) (string, error) {
	for i := range 2 {
		dir, err := l.seeded()
		if err != nil {
			return "", err
		}
		gallery, ledger := databases(dir)
		path := []string{gallery, ledger}[i]
		if err := execute(path, "PRAGMA user_version = 9999"); err != nil {
			return "", err
		}
		if _, err := l.refusesFolder(ctx, dir, "format"); err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return "both are refused by name", nil
}

// refusesFolder fails unless `facestream up` does not start on a folder, with one of words.
func (l *lab) refusesFolder(ctx context.Context, dir string, words ...string) (string, error) {
	return l.refuses(ctx, []string{"FACESTREAM_DATA_DIR=" + dir, "FACESTREAM_EMBEDDED_KAFKA_ADDR=127.0.0.1:0", "FACESTREAM_EMBEDDED_S3_ADDR=127.0.0.1:0", "FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_GATEWAY_LISTEN=",
		"FACESTREAM_TELEMETRY_LOG_FORMAT=json"}, []string{"facestream", "up"}, words...)
}

func filesForEverybody(_ context.Context, l *lab) (string, error) {
	seed, err := l.seed()
	if err != nil {
		return "", err
	}
	files := 0
	var open []string
	err = filepath.WalkDir(seed, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		if info.Mode().Perm()&0o077 != 0 && d.Type()&fs.ModeSymlink == 0 {
			rel, _ := filepath.Rel(seed, path)
			open = append(open, fmt.Sprintf("%s %s", info.Mode(), strings.Join(strings.Split(rel, "/")[:min(3, strings.Count(rel, "/")+1)], "/")))
		}
		return nil
	})
	if err == nil && len(open) > 0 {
		err = fmt.Errorf("%d of %d can be read by others once they reach them: %s, …", len(open), files, strings.Join(open[:min(3, len(open))], ", "))
	}
	return fmt.Sprintf("%d files and folders, all of their owner alone", files), err
}

func secretsInTheOpen(ctx context.Context, l *lab) (string, error) {
	const secret = "a-very-secret-word-of-32-letters"
	addr, err := sandbox.FreeAddr()
	if err != nil {
		return "", err
	}
	env := []string{"FACESTREAM_KAFKA=" + addr, "FACESTREAM_S3_ENDPOINT=" + addr, "FACESTREAM_S3_SECRET_KEY=" + secret, "FACESTREAM_WORKER_CHALLENGE_KEYS=" + secret, "FACESTREAM_TELEMETRY_LOG_LEVEL=trace"}
	for _, args := range [][]string{{"doctor"}, {"settings"}, {"doctor", "--json"}, {"topics"}, {"up", "--embedded-kafka-addr=nowhere"}, {"--help"}} {
		if said, _ := l.command(ctx, env, "facestream", args...); strings.Contains(said, secret) {
			return "", fmt.Errorf("facestream %v prints it", args)
		}
	}
	if said, err := l.command(ctx, env, "facestream", "doctor", "--s3-secret-key="+secret); err == nil || strings.Contains(said, secret) && !strings.Contains(said, "unknown flag") {
		return "", errors.New("a secret is taken from the command line")
	}
	return "none is shown, and none is taken from the command line", nil
}

func keysOnStderr(ctx context.Context, l *lab) (string, error) {
	f, err := l.start(ctx, setup{apart: true})
	if err != nil {
		return "", err
	}
	defer f.stop()
	person := name("alice")
	key := "enroll/default/" + person + "/a.jpg"
	if _, err := f.put(ctx, key, f.picture(0, 0), nil); err != nil {
		return "", err
	}
	// Its file becomes a folder, and the folder beside it a file: every call about them fails.
	file := filepath.Join(f.dir, "s3", "objects", f.cfg.S3.Bucket, key)
	if err := errors.Join(os.Remove(file), os.MkdirAll(filepath.Join(file, "x"), 0o700), os.WriteFile(filepath.Join(f.dir, "s3", "objects", f.cfg.S3.Bucket, person), nil, 0o600)); err != nil {
		return "", err
	}
	for _, k := range []string{key, key + "/y", person + "/z/" + uuid.NewString()} {
		for _, method := range []string{"PUT", "GET", "HEAD", "DELETE"} {
			f.signed(ctx, method, "/"+f.cfg.S3.Bucket+"/"+k, string(f.cfg.S3.SecretKey), []byte("x"))
		}
		f.signed(ctx, "POST", "/"+f.cfg.S3.Bucket+"/"+k+"?uploads=", string(f.cfg.S3.SecretKey), nil)
	}
	f.objects.Stat(ctx, schema.ObjectRef{Bucket: f.cfg.S3.Bucket, Key: key})
	time.Sleep(time.Second)
	for _, p := range f.parts {
		if at := strings.Index(p.text(), person); at >= 0 {
			return "", fmt.Errorf("%s writes it: %.200s", p.name, p.text()[max(0, at-120):])
		}
	}
	return "the log has none", nil
}

func namesInTheLog(_ context.Context, f *facestream) (string, error) {
	logs, err := filepath.Glob(filepath.Join(f.lab.dir, "*.log"))
	if err != nil {
		return "", err
	}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, planted) {
				return "", fmt.Errorf("a service logs: %.300s", line)
			}
		}
	}
	return fmt.Sprintf("none is in %d logs", len(logs)), nil
}
