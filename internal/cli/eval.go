package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"facestream/internal/eval"
	"facestream/internal/gallery/drivers"
	"facestream/packs"
	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

func evalCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "eval",
		Short: "Measure a model pack on labelled images",
		Long: "Each evaluation prints a table, or JSON, with 95 % confidence intervals. docs/evaluation.md describes the\n" +
			"protocols, and the folders of data that they read: they also run on your own images.",
		Example: "  facestream eval drawn\n  facestream eval lfw --models open --json",
	}
	c.AddCommand(evalLFWCommand(),
		evalPlainCommand("pairs", "Verification of labelled pairs of photographs, from the file to the decision", eval.Pairs),
		evalPlainCommand("identify", "Open-set search: people enrolled with one image each, and strangers", eval.Identify),
		evalDefaultsCommand(),
		evalGalleryCommand(),
		evalGroupsCommand(),
		evalCountCommand("drawn", "Search among people who do not exist; they are drawn as it runs, so it needs no data",
			"people", 200, "people to draw, two pictures of each", eval.Drawn),
		evalAgainstCommand("detect", "Recall, false faces and point error of a detector, against a reference pack",
			"model pack whose faces count as the truth", eval.Detect),
		evalAgainstCommand("landmarks", "Distance of the landmarks from those of a reference pack",
			"model pack whose landmarks count as the truth", eval.Landmarks),
		evalPlainCommand("curves", "Ordinary portraits that raise each trait, at limits around its default", eval.Curves),
		evalPlainCommand("points", "Distance of the landmarks from annotated points", eval.Points),
		evalAgainstCommand("segmentation", "Overlap of the person in ISO portraits with the masks of a reference pack",
			"model pack whose masks count as the truth", eval.Segmentation),
		evalAgainstCommand("speed", "Time of each network on one thread, and that of a reference pack",
			"model pack to compare with", eval.Speed),
		evalPlainCommand("traits", "Eyes, mouth, smile, mask, glasses, blur and darkness of labelled photographs", eval.Traits),
		evalPlainCommand("pose", "Direction and coarse angle of labelled head poses", eval.HeadPose),
		evalPlainCommand("liveness", "APCER, BPCER and EER of the liveness check, on living faces and pictures of faces", eval.Liveness),
		evalAttacksCommand(),
		evalPlainCommand("jitter", "Verdicts on liveness that change if the face's box is shifted or scaled by 10 %", eval.Jitter),
		evalPlainCommand("documents", "Faces on photographed identity documents, false alarms on people, and documents found again in a gallery", eval.Documents),
		evalMRZCommand(),
		evalPlainCommand("barcode", "PDF417s of drawn driving licences, as they are, printed and photographed: how many are read, and misread", eval.Barcode),
		evalCountCommand("corners", "Corners of documents in photographs and in drawn scenes, fingers over them, and documents seen where there is none",
			"scenes", eval.CornerScenes, "scenes to draw of each of five kinds", eval.Corners),
		evalPlainCommand("age", "Error of estimated ages", eval.Age),
		evalPlainCommand("masks", "Faces with and without masks in scenes: how many are found, and on which a mask is seen", eval.Masks),
		evalPlainCommand("bonafide", "Living people in greyscale and as tight crops: how many are called a spoof, or not assessable", eval.BonaFide),
		evalPlainCommand("closeups", "Faces in photographs that are cut so closely that the face fills the frame", eval.Closeups),
		evalPlainCommand("rotate", "Photographs turned by 90, 180 and 270 degrees, with automatic turning", eval.Rotate),
		evalPlainCommand("tilt", "Photographs turned by 15 to 180 degrees: whether each matches itself", eval.Tilt),
		evalPlainCommand("quality", "Whether the measured quality falls with each step of blur, darkness, brightness, compression, noise and rotation", eval.Quality),
		evalVoiceCommand(),
		evalThresholdsCommand(),
		evalAllCommand(),
		evalPageCommand())
	return c
}

// evaluator runs an evaluation with the flags that all of them have.
type evaluator struct {
	data, models, html string
	json, markdown     bool
}

