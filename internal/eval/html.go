package eval

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"facestream/pkg/engine/imaging"
)

const (
	pageFile       = "index.html"
	picturesFolder = "pictures"
	// pageMark is in every page, and tells a folder that holds an older report from one that holds anything else.
	pageMark = `<meta name="generator" content="facestream eval">`
	// thumbnailSide is the long side of a picture in the report, in pixels.
	thumbnailSide = 240
)

//go:embed report.html
var pageText string

var page = template.Must(template.New(pageFile).Parse(pageText))

// CheckPageFolder returns an error if folder cannot take a report: it must be absent, empty, or hold an older report.
func CheckPageFolder(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if text, err := os.ReadFile(filepath.Join(folder, pageFile)); err != nil || !strings.Contains(string(text), pageMark) {
		return fmt.Errorf("the folder %s is not empty and holds no report of `facestream eval`; name another one", folder)
	}
	return nil
}

// WritePage writes the outcomes as a page index.html into folder, with the pictures of the failures beside it. It replaces
// an older report and nothing else, and writes nothing outside folder. A failure has a picture if its item is the name of an
// image below the folder of the report's data. progress is that of [Options].
func WritePage(ctx context.Context, folder string, outcomes []Outcome, progress func(step string, done, total int)) error {
	if err := CheckPageFolder(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.RemoveAll(picturesFolder); err != nil {
		return err
	}
	if err := root.Mkdir(picturesFolder, 0o755); err != nil {
		return err
	}
	packs := packsOf(outcomes)
	var sections []section
	for i, out := range outcomes {
		s := section{Name: out.Evaluation, Skipped: out.Skipped}
		if len(packs) > 1 {
			s.Name = out.Pack + ", " + out.Evaluation
		}
		if r := out.Report; r != nil {
			s.Report, s.Counts = r, r.Data.counts()
			for _, f := range r.Figures {
				s.Rows = append(s.Rows, f.cells())
			}
			for _, c := range r.Curves {
				s.Curves = append(s.Curves, drawnCurve{c.title(), c.rows("[", "]")})
			}
			s.Failed = gather(r.Failures)
			for k := range s.Failed {
				f := &s.Failed[k]
				file := path.Join(picturesFolder, fmt.Sprintf("%d-%d.jpg", i+1, k+1))
				if small := thumbnail(ctx, r.Data.Folder, f.Item); small != nil {
					if err := root.WriteFile(file, small, 0o644); err != nil {
						return err
					}
					f.Picture = file
				}
				if progress != nil {
					progress("pictures of "+s.Name, k+1, len(s.Failed))
				}
			}
		}
		sections = append(sections, s)
	}
	file, err := root.Create(pageFile)
	if err != nil {
		return err
	}
	return errors.Join(page.Execute(file, struct {
		Mark     template.HTML
		Packs    string
		Sections []section
	}{pageMark, strings.Join(packs, ", "), sections}), file.Close())
}

// section is one evaluation on the page.
type section struct {
	Name, Skipped string
	Report        *Report
	Counts        string
	Rows          [][]string
	Curves        []drawnCurve
	Failed        []failed
}

// drawnCurve is a Curve on the page: its title, and a table.
type drawnCurve struct {
	Title string
	Rows  [][]string
}

// failed is an item with everything that failed on it. Picture is the path of its thumbnail on the page, or "".
type failed struct {
	Item, Picture string
	Why           []string
}

// gather puts the failures of one item together, in the order of their first.
func gather(failures []Failure) (all []failed) {
	at := map[string]int{}
	for _, f := range failures {
		i, ok := at[f.Item]
		if !ok {
			i = len(all)
			at[f.Item] = i
			all = append(all, failed{Item: f.Item})
		}
		all[i].Why = append(all[i].Why, f.Why)
	}
	return all
}

// thumbnail returns a small JPEG of the image item below folder. It returns nil if there is no such image, or if it cannot
// be decoded, which is then the failure that the page is about.
func thumbnail(ctx context.Context, folder, item string) []byte {
	if !filepath.IsLocal(filepath.FromSlash(item)) || !isImage(item) {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(item)))
	if err != nil {
		return nil
	}
	img, _, err := imaging.Decode(ctx, data, imaging.DefaultLimits())
	if err != nil {
		return nil
	}
	if long := max(img.Width, img.Height); long > thumbnailSide {
		img = img.Resize(max(img.Width*thumbnailSide/long, 1), max(img.Height*thumbnailSide/long, 1))
	}
	small, err := img.Encode(imaging.JPEG)
	if err != nil {
		return nil
	}
	return small
}
