// Command mutate checks the checks. It breaks a copy of the tree in one place after another, and each time runs the check that
// should notice. A break that nothing notices within the check's budget fails the run, and so does an edit that no longer fits
// the source.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	only := flag.String("only", "", "names of mutations, with commas between; else all")
	sample := flag.Bool("sample", false, "only a few of different kinds")
	list := flag.Bool("list", false, "only list them")
	flag.Parse()
	chosen, err := choose(all(), *only, *sample)
	if err == nil && *list {
		for _, m := range chosen {
			fmt.Printf("%-26s %-10s %s\n", m.name, m.check, m.breaks)
		}
		return
	}
	if err == nil {
		err = run(ctx, chosen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

// mutation is one way to break a promise.
type mutation struct {
	name   string
	breaks string // the promise
	check  string // a name in checks, or a test: "TestName ./package"
	edits  []edit
	sample bool
}

// edit replaces the only place in file that has the text old.
type edit struct{ file, old, new string }

// check is a command that passes on the tree as it is.
type check struct {
	build, command []string
	budget         time.Duration
}

func choose(all []mutation, only string, sample bool) ([]mutation, error) {
	names := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	chosen := slices.DeleteFunc(all, func(m mutation) bool {
		return len(names) > 0 && !slices.Contains(names, m.name) || sample && !m.sample
	})
	if len(chosen) == 0 || len(names) > len(chosen) {
		return nil, fmt.Errorf("there is no such mutation among %q (-list shows them)", only)
	}
	return chosen, nil
}

func run(ctx context.Context, chosen []mutation) error {
	dir, err := os.MkdirTemp("", "facestream-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tree := filepath.Join(dir, "tree")
	if err := copyTree(ctx, tree); err != nil {
		return err
	}
	needed := map[string]check{}
	for _, m := range chosen {
		needed[m.check] = checkOf(m.check, dir)
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		began := time.Now()
		c := needed[name]
		out, err := in(ctx, tree, c.build)
		if err == nil {
			out, err = in(ctx, tree, c.command)
		}
		if err != nil {
			return fmt.Errorf("the check %q fails without any mutation: %w\n%s", name, err, tail(out))
		}
		fmt.Printf("passes on the tree as it is: %-60s %4.0f s\n", name, time.Since(began).Seconds())
	}
	var missed []string
	for _, m := range chosen {
		verdict, took, by, err := try(ctx, tree, m, needed[m.check])
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Printf("%-7s %-26s %4.0f s  %s: %s\n", verdict, m.name, took.Seconds(), m.check, by)
		if verdict != caught {
			missed = append(missed, m.name)
		}
	}
	fmt.Printf("%d of %d mutations were caught\n", len(chosen)-len(missed), len(chosen))
	if len(missed) > 0 {
		return fmt.Errorf("nothing noticed %s", strings.Join(missed, ", "))
	}
	return nil
}

// The verdicts.
const (
	caught = "caught"
	missed = "MISSED"
)

// try runs the check on the tree with m, and takes m back. by is what the check says.
func try(ctx context.Context, tree string, m mutation, c check) (verdict string, took time.Duration, by string, err error) {
	restore, err := m.apply(tree)
	if err != nil {
		return "", 0, "", err
	}
	defer func() { err = errors.Join(err, restore()) }()
	began := time.Now()
	if out, err := in(ctx, tree, c.build); err != nil {
		return "", 0, "", fmt.Errorf("it does not build: %w\n%s", err, out)
	}
	limited, cancel := context.WithTimeout(ctx, c.budget)
	defer cancel()
	out, failed := in(limited, tree, c.command)
	took = time.Since(began)
	switch {
	case ctx.Err() != nil:
		return "", took, "", ctx.Err()
	case failed == nil || limited.Err() != nil:
		fmt.Println(tail(out))
		return missed, took, "nothing", nil
	}
	return caught, took, said(out), nil
}

// apply edits the tree. It returns what takes the edits back.
func (m mutation) apply(tree string) (restore func() error, err error) {
	before := map[string][]byte{}
	restore = func() error {
		var errs []error
		for path, data := range before {
			errs = append(errs, os.WriteFile(path, data, 0o600))
		}
		return errors.Join(errs...)
	}
	for _, e := range m.edits {
		path := filepath.Join(tree, e.file)
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, errors.Join(err, restore())
		}
		if n := bytes.Count(data, []byte(e.old)); n != 1 {
			return nil, errors.Join(fmt.Errorf("%s has %d places like %q: adapt the mutation", e.file, n, e.old), restore())
		}
		if before[path] == nil {
			before[path] = data
		}
		if err := os.WriteFile(path, bytes.Replace(data, []byte(e.old), []byte(e.new), 1), 0o600); err != nil {
			return nil, errors.Join(err, restore())
		}
	}
	return restore, nil
}

// in runs a command in a folder. When ctx ends, the command and what it started end with it.
func in(ctx context.Context, dir string, command []string) ([]byte, error) {
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Dir = dir
	run.Env = append(os.Environ(), "GOFLAGS=-tags=nodynamic", "FACESTREAM_MILVUS=", "FACESTREAM_KAFKA=")
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGTERM) }
	run.WaitDelay = time.Minute
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	err := run.Run()
	return out.Bytes(), err
}

// said are the lines in which a check says what is wrong.
func said(out []byte) string {
	var found []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "VIOLATED") || strings.HasPrefix(line, "--- FAIL") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "; ")
}

func tail(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// copyTree copies the files that git knows or would take.
func copyTree(ctx context.Context, to string) error {
	out, err := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if err := copyFile(name, filepath.Join(to, name)); err != nil && !errors.Is(err, os.ErrNotExist) { // deleted, and not yet committed
			return err
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
