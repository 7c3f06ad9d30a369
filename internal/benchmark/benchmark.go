// Package benchmark is what the measurements of tools/ share: pictures, figures with their spread, processor time, and a
// description of the machine.
package benchmark

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Figure is one quantity, measured once in each round.
type Figure struct {
	Rounds []float64
}

// Add adds the value of a round.
func (f *Figure) Add(v float64) { f.Rounds = append(f.Rounds, v) }

// Median is the middle value, or the mean of the middle two; NaN without rounds.
func (f Figure) Median() float64 { return Quantile(f.Rounds, 0.5) }

// Range returns the least and the largest value; NaN without rounds.
func (f Figure) Range() (least, most float64) { return Quantile(f.Rounds, 0), Quantile(f.Rounds, 1) }

// String is the median and the range.
func (f Figure) String() string {
	least, most := f.Range()
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits(f.Median()), f.Median(), digits(least), least, digits(most), most)
}

// digits are the decimals that give a figure about three digits.
func digits(v float64) int { return max(0, 2-int(math.Floor(math.Log10(max(math.Abs(v), 0.001))))) }

// MarshalJSON writes the median, the range and the rounds.
func (f Figure) MarshalJSON() ([]byte, error) {
	if len(f.Rounds) == 0 {
		return []byte("null"), nil
	}
	least, most := f.Range()
	return json.Marshal(map[string]any{"median": f.Median(), "min": least, "max": most, "rounds": f.Rounds})
}

// Quantile returns the value below which the share q, 0..1, of the values lies, between two values in proportion; NaN without values.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i == len(sorted)-1 {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Cost is what n images cost.
type Cost struct {
	Wall, CPU time.Duration // of all of them
	Images    int
}

// PerSecond is the images a second.
func (c Cost) PerSecond() float64 { return float64(c.Images) / c.Wall.Seconds() }

// CPUMillis is the processor time of one image in milliseconds.
func (c Cost) CPUMillis() float64 { return c.CPU.Seconds() * 1000 / float64(c.Images) }

// Measure returns what f costs, which works on n images. The processor time is that of this process and of all children that ended
// meanwhile.
func Measure(images int, f func() error) (Cost, error) {
	before, start := used(), time.Now()
	err := f()
	return Cost{Wall: time.Since(start), CPU: used() - before, Images: images}, err
}

func used() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}

// Machine says where something was measured.
type Machine struct {
	Processor string
	Cores     int
	System    string
	Go        string
	Commit    string // of the checkout, "" outside of one
	Load      string // the load averages of 1, 5 and 15 minutes when it was asked; above Cores, others were at work
}

// ThisMachine describes the machine as it is now.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Load: "unknown", Processor: "unknown"}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				m.Processor = strings.TrimSpace(value)
				break
			}
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(load))[:3], " ")
	}
	if commit, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(commit))
	}
	return m
}

// String is one line.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s, commit %s, load %s", m.Processor, m.Cores, m.System, m.Go, m.Commit, m.Load)
}

// Busy reports whether more programs wanted to run within the last minute than the machine has cores.
func (m Machine) Busy() bool {
	first, _, _ := strings.Cut(m.Load, " ")
	load, err := strconv.ParseFloat(first, 64)
	return err == nil && load > float64(m.Cores)
}

// WriteJSON writes a report to a file, indented.
func WriteJSON(path string, report any) error {
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
