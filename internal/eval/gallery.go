package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Enrolment is one enrolled image of one person.
type Enrolment struct {
	Person string
	Image  string // its name in the report: a path below the report's folder, or any other name
	Read   func(context.Context) ([]byte, error)
	// Box is where the enrolled face is, in pixels of the upright image. If it is nil, the image shows one face.
	Box *schema.BoxF
}

// mostListed is how many pairs of people who look alike are listed.
const mostListed = 50

// Exported returns the enrolments of a folder with one sub-folder of images for each person.
func Exported(folder string) ([]Enrolment, error) {
	people, err := readPeopleOf(folder)
	if err != nil {
		return nil, err
	}
	var all []Enrolment
	for _, p := range people {
		for _, image := range p.images {
			all = append(all, Enrolment{Person: p.name, Image: p.name + "/" + filepath.Base(image), Read: func(context.Context) ([]byte, error) { return os.ReadFile(image) }})
		}
	}
	return all, nil
}

// Gallery measures the search among one's own enrolled people. Each image is searched for among all others: with those of
// its person, who should be found, and without them, when nobody should be. folder is where the images are, for the report.
// Two people who are more alike than the threshold med are listed: they may be one person who was enrolled twice.
func Gallery(ctx context.Context, o Options, folder string, all []Enrolment) (*Report, error) {
	if err := o.Subject.hasThresholds(); err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "gallery", What: "enrolled images, each searched for among all others",
		Pack: o.Subject.describe(models.RoleDetector, models.RoleEmbedding),
		Data: Data{Folder: folder, Images: len(all)},
	}
	vectors, err := o.embedEnrolled(ctx, r, all)
	if err != nil {
		return nil, err
	}
	r.addRate("no face found", Rate{len(r.Failures), max(len(all), 1)})
	var rows []enrolled
	for i, e := range all {
		if vectors[i] != nil {
			rows = append(rows, enrolled{e.Person, e.Image, vectors[i]})
		}
	}
	s := leaveOneOut(rows)
	if r.Data.People = s.people; s.people < 2 {
		return nil, dataError(errors.New("faces of two people or more are needed: a folder with one sub-folder of images for each person"))
	}
	t := o.Subject.engine.Thresholds()
	low, med, high := t["min"].Value, t["med"].Value, t["max"].Value
	var right, wrong, missed, strangers Rate
	var alone []float32
	for i, x := range s.searches {
		alone = append(alone, x.other)
		strangers.Of++
		if x.other >= high {
			strangers.Count++
		}
		if x.own == nobody { // the only image of its person
			continue
		}
		right.Of, wrong.Of, missed.Of = right.Of+1, wrong.Of+1, missed.Of+1
		switch best := max(x.own, x.other); {
		case best < high:
			missed.Count++
			if x.own < low {
				r.fail(rows[i].image, "does not look like the other images of its person: %.3f at most", x.own)
			}
		case x.own >= x.other:
			right.Count++
		default:
			wrong.Count++
			r.fail(rows[i].image, "taken for %s, %.3f; its own person reaches %.3f", rows[x.at].person, x.other, x.own)
		}
	}
	data := models.NewDataSet(o.dataName(folder), imagesOf(all))
	if figures := []string{"identified", "taken for somebody else", "not identified"}; right.Of > 0 {
		r.atThreshold(o.Subject, "max", data, figures, func(threshold float32) {
			r.addRateAt(figures[0], right, threshold)
			r.addRateAt(figures[1], wrong, threshold)
			r.addRateAt(figures[2], missed, threshold)
		})
	}
	r.atThreshold(o.Subject, "max", data, []string{"a stranger is taken for somebody"}, func(threshold float32) {
		r.addRateAt("a stranger is taken for somebody", strangers, threshold)
	})
	r.add(Figure{Name: "similarity of a stranger to the most similar person, median", Value: median(floats(alone)), Unit: Cosine})
	r.add(Figure{Name: "similarity of a stranger to the most similar person, highest", Value: float64(slices.Max(alone)), Unit: Cosine})
	close := 0
	for _, p := range s.pairs { // the most similar first
		if p.score < med {
			break
		}
		if close++; close <= mostListed {
			r.fail(rows[p.a].image, "looks like %s, %.3f: %s and %s may be one person", rows[p.b].image, p.score, rows[p.a].person, rows[p.b].person)
		}
	}
	if close > mostListed {
		r.Notes = append(r.Notes, fmt.Sprintf("%d more pairs of people are as alike as those that are listed last", close-mostListed))
	}
	r.atThreshold(o.Subject, "med", data, []string{"pairs of people who are too alike"}, func(threshold float32) {
		// There is no interval, because the pairs share their people.
		r.add(Figure{Name: "pairs of people who are too alike", Value: float64(close) / float64(s.people*(s.people-1)/2), Unit: Share, Count: close, Of: s.people * (s.people - 1) / 2, Threshold: &threshold})
	})
	return r, nil
}

