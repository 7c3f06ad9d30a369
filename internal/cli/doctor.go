package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"facestream/internal/config"
	directories "facestream/internal/directory/drivers"
	"facestream/internal/gallery/drivers"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/events"
)

// finding is what doctor found out about one thing that facestream needs.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func doctorCommand() *cobra.Command {
	var asJSON, load bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that facestream needs, and say how to fix what is missing",
		Long: "doctor checks, from this machine and with these settings: the model pack and the library that runs it, what is open to\n" +
			"other machines, the data folder, the broker, its topics, the running services, the object store, the gallery and the directory. Exit code 3 says that something needs attention.",
		Example: "  facestream doctor\n  facestream doctor --kafka-brokers kafka:9092 --s3-endpoint minio:9000 --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, client, store, err := connect(c)
			if err != nil {
				return err
			}
			defer client.Close()
			found := examine(c.Context(), examinations(cfg, client, store, load))
			bad := 0
			for _, f := range found {
				if !f.OK {
					bad++
				}
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), found)
			} else {
				file := cmp.Or(c.Flags().Lookup("config").Value.String(), "no file (--config); defaults, variables and flags apply")
				err = printFindings(screenOf(c.OutOrStdout()), append([]finding{{Name: "settings", OK: true, Detail: file}}, found...))
			}
			if bad > 0 {
				err = errors.Join(err, &exitError{exitOutcome, fmt.Errorf("%d of %d need attention", bad, len(found))})
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	c.Flags().BoolVar(&load, "load", false, "also load the model packs of the worker, and say how much memory each takes, which must be free, and which device runs each network")
	return c
}

// examination looks at one thing. What it needs is looked at before: where that failed, it would only fail in turn.
type examination struct {
	name, needs, fix string
	look             func(context.Context) (detail string, err error)
}

func examinations(cfg config.Config, client *events.Client, store *objects.Store, load bool) []examination {
	all := []examination{
		{"onnx runtime", "", runtimeFix(cfg.Worker), func(ctx context.Context) (string, error) { return lookAtRuntime(ctx, cfg) }},
		{"jpeg", "", "", func(context.Context) (string, error) { return "decoded by " + imaging.JPEGDecoder, nil }},
		{"barcodes", "", "", func(context.Context) (string, error) { return "read by " + barcode.Reader, nil }},
		{"exposure", "", "set telemetry.pprof to false, or telemetry.listen to a loopback address", func(context.Context) (string, error) { return lookAtExposure(cfg) }},
		{"data folder", "", "give this user the right to write there, or name another folder with --data-dir", func(context.Context) (string, error) { return lookAtFolder(cfg.DataDir) }},
		{"broker", "", "start `facestream up`, or name a broker with --kafka-brokers (FACESTREAM_KAFKA)", func(ctx context.Context) (string, error) {
			return strings.Join(cfg.Kafka.Brokers, ", "), client.Ping(ctx)
		}},
		{"topics", "broker", "start a service: it creates them. On a broker with ACLs, grant this user Describe on topics that begin with facestream.", func(ctx context.Context) (string, error) {
			return lookAtTopics(ctx, client)
		}},
		{"services", "broker", "start `facestream up`, or the services that are missing (bin/ingest, bin/worker, bin/indexer)", func(ctx context.Context) (string, error) {
			return lookAtServices(ctx, client)
		}},
		{"object store", "", "start `facestream up`, or set --s3-endpoint, FACESTREAM_S3_ACCESS_KEY and FACESTREAM_S3_SECRET_KEY", func(ctx context.Context) (string, error) {
			return cfg.S3.Endpoint + " (bucket " + cfg.S3.Bucket + ")", store.Ping(ctx, cfg.S3.Bucket)
		}},
	}
	packs := make([]examination, len(cfg.Worker.Models))
	for i, name := range cfg.Worker.Models {
		packs[i] = examination{"model pack", "", "facestream models pull " + name, func(ctx context.Context) (string, error) { return lookAtPack(ctx, name) }}
	}
	if load {
		packs = append(packs, examination{"memory", "model pack", "", func(ctx context.Context) (string, error) { return lookAtMemory(ctx, cfg.Worker) }})
	}
	all = slices.Insert(all, 1, packs...)
	if cfg.Indexer.Gallery.Driver != config.DriverLocal { // the local one is a file of the indexer
		all = append(all, examination{"gallery", "", "start the server, or correct the settings indexer.gallery.*", func(ctx context.Context) (string, error) {
			g, err := drivers.OpenReader(ctx, cfg.Indexer.Gallery)
			if err != nil {
				return "", err
			}
			return cfg.Indexer.Gallery.Driver, g.Close()
		}})
	}
	if cfg.Indexer.Directory.Driver == config.DirectoryPostgres {
		all = append(all, examination{"directory", "", "start the server and the indexer, or correct indexer.directory.dsn", func(ctx context.Context) (string, error) {
			d, err := directories.OpenReader(ctx, cfg.Indexer)
			if err != nil {
				return "", err
			}
			return cfg.Indexer.Directory.Driver, d.Close()
		}})
	}
	return all
}