func (e *evaluator) flags(c *cobra.Command) {
	c.Args = cobra.NoArgs
	f := c.Flags()
	f.StringVar(&e.data, "data", eval.DefaultData(), "folder of evaluation data ("+eval.EnvData+")")
	f.StringVar(&e.models, "models", "", "model pack, or a folder with its pack.yaml (default: the services', FACESTREAM_MODELS)")
	f.BoolVar(&e.json, "json", false, "as one JSON document")
	f.BoolVar(&e.markdown, "markdown", false, "print a section of docs/accuracy.md")
	f.StringVar(&e.html, "html", "", "also write a page with the pictures of the failures into this folder: a new one, an empty one, or that of an older page")
	c.MarkFlagsMutuallyExclusive("json", "markdown")
}

// run opens the pack, evaluates and prints the report.
func (e *evaluator) run(c *cobra.Command, evaluate func(context.Context, eval.Options) (*eval.Report, error)) (*eval.Report, error) {
	var report *eval.Report
	err := e.with(c, e.models, func(o eval.Options) (err error) {
		report, err = evaluate(c.Context(), o)
		return err
	})
	if err == nil {
		err = e.page(c, []eval.Outcome{{Pack: report.Pack.Name, Evaluation: report.Evaluation, Report: report}})
	}
	switch {
	case err != nil:
		return nil, err
	case e.json:
		return report, report.WriteJSON(c.OutOrStdout())
	case e.markdown:
		return report, report.WriteMarkdown(c.OutOrStdout(), "##")
	}
	return report, report.WriteTable(c.OutOrStdout())
}

// page writes the page that --html asks for.
func (e *evaluator) page(c *cobra.Command, outcomes []eval.Outcome) error {
	if e.html == "" {
		return nil
	}
	bar := newProgress(c.ErrOrStderr(), count)
	defer bar.finish()
	return eval.WritePage(c.Context(), e.html, outcomes, func(step string, done, total int) { bar.show(step, int64(done), int64(total)) })
}

// with calls f with a pack open and a progress bar for each step.
func (e *evaluator) with(c *cobra.Command, pack string, f func(eval.Options) error) error {
	if e.html != "" {
		if err := eval.CheckPageFolder(e.html); err != nil {
			return &exitError{exitUsage, fmt.Errorf("--html: %w", err)}
		}
	}
	subject, err := e.open(c, pack)
	if err != nil {
		return err
	}
	defer subject.Close()
	bar := newProgress(c.ErrOrStderr(), count)
	defer bar.finish()
	return f(eval.Options{Subject: subject, Data: e.data, Progress: func(step string, done, total int) { bar.show(step, int64(done), int64(total)) }})
}

// open loads the pack of that name, or that of the services where it is empty.
func (e *evaluator) open(c *cobra.Command, name string) (*eval.Subject, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = cfg.Worker.Models[0]
	}
	device, err := onnx.ParseDevice(cfg.Worker.Device)
	if err != nil {
		return nil, err
	}
	return eval.Open(c.Context(), name, engine.Options{Library: cfg.Worker.ORTLib, Device: device})
}

func evalLFWCommand() *cobra.Command {
	var e evaluator
	var least float64
	c := &cobra.Command{
		Use:   "lfw",
		Short: "Verification by the 10-fold protocol of Labeled Faces in the Wild, on aligned faces",
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := e.run(c, eval.LFW)
			if err != nil {
				return err
			}
			if accuracy := report.Figure(eval.FigureAccuracy).Value; accuracy < least {
				return &exitError{exitOutcome, fmt.Errorf("the accuracy is %.4f; --min-accuracy requires %v", accuracy, least)}
			}
			return nil
		},
	}
	e.flags(c)
	c.Flags().Float64Var(&least, "min-accuracy", 0, "exit 3 when the accuracy, 0..1, is lower")
	return c
}

// evalPlainCommand is an evaluation that has no flags of its own.
func evalPlainCommand(use, short string, evaluate func(context.Context, eval.Options) (*eval.Report, error)) *cobra.Command {
	var e evaluator
	c := &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := e.run(c, evaluate)
			return err
		},
	}
	e.flags(c)
	return c
}

