package eval

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"facestream/pkg/engine/document"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/mrz"
)

// printedZones are the machine-readable zones of photographed specimens, as they are printed; they were written down by eye.
//
//go:embed mrz.csv
var printedZones []byte

// readOn is the day on which zones are read: the century of a year depends on it.
var readOn = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

// MRZOptions are the options of [MRZ].
type MRZOptions struct {
	// Beside is a CSV file of what another reader made of the same photographs, as tools/reference/zones.py writes it: file,
	// seconds, and the lines of the zone; "" for none.
	Beside string
	// Drawn is how many zones are drawn and read, of seeds from Seed on; 0 for none.
	Drawn int
	Seed  uint64
	// Font is an OpenType file of OCR-B.
	Font string
}

// MRZ measures the reading of machine-readable zones: on photographed specimens, upright and turned, and on zones that are drawn as it
// runs.
func MRZ(ctx context.Context, o Options, m MRZOptions) (*Report, error) {
	if err := o.Subject.has(models.RoleText); err != nil {
		return nil, err
	}
	files, truth, err := readZones(printedZones)
	if err != nil {
		return nil, err
	}
	var photographs []*imaging.Image
	for i := 0; i < len(files); {
		img, err := o.Subject.photograph(ctx, filepath.Join(o.Data, "documents", files[i]), files[i])
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(files) > 1: // the data may be a part
			files, truth = slices.Delete(files, i, i+1), slices.Delete(truth, i, i+1)
		case err != nil:
			return nil, err
		default:
			photographs = append(photographs, img)
			i++
		}
	}
	r := &Report{Evaluation: "mrz", What: "machine-readable zones of photographed specimens, and of drawn documents", Pack: o.Subject.describe(models.RoleText),
		Data: Data{Folder: o.Data, Images: len(files)},
		Notes: []string{"the zones were written down by eye as they are printed; of some specimens not all check digits hold as printed",
			"a field is right if all its characters are, fillers included; names, states and the sex have no check digit",
			fmt.Sprintf("the reader is sure of a field whose least certain character has a confidence of %v or more", document.Sure)}}
	for quarters, name := range []string{"", "turned by 90°: ", "turned by 180°: ", "turned by 270°: "} {
		var tally zoneTally
		for i, img := range photographs {
			img = img.Turned(quarters)
			start := time.Now()
			zones, err := o.Subject.engine.MRZ(ctx, img, document.MRZOptions{Reference: readOn})
			if err != nil {
				return nil, err
			}
			tally.took = append(tally.took, time.Since(start))
			var read *mrz.Reading
			if len(zones) > 0 {
				read = zones[0].Reading
			}
			if why := tally.add(truth[i], read); why != "" {
				r.fail("documents/"+files[i], "%s%s", name, why)
			}
			if o.Progress != nil {
				o.Progress("reading "+name, i+1, len(files))
			}
		}
		tally.report(r, name)
	}
	if m.Beside != "" {
		if err := r.beside(m.Beside, files, truth); err != nil {
			return nil, err
		}
	}
	if m.Drawn > 0 {
		err = o.drawnZones(ctx, r, m)
	}
	return r, err
}

// readZones reads a list of files with the lines of their zones.
func readZones(text []byte) (files []string, zones []*mrz.Reading, err error) {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, nil, err
	}
	for _, row := range rows[1:] {
		zone, err := mrz.Parse(strings.Join(row[1:], "\n"), mrz.Options{Reference: readOn})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", row[0], err)
		}
		files, zones = append(files, row[0]), append(zones, zone)
	}
	return files, zones, nil
}

// beside adds what another reader made of the photographs.
func (r *Report) beside(path string, files []string, truth []*mrz.Reading) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var tally zoneTally
	for i, file := range files {
		at := slices.IndexFunc(rows, func(row []string) bool { return len(row) >= 2 && row[0] == file })
		if at < 0 {
			return fmt.Errorf("%s says nothing of %s", path, file)
		}
		seconds, err := strconv.ParseFloat(rows[at][1], 64)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		tally.took = append(tally.took, time.Duration(seconds*float64(time.Second)))
		read, err := mrz.Parse(strings.Join(rows[at][2:], "\n"), mrz.Options{Reference: readOn})
		if err != nil {
			read = nil
		}
		tally.add(truth[i], read)
	}
	tally.report(r, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))+": ")
	return nil
}

// zoneTally counts what was read rightly.
type zoneTally struct {
	found, zones, lines, fields Rate
	clean                       Rate // of the zones whose check digits hold as printed
	proven                      Rate // wrong fields among those whose own check digit holds as read
	deceptive                   Rate // zones of which any field is wrong, among those of which all check digits hold as read
	treacherous                 Rate // of these, those of which a wrong field is one of which the reader is sure
	took                        []time.Duration
}

