package events

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Deaths of a process while it worked on a record, and what follows from them. See marks.
const (
	// isolatedAfter deaths, the record is worked on alone.
	isolatedAfter = 2
	// MaxDeaths is how many processes may die while they work on one record; then it becomes a dead letter without another
	// try. It is larger than the two deaths after which the record is isolated, because a process can also die of
	// something else, again and again.
	MaxDeaths = 12
)

const (
	// reservedAhead is how many offsets a commit reserves beyond the records that were handed out. It rides on the commits
	// that are due anyway, so reading waits only when more than this many records come between two of them.
	reservedAhead = 1024
	// maxMarksBytes bounds the text of the marks. Brokers take 4096 bytes (offset.metadata.max.bytes).
	maxMarksBytes = 3000
	marksVersion  = "fs1"
)

// marks count how often a process died while it worked on a record of one partition. They outlive the process, and the
// machine, as the metadata of the group's committed offset:
//
//	fs1 <who> <careful> <reserved> <offset>=<deaths>[*] …
//
// with offsets relative to the committed one. Counting must cost nothing while nothing dies, so it is exact only where
// something died before:
//
//   - Records below reserved may have been begun by who. A session that ends in order writes 0. Where it is not 0, the
//     process died: every record below is counted as begun, and reserved becomes careful.
//   - Before work begins on a record below careful, the mark "*" of this record is awaited. If the process dies again, only
//     the records with this mark have another death.
//
// So a record that kills is tried once among many, once among those that are marked with it, and then alone.
type marks struct {
	who string // names this consumer; another may have written what the broker has

	mu        sync.Mutex
	careful   int64           // the records before it have at least one death
	reserved  int64           // the records before it may be handed out; the broker knows
	wanted    int64           // the offset after the last record that is to be handed out
	suspects  map[int64]*mark // by offset, where it needs an entry
	changes   int             // counts what the broker has to be told
	announced int             // changes that the broker was told
	text      string          // what the broker has
}

// mark is the entry of one record.
type mark struct {
	deaths  int
	running bool // a handler works on it, or is about to
	durable bool // the broker knows that it is running
}

// newMarks reads what the group has committed with an offset. Text that is not in the form of marks, from a tool of the
// operator or another version, counts nothing.
func newMarks(who string, committed int64, metadata string) *marks {
	m := &marks{who: who, suspects: map[int64]*mark{}, text: metadata}
	fields := strings.Fields(metadata)
	if len(fields) < 4 || fields[0] != marksVersion || committed < 0 {
		return m
	}
	careful, err1 := strconv.ParseInt(fields[2], 10, 64)
	reserved, err2 := strconv.ParseInt(fields[3], 10, 64)
	if err1 != nil || err2 != nil {
		return m
	}
	m.careful = committed + careful
	// A process that lost its partitions and got them back did not die.
	died := reserved > 0 && fields[1] != who
	if died {
		m.careful = max(m.careful, committed+reserved)
	}
	for _, f := range fields[4:] {
		var offset int64
		var s mark
		f, running := strings.CutSuffix(f, "*")
		if n, err := fmt.Sscanf(f, "%d=%d", &offset, &s.deaths); err != nil || n != 2 {
			continue
		}
		if running && died {
			s.deaths++
		}
		if s.deaths > 1 {
			m.suspects[committed+offset] = &s
		}
	}
	return m
}

// reserve reports whether the record at offset may be handed out. If not, a commit makes it so.
func (m *marks) reserve(offset int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = max(m.wanted, offset+1)
	if m.wanted+reservedAhead/2 > m.reserved {
		m.changes++
	}
	return offset < m.reserved
}

// deaths returns how often a process died while it worked on the record.
func (m *marks) deaths(offset int64) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch s := m.suspects[offset]; {
	case s != nil:
		return s.deaths
	case offset < m.careful:
		return 1
	}
	return 0
}

// begin notes that work on the record is about to begin. The broker has to know of it where it died before.
func (m *marks) begin(offset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if offset >= m.careful {
		return
	}
	s := m.suspects[offset]
	if s == nil {
		s = &mark{deaths: 1}
		m.suspects[offset] = s
	}
	s.running, s.durable = true, false
	m.changes++
}

// begun reports whether the broker knows that work on the record begins, if it has to. If not, a commit makes it so.
func (m *marks) begun(offset int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.suspects[offset]
	return s == nil || s.durable
}

// end notes that nobody works on the record at the moment.
func (m *marks) end(offset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.suspects[offset]; s != nil {
		s.running = false
		m.changes++
		if s.deaths < 2 {
			delete(m.suspects, offset)
		}
	}
}

// finish forgets the record.
func (m *marks) finish(offset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.suspects[offset]; ok {
		delete(m.suspects, offset)
		m.changes++
	}
}

// clear forgets everything, because the offsets stand for other records.
func (m *marks) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.careful, m.reserved, m.wanted = 0, 0, 0
	clear(m.suspects)
	m.changes++
}

// due reports whether the broker has to be told of changes.
func (m *marks) due() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changes > m.announced
}

// render returns the marks as the metadata of a commit of the offset at, and what to call when the broker has it. leaving
// says that nothing is worked on from here on.
func (m *marks) render(at int64, leaving bool) (text string, committed func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changes, reserved := m.changes, max(m.reserved, m.wanted+reservedAhead)
	if leaving {
		reserved = at
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %d %d", marksVersion, m.who, max(0, m.careful-at), max(0, reserved-at))
	told := map[int64]bool{}
	for _, offset := range m.worstFirst() {
		s := m.suspects[offset]
		entry := fmt.Sprintf(" %d=%d", offset-at, s.deaths)
		if s.running && !leaving {
			entry += "*"
			told[offset] = true
		}
		// What has no room is marked all the same: it would wait for ever otherwise.
		if offset >= at && b.Len()+len(entry) <= maxMarksBytes {
			b.WriteString(entry)
		}
	}
	if text = b.String(); leaving && m.careful <= at && len(m.suspects) == 0 {
		text = ""
	}
	return text, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.announced, m.reserved, m.text = changes, reserved, text
		for offset := range told {
			if s := m.suspects[offset]; s != nil {
				s.durable = s.running
			}
		}
	}
}

// told returns what the broker has.
func (m *marks) told() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text
}

// worstFirst returns the offsets of the suspects, those with the most deaths first.
func (m *marks) worstFirst() []int64 {
	return slices.SortedFunc(maps.Keys(m.suspects), func(a, b int64) int {
		return cmp.Or(cmp.Compare(m.suspects[b].deaths, m.suspects[a].deaths), cmp.Compare(a, b))
	})
}
