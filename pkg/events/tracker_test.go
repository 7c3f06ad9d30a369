package events

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTracker(t *testing.T) {
	tests := []struct {
		name      string
		committed int64
		deliver   []int64
		finish    []int64
		want      int64
		due       bool
	}{
		{name: "nothing delivered", committed: 7, want: 7},
		{name: "new group, nothing delivered", committed: -2, want: -1},
		{name: "nothing finished", committed: 7, deliver: []int64{7, 8}, want: 7},
		{name: "in order", committed: 7, deliver: []int64{7, 8, 9}, finish: []int64{7, 8}, want: 9, due: true},
		{name: "gap at the front", committed: 7, deliver: []int64{7, 8, 9}, finish: []int64{8, 9}, want: 7},
		{name: "gap closed late", committed: 7, deliver: []int64{7, 8, 9}, finish: []int64{9, 8, 7}, want: 10, due: true},
		{name: "gap in the middle", committed: -2, deliver: []int64{0, 1, 2, 3}, finish: []int64{3, 0, 2}, want: 1, due: true},
		{name: "holes between offsets", committed: 3, deliver: []int64{3, 10, 12}, finish: []int64{10, 3}, want: 11, due: true},
		{name: "finished twice", committed: 0, deliver: []int64{0, 1}, finish: []int64{0, 0}, want: 1, due: true},
		{name: "never delivered", committed: 5, deliver: []int64{5}, finish: []int64{4, 6}, want: 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTracker(tt.committed)
			for _, o := range tt.deliver {
				tr.deliver(o)
			}
			for _, o := range tt.finish {
				tr.finish(o)
			}
			if got, due := tr.due(); got != tt.want || due != tt.due {
				t.Errorf("due() = %d, %v; want %d, %v", got, due, tt.want, tt.due)
			}
		})
	}
}

func TestTrackerSkipAndRewind(t *testing.T) {
	tr := newTracker(5)
	tr.deliver(5)
	tr.skip(9)
	if got, due := tr.due(); due {
		t.Errorf("skip passed an unfinished record: %d", got)
	}
	tr.finish(5)
	tr.skip(9)
	if got, _ := tr.due(); got != 9 {
		t.Errorf("position = %d, want 9: nothing below is left", got)
	}
	tr.acknowledge(9)
	if _, due := tr.due(); due {
		t.Error("due again after the broker has it")
	}
	tr.rewind(2)
	if got, due := tr.due(); got != 2 || !due {
		t.Errorf("after a rewind due() = %d, %v; want 2, true", got, due)
	}
}

// FuzzTracker compares the tracker with the definition: the offset after the longest unbroken run of finished records.
func FuzzTracker(f *testing.F) {
	f.Add(uint64(1), 10)
	f.Add(uint64(2), 300)
	f.Fuzz(func(t *testing.T, seed uint64, n int) {
		rng := rand.New(rand.NewPCG(seed, 0))
		n = max(0, n) % 500
		first := rng.Int64N(100)
		offsets := make([]int64, n)
		for i, next := 0, first; i < n; i++ {
			offsets[i] = next
			next += 1 + rng.Int64N(3)
		}
		order := rng.Perm(n)
		tr, done, delivered, last := newTracker(first), map[int64]bool{}, 0, first
		for len(order) > 0 {
			// Deliver a few, then finish one that was delivered.
			delivered += int(min(rng.Int64N(5), int64(n-delivered)))
			for i := 0; i < delivered; i++ {
				if o := offsets[i]; !done[o] && !slices.ContainsFunc(tr.queue, func(x tracked) bool { return x.offset == o }) {
					tr.deliver(o)
				}
			}
			i := slices.IndexFunc(order, func(x int) bool { return x < delivered })
			if i < 0 {
				continue
			}
			tr.finish(offsets[order[i]])
			done[offsets[order[i]]] = true
			order = slices.Delete(order, i, i+1)

			want := first
			for _, o := range offsets[:delivered] {
				if !done[o] {
					break
				}
				want = o + 1
			}
			got, _ := tr.due()
			if got != want {
				t.Fatalf("position %d, want %d", got, want)
			}
			if got < last {
				t.Fatalf("position went back from %d to %d", last, got)
			}
			last = got
			if rng.IntN(3) == 0 {
				tr.acknowledge(got)
			}
		}
		if len(tr.queue) != 0 {
			t.Fatalf("%d records kept after all were finished", len(tr.queue))
		}
	})
}