func examine(ctx context.Context, all []examination) []finding {
	ok := map[string]bool{"": true}
	var found []finding
	for _, x := range all {
		if !ok[x.needs] {
			found = append(found, finding{x.name, false, "not checked without the " + x.needs, ""})
			continue
		}
		limit := 5 * time.Second
		if x.name == "memory" { // networks may be built for a device
			limit = time.Hour
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		detail, err := x.look(ctx)
		cancel()
		if err == nil {
			ok[x.name] = true
			found = append(found, finding{Name: x.name, OK: true, Detail: detail})
			continue
		}
		if nobodyListens(err) {
			err = fmt.Errorf("nothing listens at %s", detail)
		}
		found = append(found, finding{x.name, false, forPeople{err}.Error(), x.fix})
	}
	return found
}

func printFindings(out screen, found []finding) error {
	const indent = 4 + 2 + len("object store") + 2
	for _, f := range found {
		mark := out.paint(green, "ok  ")
		if !f.OK {
			mark = out.paint(red, "FAIL")
		}
		if _, err := fmt.Fprintf(out, "%s  %-*s%s\n", mark, indent-6, f.Name, out.wrap(indent, f.Detail)); err != nil {
			return err
		}
		if f.Fix != "" {
			fmt.Fprintf(out, "%*sfix: %s\n", indent, "", out.wrap(indent+5, f.Fix))
		}
	}
	return nil
}

// runtimeFix says how to get what the worker's device needs.
func runtimeFix(cfg config.Worker) string {
	const command = "facestream models runtime"
	if device, err := onnx.ParseDevice(cfg.Device); err == nil && device.Kind != onnx.Auto && device.Kind != onnx.CPU {
		return "install what is named; `" + command + " --device " + string(device.Kind) + "` gets the library, or choose another --worker-device"
	}
	return command
}

func lookAtRuntime(ctx context.Context, cfg config.Config) (string, error) {
	device, err := onnx.ParseDevice(cfg.Worker.Device)
	if err != nil {
		return "", err
	}
	rt, err := onnx.OpenOn(ctx, cfg.Worker.ORTLib, device)
	if err != nil {
		return "", err
	}
	defer rt.Close()
	detail := fmt.Sprintf("%s at %s; networks run on %s", rt.Release, rt.Library, rt.Device)
	if rt.GPU != "" {
		detail += ", " + rt.GPU
	}
	if rt.Why != "" {
		detail += ", because " + rt.Why
	}
	return detail, nil
}

func lookAtPack(ctx context.Context, name string) (string, error) {
	pack, err := models.Locate(name)
	if err != nil {
		return "", err
	}
	files, err := models.Verify(ctx, pack)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if f.State != models.StateOK {
			return "", fmt.Errorf("%s is %s", f.File.Name, f.State)
		}
	}
	size, counted := int64(0), map[string]bool{}
	for _, f := range files {
		if !counted[f.File.SHA256] {
			counted[f.File.SHA256] = true
			size += f.File.Bytes
		}
	}
	detail := fmt.Sprintf("%s: %d networks (%s of files) verified in %s", pack.Ref(), len(pack.All()), megabytes(size), pack.Where())
	for _, m := range pack.All() {
		if m.OnCPU {
			detail += fmt.Sprintf("; %s runs on cpu always", m.ID())
		}
	}
	return strings.Join(append([]string{detail}, standIns(pack)...), "; "), nil
}

// lookAtExposure lists what the settings open to other machines. Only what nobody can have meant is an error.
func lookAtExposure(cfg config.Config) (string, error) {
	exposed := cfg.Exposed()
	if len(exposed) == 0 {
		return "nothing leaves this machine", nil
	}
	var texts []string
	pprof := false
	for _, e := range exposed {
		texts = append(texts, fmt.Sprintf("%s: %s (%s)", e.Address, e.What, e.Setting))
		pprof = pprof || e.Setting == "telemetry.pprof"
	}
	text := strings.Join(texts, "; ")
	if pprof {
		return "", errors.New(text)
	}
	return text, nil
}

// lookAtFolder writes into the data folder, as the services do.
func lookAtFolder(dir string) (string, error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if errors.Is(err, fs.ErrNotExist) {
		return dir + " does not exist yet; facestream creates it when needed", nil
	} else if err != nil {
		return "", err
	}
	err = errors.Join(f.Close(), os.Remove(f.Name()))
	if info, stat := os.Stat(dir); err == nil && stat == nil && info.Mode().Perm()&0o077 != 0 {
		return fmt.Sprintf("%s; other users have rights on it (%v), which facestream takes from them when it starts", dir, info.Mode().Perm()), nil
	}
	return dir, err
}

func lookAtTopics(ctx context.Context, client *events.Client) (string, error) {
	topics, err := client.Describe(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range topics {
		if !t.Exists {
			return "", fmt.Errorf("%s does not exist, or this user may not see it", t.Topic)
		}
	}
	return fmt.Sprintf("%d exist", len(topics)), nil
}

// lookAtServices counts the processes that take work. Without one of each, requests wait. A user who may not see the group
// of a service is told so: it may well run.
func lookAtServices(ctx context.Context, client *events.Client) (string, error) {
	var seen, missing []string
	for _, service := range []string{"ingest", "worker", "indexer"} {
		n, err := client.Members(ctx, host.Group(service))
		switch {
		case err != nil:
			seen = append(seen, fmt.Sprintf("%s unknown (%v)", service, forPeople{err}))
		case n == 0:
			missing = append(missing, service)
		default:
			seen = append(seen, fmt.Sprintf("%s %d", service, n))
		}
	}
	if missing != nil {
		return "", fmt.Errorf("not running: %s; requests wait until they do", strings.Join(missing, ", "))
	}
	return "running: " + strings.Join(seen, ", "), nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program and of what it was built with",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			version := "development"
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
				version = info.Main.Version
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "facestream %s, %s, %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