func evalDefaultsCommand() *cobra.Command {
	var e evaluator
	var config string
	c := &cobra.Command{
		Use:   "defaults DIR",
		Short: "How many ordinary photographs can be enrolled and searched for, and what refuses the others",
		Long: "Every image in DIR and its sub-folders is judged as a request to enroll and a request to predict would be, up to the gallery.\n" +
			"The report names each refused photograph with the reason and the traits.",
		Example: "  facestream eval defaults ~/Pictures/portraits\n  facestream eval defaults scans --operation-config '{\"anti_spoofing_mode\":0}'",
		RunE: func(c *cobra.Command, args []string) error {
			_, err := e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) {
				return eval.Defaults(ctx, o, args[0], json.RawMessage(config))
			})
			var problems schema.Problems
			if errors.As(err, &problems) {
				return flagProblems(problems, nil)
			}
			return err
		},
	}
	e.flags(c)
	c.Args = cobra.ExactArgs(1)
	c.Flags().StringVar(&config, "operation-config", "", "settings of the requests as JSON (docs/operation-config.md)")
	return c
}

func evalGroupsCommand() *cobra.Command {
	var e evaluator
	var list string
	c := &cobra.Command{
		Use:   "groups",
		Short: "Errors for groups of people, by sex, age or any other label, and the ratio of the worst group to the best",
		Long: "The list is a CSV file. Its first line has titles: \"file\", the path of a photograph of one person beside the list; \"age\" in years,\n" +
			"from which bands are made; and any other columns, each of which puts people into groups: sex, skin tone, glasses, camera, …",
		Example: "  facestream eval groups --list visitors/groups.csv",
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) {
				return eval.Groups(ctx, o, cmp.Or(list, filepath.Join(o.Data, filepath.FromSlash(eval.PeopleFile))))
			})
			return err
		},
	}
	e.flags(c)
	c.Flags().StringVar(&list, "list", "", "the list of photographs (default: "+eval.PeopleFile+" in the folder of evaluation data)")
	return c
}

func evalGalleryCommand() *cobra.Command {
	var e evaluator
	var collection string
	c := &cobra.Command{
		Use:   "gallery [DIR]",
		Short: "Your own enrolled people: who would be mistaken for whom, and who looks like somebody else",
		Long: "Each enrolled image is searched for among all others: with those of its person, who should be found, and without them, when\n" +
			"nobody should be. DIR has a sub-folder of images for each person. Without DIR, the images are those of the collection in the\n" +
			"gallery and the store of the settings, and the services may run. They are embedded anew, so that a pack can be judged before\n" +
			"the gallery is reindexed to it. The report names people. It is personal data.",
		Example: "  facestream eval gallery -c staff\n  facestream eval gallery people --models open --html report",
		RunE: func(c *cobra.Command, args []string) error {
			var enrolled []eval.Enrolment
			folder := "the collection " + collection
			var err error
			if len(args) > 0 {
				folder = args[0]
				enrolled, err = eval.Exported(folder)
			} else {
				enrolled, err = inGallery(c, schema.Collection(collection))
			}
			if err != nil {
				return err
			}
			_, err = e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) {
				return eval.Gallery(ctx, o, folder, enrolled)
			})
			return err
		},
	}
	e.flags(c)
	c.Args = cobra.MaximumNArgs(1)
	c.Flags().StringVarP(&collection, "collection", "c", string(schema.DefaultCollection), "the collection, where no folder is named")
	return c
}