// embedEnrolled embeds the enrolled face of each image as an enrolment does. A vector is nil, and the image a failure of r,
// if the pack does not find that face.
func (o Options) embedEnrolled(ctx context.Context, r *Report, all []Enrolment) ([][]float32, error) {
	config := schema.DefaultConfig(schema.OpEnroll)
	usual := engine.Params{
		MinConfidence: max(config.MinConfidence(schema.OpEnroll), o.Subject.minConfidence()),
		Strategy:      engine.Strategy(config.Detection.Strategy), Turn: config.Detection.Turn, Embed: true,
	}
	vectors, why := make([][]float32, len(all)), make([]string, len(all))
	err := o.forEach(ctx, "images", len(all), func(ctx context.Context, i int) error {
		data, err := all[i].Read(ctx)
		if schema.ReasonOf(err) != "" {
			why[i] = schema.MessageOf(err)
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", all[i].Image, err)
		}
		params := usual
		if all[i].Box != nil {
			params.Strategy, params.Turn, params.MinConfidence = engine.MultipleFaces, true, 0
		}
		a, err := o.Subject.engine.Analyze(ctx, data, params)
		if reason := schema.ReasonOf(err); reason != "" {
			why[i] = string(reason) + ": " + schema.MessageOf(err)
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", all[i].Image, err)
		}
		why[i] = "no face was found"
		best := float32(minOverlap)
		for k := range a.Faces {
			f := &a.Faces[k]
			if b := all[i].Box; b != nil {
				overlap := face.Face{Box: f.Original()}.Overlap(face.Face{Box: *b})
				if overlap < best {
					continue
				}
				best = overlap
			}
			vectors[i], why[i] = f.Embedding.Vector, ""
			if all[i].Box == nil {
				break
			}
		}
		return nil
	})
	for i, w := range why {
		if w != "" {
			r.fail(all[i].Image, "%s", w)
		}
	}
	return vectors, err
}

// enrolled is a row of a gallery.
type enrolled struct {
	person, image string
	vector        []float32
}

// nobody is below every cosine.
const nobody = -2

// loneSearch is the search for one image among all others: the highest similarity to an image of its own person, or nobody,
// and of the others; at is the row of the latter.
type loneSearch struct {
	own, other float32
	at         int
}

// alike are the two most similar images of two people.
type alike struct {
	a, b  int
	score float32
}

type leftOut struct {
	people   int
	searches []loneSearch // by row
	pairs    []alike      // one for each two people, the most similar first
}

// leaveOneOut compares every row with every other.
func leaveOneOut(rows []enrolled) (s leftOut) {
	number := map[string]int{}
	for _, row := range rows {
		if _, ok := number[row.person]; !ok {
			number[row.person] = len(number)
		}
		s.searches = append(s.searches, loneSearch{nobody, nobody, -1})
	}
	s.people = len(number)
	closest := map[[2]int]alike{}
	for i, a := range rows {
		for k, b := range rows[:i] {
			score := schema.Cosine(a.vector, b.vector)
			x, y := &s.searches[i], &s.searches[k]
			if a.person == b.person {
				x.own, y.own = max(x.own, score), max(y.own, score)
				continue
			}
			if score > x.other {
				x.other, x.at = score, k
			}
			if score > y.other {
				y.other, y.at = score, i
			}
			two := [2]int{min(number[a.person], number[b.person]), max(number[a.person], number[b.person])}
			if old, ok := closest[two]; !ok || score > old.score {
				closest[two] = alike{k, i, score}
			}
		}
	}
	for _, p := range closest {
		s.pairs = append(s.pairs, p)
	}
	slices.SortFunc(s.pairs, func(a, b alike) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.a, b.a), cmp.Compare(a.b, b.b))
	})
	return s
}

func imagesOf(all []Enrolment) []string {
	images := make([]string, len(all))
	for i, e := range all {
		images[i] = e.Image
	}
	return images
}

func floats(xs []float32) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = float64(x)
	}
	return out
}
