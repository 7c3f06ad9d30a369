// Command check judges the history that command soak writes. It imports nothing of facestream, so it does not share the mistakes
// of what it judges: it reads the JSON that went over the wire, recomputes every similarity from the vectors, and asks a
// linearizability checker whether what was answered about each person can have happened in some order.
package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check HISTORY")
		os.Exit(2)
	}
	f, err := os.Open(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	defer f.Close()
	h, err := read(f)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: the history %s: %v\n", os.Args[1], err)
		os.Exit(2)
	}
	if !report(os.Stdout, h, check(h)) {
		os.Exit(1)
	}
}

// shown is how many violations of a kind are shown.
const shown = 5

// report prints what was looked at and what is wrong, and says whether nothing is.
func report(w io.Writer, h *history, v *verdict) bool {
	fmt.Fprintf(w, "looked at: %d requests with %d results and %d copies of them (%d of searches, from a later gallery); %d dead letters; %d result objects; %d gallery rows; committed offsets, %d times\n",
		len(h.order), v.results, v.copies, v.later, len(h.dead), v.objects, len(h.rows), h.looked)
	fmt.Fprintf(w, "recomputed: %d scores of %d searches; the histories of %d persons with %d enrolments, deletions and readings are linearizable, save those below\n",
		v.scores, v.searches, v.persons, v.steps)
	if len(h.memories) > 0 {
		most := slices.MaxFunc(h.memories, func(a, b memory) int { return cmp.Compare(a.Peak, b.Peak) })
		fmt.Fprintf(w, "most memory of a service: %d MiB, of %s\n", most.Peak>>20, most.Process)
	}
	for _, kind := range slices.Sorted(maps.Keys(v.problems)) {
		all := v.problems[kind]
		fmt.Fprintf(w, "VIOLATED, %d times: %s\n", len(all), kind)
		for _, p := range all[:min(len(all), shown)] {
			fmt.Fprintf(w, "  %s\n", p)
		}
	}
	if len(v.problems) > 0 {
		return false
	}
	fmt.Fprintln(w, "PASSED: each request has one outcome in time, none lost, none doubled, none wrong; the gallery and the objects are as the results say; no offset went back")
	return true
}