// inGallery returns the enrolments of a collection in the gallery that the settings name. Their images are read from the
// store. Enrolments of earlier versions, which do not say where their image is, are left out.
func inGallery(c *cobra.Command, collection schema.Collection) ([]eval.Enrolment, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	cfg.Resolve()
	client, store, err := clients(cfg)
	if err != nil {
		return nil, err
	}
	client.Close() // only the store is needed
	g, err := drivers.OpenReader(c.Context(), cfg.Indexer.Gallery)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	var all []eval.Enrolment
	for after := ""; ; {
		page, err := g.List(c.Context(), collection, after, 1000)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			source := row.Source
			if source == nil {
				continue
			}
			person := string(row.PUID)
			if row.ExternalID != "" {
				person = string(row.ExternalID)
			}
			all = append(all, eval.Enrolment{Person: person, Image: person + ", " + row.ID, Box: &source.Box, Read: func(ctx context.Context) ([]byte, error) {
				image, _, err := store.Get(ctx, source.Image, int64(cfg.Worker.MaxBytes))
				return image, err
			}})
		}
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

func evalAttacksCommand() *cobra.Command {
	var e evaluator
	c := &cobra.Command{
		Use:   "attacks [DIR]",
		Short: "APCER of each kind of presentation attack, and BPCER, in the default mode",
		Long: "DIR has one sub-folder for each kind of attack, \"live\" for living faces, or a file attacks.csv with the lines \"file,type\".\n" +
			"Without DIR the attacks of the evaluation data are measured.",
		Example: "  facestream eval attacks ~/attacks --models open",
		RunE: func(c *cobra.Command, args []string) error {
			folder := ""
			if len(args) > 0 {
				folder = args[0]
			}
			_, err := e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) { return eval.Attacks(ctx, o, folder) })
			return err
		},
	}
	e.flags(c)
	c.Args = cobra.MaximumNArgs(1)
	return c
}

func evalMRZCommand() *cobra.Command {
	var e evaluator
	var o eval.MRZOptions
	c := &cobra.Command{
		Use:     "mrz",
		Short:   "Machine-readable zones of photographed specimens, and of documents that are drawn as it runs",
		Example: "  facestream eval mrz --models open --drawn 1000",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Drawn < 0 {
				return &exitError{exitUsage, fmt.Errorf("--drawn is %d; it must be 0 or more", o.Drawn)}
			}
			_, err := e.run(c, func(ctx context.Context, options eval.Options) (*eval.Report, error) {
				return eval.MRZ(ctx, options, o)
			})
			return err
		},
	}
	e.flags(c)
	f := c.Flags()
	f.IntVar(&o.Drawn, "drawn", 0, "also draw and read so many documents")
	f.Uint64Var(&o.Seed, "seed", 1_000_000, "the seed of the first drawn document")
	f.StringVar(&o.Font, "font", "/usr/share/fonts/opentype/ocr-b/OCRBS.otf", "OpenType file of OCR-B, for the drawn documents")
	f.StringVar(&o.Beside, "beside", "", "file of what another reader made of the photographs (tools/reference/zones.py)")
	return c
}

func evalVoiceCommand() *cobra.Command {
	var e evaluator
	c := &cobra.Command{
		Use:     "voice DIR",
		Short:   "Every two recordings of voices compared, and the time of a comparison",
		Long:    "DIR has one sub-folder for each speaker, with recordings of that speaker. Error rates are stated for 40 speakers and more.",
		Example: "  facestream eval voice recordings --models open",
		RunE: func(c *cobra.Command, args []string) error {
			_, err := e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) { return eval.Voice(ctx, o, args[0]) })
			return err
		},
	}
	e.flags(c)
	c.Args = cobra.ExactArgs(1)
	return c
}

// evalCountCommand is an evaluation of so many drawn things, at least one.
func evalCountCommand(use, short, flag string, usual int, help string, evaluate func(context.Context, eval.Options, int) (*eval.Report, error)) *cobra.Command {
	var e evaluator
	var count int
	c := &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(c *cobra.Command, _ []string) error {
			if count < 1 {
				return &exitError{exitUsage, fmt.Errorf("--%s is %d; it must be 1 or more", flag, count)}
			}
			_, err := e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) { return evaluate(ctx, o, count) })
			return err
		},
	}
	e.flags(c)
	c.Flags().IntVar(&count, flag, usual, help)
	return c
}

// evalAgainstCommand is an evaluation beside another pack.
func evalAgainstCommand(use, short, referenceHelp string, evaluate func(context.Context, eval.Options, *eval.Subject) (*eval.Report, error)) *cobra.Command {
	var e evaluator
	var reference string
	c := &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(c *cobra.Command, _ []string) error {
			against, err := e.open(c, reference)
			if err != nil {
				return fmt.Errorf("the reference pack: %w", err)
			}
			defer against.Close()
			_, err = e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) { return evaluate(ctx, o, against) })
			return err
		},
	}
	e.flags(c)
	c.Flags().StringVar(&reference, "reference", "open", referenceHelp)
	return c
}

