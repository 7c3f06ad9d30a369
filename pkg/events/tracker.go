package events

import (
	"slices"
	"sync"
)

// tracker follows the records of one partition and says how far the group may commit: over an unbroken run of finished
// records, never over a gap, never backwards (invariant 1). Offsets may have holes (control records, compaction); what
// counts is the order of delivery.
type tracker struct {
	mu        sync.Mutex
	queue     []tracked // delivered and not yet passed, by ascending offset; the first one is unfinished
	position  int64     // everything below is finished; -1 until known
	committed int64     // what the broker has; -1 when nothing
}

type tracked struct {
	offset   int64
	finished bool
}

// newTracker begins at what the group committed; a negative offset means that it committed nothing.
func newTracker(committed int64) *tracker {
	committed = max(committed, -1)
	return &tracker{position: committed, committed: committed}
}

// deliver notes that the record at offset is being worked on. Offsets ascend.
func (t *tracker) deliver(offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, tracked{offset: offset})
}

// finish notes that everything derived from the record is durable.
func (t *tracker) finish(offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := slices.BinarySearchFunc(t.queue, offset, func(x tracked, o int64) int { return int(x.offset - o) })
	if !ok {
		return
	}
	t.queue[i].finished = true
	n := 0
	for n < len(t.queue) && t.queue[n].finished {
		t.position = max(t.position, t.queue[n].offset+1)
		n++
	}
	t.queue = t.queue[n:]
}

// skip notes that nothing below next is left to deliver.
func (t *tracker) skip(next int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		t.position = max(t.position, next)
	}
}

// rewind begins again at next, because the broker's log no longer reaches to what was committed.
func (t *tracker) rewind(next int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue, t.position, t.committed = nil, next, -1
}

// due returns the offset to commit; false when the broker already has it.
func (t *tracker) due() (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.position, t.position > t.committed
}

// acknowledged returns the offset that the broker has; negative when it has none.
func (t *tracker) acknowledged() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.committed
}

// acknowledge notes that the broker has committed offset.
func (t *tracker) acknowledge(offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.committed = max(t.committed, offset)
}
