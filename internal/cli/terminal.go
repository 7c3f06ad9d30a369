package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
)

// screen is where a command writes for a person. What is written into a file or a pipe has neither colours nor line breaks
// of its own.
type screen struct {
	io.Writer
	width  int // in characters; 0: lines are not broken
	colour bool
}

// The widths that text is wrapped to: a narrow terminal would turn it into a column of words, a wide one into lines that
// are hard to read.
const (
	narrowest = 40
	widest    = 120
)

func screenOf(w io.Writer) screen {
	s := screen{Writer: w}
	f, ok := w.(*os.File)
	if !ok {
		return s
	}
	columns, ok := columnsOf(f)
	if !ok {
		return s
	}
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" // https://no-color.org
	s.width = 80
	if columns > 0 {
		s.width = min(max(columns, narrowest), widest)
	}
	return s
}

// isTerminal reports whether somebody watches w as it is written.
func isTerminal(w io.Writer) bool { return screenOf(w).width > 0 }

// ANSI codes of what the program writes on a terminal.
const (
	dim    = "2"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
)

func (s screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// plain replaces control characters: what others chose, such as names, must not move the cursor of a terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// wrap breaks text at spaces so that it fits behind an indent of that many characters; further lines get the same indent.
func (s screen) wrap(indent int, text string) string {
	if s.width == 0 {
		return text
	}
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > s.width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// progress shows how far a command is: a bar on a terminal, and elsewhere a line now and then and when a step ends. Rates are
// left out: a file that a mirror folder has arrives at any speed.
type progress struct {
	out   io.Writer
	unit  func(n int64) string // writes a number of what is counted
	every time.Duration        // between two lines

	step        string
	done, total int64
	said        time.Time
	bar         *progressbar.ProgressBar
}

func newProgress(out io.Writer, unit func(int64) string) *progress {
	return &progress{out: out, unit: unit, every: 10 * time.Second}
}

// count and megabytes are the units of progress.
func count(n int64) string { return fmt.Sprint(n) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// show says that done of total of the step are done. A further step ends the one before.
func (p *progress) show(step string, done, total int64) {
	begins := p.step != step
	if begins {
		p.finish()
		p.step, p.said = step, time.Now()
	}
	p.done, p.total = done, total
	if !isTerminal(p.out) {
		if now := time.Now(); now.Sub(p.said) >= p.every {
			p.said = now
			p.say()
		}
		return
	}
	if begins {
		p.bar = progressbar.NewOptions64(cmp.Or(total, -1), progressbar.OptionSetWriter(p.out), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetWidth(24), progressbar.OptionSetPredictTime(false))
	}
	p.bar.Describe(fmt.Sprintf("%s: %s of %s", step, p.unit(done), p.unit(total)))
	_ = p.bar.Set64(min(done, total)) // a bar that cannot be drawn is no reason to stop
}

func (p *progress) say() {
	fmt.Fprintf(p.out, "%s: %s of %s\n", p.step, p.unit(p.done), p.unit(p.total))
}

// finish ends the step that was shown last.
func (p *progress) finish() {
	switch {
	case p.step == "":
	case p.bar != nil:
		fmt.Fprintln(p.out)
	default:
		p.say()
	}
	p.step, p.bar = "", nil
}