func evalThresholdsCommand() *cobra.Command {
	var e evaluator
	var check, write bool
	c := &cobra.Command{
		Use:   "thresholds",
		Short: "Measure the thresholds that a pack's manifest needs for its embedding network",
		RunE: func(c *cobra.Command, _ []string) error {
			if write && !models.IsFolder(e.models) {
				return &exitError{exitUsage, fmt.Errorf("--write-thresholds writes the %s of a pack of your own, and --models %q names none: the other packs' come "+
					"with the program. Copy the pack's folder (`facestream models list` says where it is; packs/%s of the sources has that of %s), "+
					"and give --models the copy's path, with a / in it", models.ManifestFile, e.models, packs.Starter, packs.Starter)}
			}
			report, err := e.run(c, eval.Thresholds)
			if err != nil {
				return err
			}
			if write {
				if err := report.Write(e.models); err != nil {
					return err
				}
				fmt.Fprintf(c.ErrOrStderr(), "%s has them\n", filepath.Join(e.models, models.ManifestFile))
			}
			if differences := report.Differences(); check && len(differences) > 0 {
				return &exitError{exitOutcome, errors.New(strings.Join(differences, "; "))}
			}
			return nil
		},
	}
	e.flags(c)
	c.Flags().BoolVar(&check, "check", false, "exit 3 when the manifest has other thresholds")
	c.Flags().BoolVar(&write, "write-thresholds", false, "write them, and the data that they were measured on, into the "+models.ManifestFile+" of the folder --models")
	c.MarkFlagsMutuallyExclusive("check", "write-thresholds")
	return c
}

func evalAllCommand() *cobra.Command {
	var e evaluator
	var reference string
	var least, most, only []string
	c := &cobra.Command{
		Use:   "all",
		Short: "Every evaluation that the data and the pack allow",
		Long: "all runs every evaluation of photographs and aligned faces. It skips and names those whose data or network is missing.\n" +
			"--models takes several packs, with commas; bounds hold for each of them. The exit code is 1 when nothing could be\n" +
			"measured. --markdown writes the whole page docs/accuracy.md.",
		Example: "  facestream eval all --models open --min lfw/accuracy=0.99",
		RunE: func(c *cobra.Command, _ []string) error {
			bounds, err := parseBounds(least, most)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			known := names(eval.Everything(nil))
			for _, name := range only {
				if !slices.Contains(known, name) {
					return &exitError{exitUsage, fmt.Errorf("--only names %q; the evaluations are %q", name, known)}
				}
			}
			var against *eval.Subject
			if reference != "" {
				var err error
				if against, err = e.open(c, reference); err != nil {
					return fmt.Errorf("the reference pack: %w", err)
				}
				defer against.Close()
			}
			var outcomes []eval.Outcome
			for _, pack := range strings.Split(e.models, ",") {
				err := e.with(c, pack, func(o eval.Options) error {
					all, err := eval.RunAll(c.Context(), o, selected(eval.Everything(against), only))
					outcomes = append(outcomes, all...)
					return err
				})
				if err != nil {
					return err
				}
			}
			if err := e.page(c, outcomes); err != nil {
				return err
			}
			if err := e.printAll(c.OutOrStdout(), reference, outcomes); err != nil {
				return err
			}
			if err := bounds.check(outcomes); err != nil {
				return &exitError{exitOutcome, err}
			}
			return nil
		},
	}
	e.flags(c)
	c.Flags().StringSliceVar(&only, "only", nil, "run these evaluations alone, as \"lfw,defaults\"")
	c.Flags().StringArrayVar(&least, "min", nil, "exit 3 when a figure, as \"lfw/accuracy=0.99\", is lower or was not measured")
	c.Flags().StringArrayVar(&most, "max", nil, "exit 3 when a figure is higher or was not measured")
	c.Flags().StringVar(&reference, "reference", "", "model pack whose answers count as the truth for detect, landmarks and segmentation; without one they are skipped")
	return c
}

func names(all []eval.Named) (names []string) {
	for _, n := range all {
		names = append(names, n.Name)
	}
	return names
}

// selected returns those of all that only names, or all of them if it names none.
func selected(all []eval.Named, only []string) []eval.Named {
	return slices.DeleteFunc(all, func(n eval.Named) bool { return len(only) > 0 && !slices.Contains(only, n.Name) })
}