// add counts a zone as it is printed and as it was read, nil for one that was not found. It says what is wrong without saying what is
// printed.
func (t *zoneTally) add(printed, read *mrz.Reading) string {
	t.found.Of++
	t.zones.Of++
	t.lines.Of += len(printed.Lines)
	t.fields.Of += len(printed.Fields)
	if printed.Clean() {
		t.clean.Of++
	}
	if read == nil {
		return "no zone was found"
	}
	t.found.Count++
	for i, l := range printed.Lines {
		if i < len(read.Lines) && read.Lines[i] == l {
			t.lines.Count++
		}
	}
	var wrong []string
	surely := false // wrong
	for _, f := range printed.Fields {
		got := read.Field(f.Name)
		right := got != nil && got.Text == f.Text
		if right {
			t.fields.Count++
		} else {
			wrong = append(wrong, string(f.Name))
			surely = surely || got != nil && got.Confidence >= document.Sure
		}
		if got != nil && got.Evidence == mrz.EvidenceCheckDigit && f.Name != mrz.FieldComposite {
			t.proven.Of++
			if !right {
				t.proven.Count++
			}
		}
	}
	if slices.Equal(read.Lines, printed.Lines) {
		t.zones.Count++
	}
	if read.Clean() {
		t.deceptive.Of++
		t.treacherous.Of++
		if printed.Clean() {
			t.clean.Count++
		}
		if len(wrong) > 0 {
			t.deceptive.Count++
		}
		if surely {
			t.treacherous.Count++
		}
	}
	if len(wrong) > 0 {
		return "wrong: " + strings.Join(wrong, ", ")
	}
	return ""
}

// report adds the figures, whose names begin with prefix.
func (t *zoneTally) report(r *Report, prefix string) {
	r.addRate(prefix+"zones found", t.found)
	r.addRate(prefix+"zones without a wrong character", t.zones)
	r.addRate(prefix+"lines without a wrong character", t.lines)
	r.addRate(prefix+"fields right", t.fields)
	r.addRate(prefix+"all check digits hold, of zones where they do as printed", t.clean)
	if t.found.Count > 0 {
		r.addRate(prefix+"wrong, of fields whose check digit holds", t.proven)
	}
	if t.deceptive.Of > 0 {
		r.addRate(prefix+"a field is wrong, of zones whose check digits hold", t.deceptive)
		r.addRate(prefix+"a field is wrong of which the reader is sure, of zones whose check digits hold", t.treacherous)
	}
	if len(t.took) > 0 {
		slices.Sort(t.took)
		r.add(Figure{Name: prefix + "time for a picture, median", Value: float64(t.took[len(t.took)/2].Microseconds()) / 1000, Unit: Milliseconds})
	}
}

// drawnZones reads zones of documents that nobody has, as a camera shows them.
func (o Options) drawnZones(ctx context.Context, r *Report, m MRZOptions) error {
	font, err := readFont(m.Font)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	tallies := map[mrz.Format]*zoneTally{}
	var all zoneTally
	err = o.forEach(ctx, "drawing and reading", m.Drawn, func(ctx context.Context, i int) error {
		page, err := drawPage(m.Seed+uint64(i), font)
		if err != nil {
			return err
		}
		zones, err := o.Subject.engine.MRZ(ctx, page.picture, document.MRZOptions{Reference: readOn})
		if err != nil {
			return err
		}
		printed, err := mrz.Parse(strings.Join(page.lines, "\n"), mrz.Options{Reference: readOn})
		if err != nil {
			return err
		}
		var read *mrz.Reading
		if len(zones) > 0 {
			read = zones[0].Reading
		}
		mu.Lock()
		defer mu.Unlock()
		format := printed.Document.Format
		if tallies[format] == nil {
			tallies[format] = &zoneTally{}
		}
		tallies[format].add(printed, read)
		if why := all.add(printed, read); why != "" {
			r.fail(fmt.Sprintf("drawn %s, seed %d", format, m.Seed+uint64(i)), "%s", why)
		}
		return nil
	})
	if err != nil {
		return err
	}
	all.report(r, "drawn: ")
	for format := mrz.TD1; format <= mrz.MRVB; format++ {
		if t := tallies[format]; t != nil {
			r.addRate(fmt.Sprintf("drawn %s: lines without a wrong character", format), t.lines)
		}
	}
	slices.SortFunc(r.Failures, func(a, b Failure) int { return strings.Compare(a.Item, b.Item) })
	return nil
}
