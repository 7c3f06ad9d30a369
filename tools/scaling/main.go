// Command scaling computes what a deployment for 1,000, 10,000 and 100,000 images a second needs: workers, partitions, brokers, bytes a
// second, shards of a Milvus, and the cost of a million images. It simulates arrivals and the queues of the workers; service times, sizes
// and prices are inputs, most of them measured (inputs.json). The same inputs and seed give the same tables, which docs/scaling.md has.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
)

//go:generate go run . -into ../../docs/scaling.md

func main() {
	var changed settings
	file := flag.String("inputs", "", "file with other inputs, in the form of inputs.json")
	flag.Var(&changed, "set", "NAME=VALUE: another value of an input, for example price_core_hour=0.03; may be repeated")
	seed := flag.Uint64("seed", 1, "of the simulated arrivals")
	into := flag.String("into", "", "file whose part between the marks is replaced (default: standard output)")
	flag.Parse()
	if err := run(*file, changed, *seed, *into); err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
}

func run(file string, changed settings, seed uint64, into string) error {
	in, err := readInputs(file, changed)
	if err != nil {
		return err
	}
	var tables bytes.Buffer
	if err := write(&tables, in, seed); err != nil {
		return err
	}
	if into == "" {
		_, err := os.Stdout.Write(tables.Bytes())
		return err
	}
	page, err := os.ReadFile(into)
	if err != nil {
		return err
	}
	replaced, err := replace(string(page), tables.String())
	if err != nil {
		return fmt.Errorf("%s: %w", into, err)
	}
	return os.WriteFile(into, []byte(replaced), 0o644)
}

// The marks in docs/scaling.md around what this program writes.
const (
	begin = "<!-- The rest is written by `go generate ./tools/scaling`. -->\n"
	end   = "<!-- end -->\n"
)

// replace puts tables between the marks of a page.
func replace(page, tables string) (string, error) {
	before, rest, ok := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return "", fmt.Errorf("it lacks the line %q, or %q after it", begin, end)
	}
	return before + begin + "\n" + tables + "\n" + end + after, nil
}