// evalPageCommand writes the page of accuracy from evaluations that ran apart: other packs, other machines.
func evalPageCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "page FILE...",
		Short: "Put the JSON of several `eval all --json` together into one page like docs/accuracy.md",
		Long: "Each file has the outcomes that `facestream eval all --json` printed. Where several files have the same evaluation of the same\n" +
			"pack, the last one counts. Packs and evaluations keep the order of the first file that has them.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			var all []eval.Outcome
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				var some []eval.Outcome
				if err := json.Unmarshal(text, &some); err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				for _, o := range some {
					same := func(other eval.Outcome) bool { return other.Pack == o.Pack && other.Evaluation == o.Evaluation }
					if i := slices.IndexFunc(all, same); i >= 0 {
						all[i] = o
					} else {
						all = append(all, o)
					}
				}
			}
			return eval.WriteAccuracy(c.OutOrStdout(), "facestream eval page", all)
		},
	}
}

// bound is what a figure of an evaluation must be at least, or at most.
type bound struct {
	evaluation, figure string
	value              float64
	most               bool
}

type bounds []bound

// parseBounds reads "evaluation/figure=value".
func parseBounds(least, most []string) (all bounds, err error) {
	for i, text := range slices.Concat(least, most) {
		b := bound{most: i >= len(least)}
		name, value, ok := cutLast(text, "=")
		b.evaluation, b.figure, _ = strings.Cut(name, "/")
		b.value, err = strconv.ParseFloat(value, 64)
		if !ok || err != nil || b.evaluation == "" || b.figure == "" {
			return nil, fmt.Errorf("%q is not a bound; write it like \"lfw/accuracy=0.99\"", text)
		}
		all = append(all, b)
	}
	return all, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// check names every bound that does not hold for a pack.
func (all bounds) check(outcomes []eval.Outcome) error {
	packs := map[string][]eval.Outcome{}
	for _, o := range outcomes {
		packs[o.Pack] = append(packs[o.Pack], o)
	}
	var broken []error
	for _, pack := range slices.Sorted(maps.Keys(packs)) {
		for _, b := range all {
			if err := b.check(packs[pack]); err != nil && len(packs) > 1 {
				broken = append(broken, fmt.Errorf("%s: %w", pack, err))
			} else if err != nil {
				broken = append(broken, err)
			}
		}
	}
	return errors.Join(broken...)
}

func (b bound) check(outcomes []eval.Outcome) error {
	var figure eval.Figure
	for _, o := range outcomes {
		if o.Evaluation == b.evaluation && o.Report != nil {
			figure = o.Report.Figure(b.figure)
		}
	}
	switch {
	case figure.Name == "":
		return fmt.Errorf("%s/%s was not measured", b.evaluation, b.figure)
	case b.most && figure.Value > b.value:
		return fmt.Errorf("%s/%s is %.4f; --max allows %v", b.evaluation, b.figure, figure.Value, b.value)
	case !b.most && figure.Value < b.value:
		return fmt.Errorf("%s/%s is %.4f; --min requires %v", b.evaluation, b.figure, figure.Value, b.value)
	}
	return nil
}

// printAll prints the reports, then what was skipped.
func (e *evaluator) printAll(w io.Writer, reference string, outcomes []eval.Outcome) error {
	var err error
	switch {
	case e.json:
		err = printJSON(w, outcomes)
	case e.markdown:
		command := "facestream eval all --models " + e.models
		if reference != "" {
			command += " --reference " + reference
		}
		err = eval.WriteAccuracy(w, command+" --markdown", outcomes)
	default:
		for _, o := range outcomes {
			if o.Report != nil {
				err = errors.Join(err, o.Report.WriteTable(w))
				fmt.Fprintln(w)
			}
		}
		for _, o := range outcomes {
			if o.Report == nil {
				fmt.Fprintf(w, "skipped: %s: %s: %s\n", o.Pack, o.Evaluation, o.Skipped)
			}
		}
	}
	if err == nil && !slices.ContainsFunc(outcomes, func(o eval.Outcome) bool { return o.Report != nil }) {
		err = errors.New("nothing could be measured")
	}
	return err
}
