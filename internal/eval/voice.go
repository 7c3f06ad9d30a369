package eval

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"facestream/internal/benchmark"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

// fewestSpeakers is the number of speakers below which no error rate is stated.
const fewestSpeakers = 40

// spoken is a recording of a speaker, as the file is named below the folder.
type spoken struct {
	speaker, file string
	heard         *voice.Heard
}

// Voice compares each recording below folder with each other one, and times the comparison. folder has one sub-folder a speaker.
func Voice(ctx context.Context, o Options, folder string) (*Report, error) {
	if err := o.Subject.has(models.RoleVoice, models.RoleActivity); err != nil {
		return nil, err
	}
	files, err := recordingsBelow(folder)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "voice", What: "every two recordings compared", Pack: o.Subject.describe(models.RoleVoice, models.RoleActivity),
		Data: Data{Folder: folder, Images: len(files)},
	}
	var all []spoken
	speakers := map[string]bool{}
	for i, file := range files {
		h, err := o.hear(ctx, folder, file)
		switch {
		case schema.ClassOf(err) == schema.ClassPermanent:
			r.fail(file, "%s", schema.MessageOf(err))
		case err != nil:
			return nil, err
		case h.Embedding == nil:
			r.fail(file, "%.1f s of speech; %v are needed", h.Speech.Seconds(), voice.MinSpeech)
		default:
			speaker, _, _ := strings.Cut(file, "/")
			speakers[speaker] = true
			all = append(all, spoken{speaker, file, h})
		}
		if o.Progress != nil {
			o.Progress("recordings", i+1, len(files))
		}
	}
	r.addRate("recordings with enough speech", Rate{len(all), len(files)})
	r.Data.People = len(speakers)
	var s Scores
	for i, a := range all {
		for _, b := range all[:i] {
			score := schema.Cosine(a.heard.Embedding.Vector, b.heard.Embedding.Vector)
			if a.speaker == b.speaker {
				s.Mates = append(s.Mates, score)
			} else {
				s.NonMates = append(s.NonMates, score)
			}
		}
	}
	if len(s.Mates) == 0 || len(s.NonMates) == 0 {
		return nil, dataError(errors.New(folder + " needs two recordings of one speaker and another speaker's"))
	}
	r.Data.Pairs = len(s.Mates) + len(s.NonMates)
	r.add(Figure{Name: "lowest score of one speaker", Value: float64(slices.Min(s.Mates)), Unit: Cosine})
	r.add(Figure{Name: "highest score of two speakers", Value: float64(slices.Max(s.NonMates)), Unit: Cosine})
	if err := o.voiceErrors(r, s, models.NewDataSet("voice", files)); err != nil {
		return nil, err
	}
	return r, o.timeVoices(ctx, r, folder, all)
}

// voiceErrors adds the error rates of s, where there are speakers enough and the threshold was chosen on others.
func (o Options) voiceErrors(r *Report, s Scores, here models.DataSet) error {
	figures := []string{"EER", "one speaker: no match", "two speakers: a match"}
	if r.Data.People < fewestSpeakers {
		r.LeftOut = append(r.LeftOut, LeftOut{figures, fmt.Sprintf("not measured: %d speakers, and %d are needed", r.Data.People, fewestSpeakers)})
		return nil
	}
	eer, at := s.EER()
	r.add(Figure{Name: figures[0], Value: eer, Unit: Share, Threshold: &at})
	t, ok := o.Subject.pack.Threshold(models.RoleVoice, voice.ThresholdMatch)
	if !ok {
		return fmt.Errorf("the pack %s has no threshold %s for the role %s", o.Subject.pack.Name, voice.ThresholdMatch, models.RoleVoice)
	}
	if r.fairAt(voice.ThresholdMatch, t, here, figures[1:]) {
		r.addRateAt(figures[1], s.FNMR(t.Value), t.Value)
		r.addRateAt(figures[2], s.FMR(t.Value), t.Value)
	}
	return nil
}

// timeVoices adds how much processor time a comparison of the two longest recordings takes, from their files to the score. The fastest
// run counts.
func (o Options) timeVoices(ctx context.Context, r *Report, folder string, all []spoken) error {
	slices.SortStableFunc(all, func(a, b spoken) int { return int(b.heard.Duration() - a.heard.Duration()) })
	two := all[:2]
	best, sound := time.Duration(0), two[0].heard.Duration()+two[1].heard.Duration()
	for range timedRuns {
		cost, err := benchmark.Measure(len(two), func() error {
			for _, s := range two {
				if _, err := o.hear(ctx, folder, s.file); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if best == 0 || cost.CPU < best {
			best = cost.CPU
		}
	}
	r.add(Figure{Name: fmt.Sprintf("processor time of a comparison, %.1f s with %.1f s", two[0].heard.Duration().Seconds(), two[1].heard.Duration().Seconds()), Value: best.Seconds() * 1e3, Unit: Milliseconds})
	r.add(Figure{Name: "the same of 10 s with 10 s, by proportion", Value: best.Seconds() * 1e3 * 20 / sound.Seconds(), Unit: Milliseconds})
	return nil
}

func (o Options) hear(ctx context.Context, folder, file string) (*voice.Heard, error) {
	data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(file)))
	if err != nil {
		return nil, dataError(err)
	}
	h, err := o.Subject.engine.Hear(ctx, data)
	if err != nil {
		return nil, err
	}
	return h.Heard, nil
}

// recordingsBelow lists the files in the sub-folders of folder, by their paths with slashes below it.
func recordingsBelow(folder string) (files []string, err error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			below, err := filepath.Rel(folder, path)
			if err != nil {
				return nil, err
			}
			files = append(files, filepath.ToSlash(below))
		}
	}
	if err == nil && len(files) == 0 {
		err = dataError(fmt.Errorf("%s has no sub-folder with recordings: %w", folder, fs.ErrNotExist))
	}
	return files, err
}
