package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"facestream/packs"
	"facestream/pkg/schema"
)

// PullOptions are the options of Pull.
type PullOptions struct {
	// Mirror is a folder with the files under the names of File.Name; "" for none. Files that it lacks come from
	// File.Source.
	Mirror string
	// Accept is called before any file is fetched, with the models that lack files, to show their licences. If it
	// returns an error, the pull ends.
	Accept func(missing []Model) error
	// Progress is called with the number of the file's bytes that have arrived. It may be nil.
	Progress func(f File, bytes int64)
	// Client fetches public addresses; nil: a client that gives up on a silent host within seconds.
	Client *http.Client
}

// Pull installs the pack that manifest describes in the folder dir. It checks the sha256 of each file and moves the
// file into place in one step. The manifest comes last. Pull keeps correct files, replaces wrong ones, and resumes
// interrupted downloads. An error is Transient if a source could not be reached, and Fatal if a source delivered a
// wrong file.
func Pull(ctx context.Context, manifest []byte, dir string, o PullOptions) (*Pack, error) {
	const op = "models.pull"
	pack, err := Parse(manifest)
	if err != nil {
		return nil, err
	}
	pack.Dir = dir
	files, err := Verify(ctx, pack)
	if err != nil {
		return nil, err
	}
	var missing []File
	var lacking []Model
	for _, f := range files {
		if f.State == StateOK {
			continue
		}
		missing = append(missing, f.File)
		if last := len(lacking) - 1; last < 0 || lacking[last].File != f.Model.File {
			lacking = append(lacking, f.Model)
		}
	}
	if len(lacking) > 0 {
		if err := o.Accept(lacking); err != nil {
			return nil, err
		}
	}
	if o.Progress == nil {
		o.Progress = func(File, int64) {}
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 15 * time.Second,
		}}
		defer o.Client.CloseIdleConnections()
	}
	for _, f := range missing {
		if err := o.pullFile(ctx, pack, f); err != nil {
			return nil, err
		}
	}
	// The manifest comes last, so a folder with a manifest has had every file.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, schema.Fatal(op, err)
	}
	path := filepath.Join(dir, ManifestFile)
	if err := os.WriteFile(path+".part", manifest, 0o644); err != nil {
		return nil, schema.Fatal(op, err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		return nil, schema.Fatal(op, err)
	}
	return pack, nil
}

// pullFile brings a file of the pack to its place: from the program where it is part of it, else from the mirror, else from
// its source.
func (o PullOptions) pullFile(ctx context.Context, pack *Pack, f File) error {
	const op = "models.pull"
	path := filepath.Join(pack.Dir, filepath.FromSlash(f.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return schema.Fatal(op, err)
	}
	part := path + ".part"
	if f.Source == "" {
		skeleton, err := packs.Skeleton(pack.Name, f.Name)
		if err == nil {
			err = os.WriteFile(part, skeleton, 0o644)
		}
		if err == nil {
			err = place(part, path, f)
		}
		if err != nil {
			return schema.Fatal(op, err)
		}
		return nil
	}
	var mirrored error
	if o.Mirror != "" {
		if mirrored = o.copyFile(ctx, part, f); mirrored == nil {
			mirrored = place(part, path, f)
		}
		if mirrored == nil {
			return nil
		}
		mirrored = fmt.Errorf("mirror: %w", mirrored)
	}
	if err := o.download(ctx, part, f); err != nil {
		return schema.Transient(op, fmt.Errorf("%s: %w", f.Name, errors.Join(mirrored, err)))
	}
	if err := place(part, path, f); err != nil {
		return schema.Fatal(op, fmt.Errorf("%s: %w", f.Source, errors.Join(err, mirrored)))
	}
	return nil
}

// place moves the finished file part to path if it is f. Otherwise it removes part, so that no later pull continues
// with wrong bytes.
func place(part, path string, f File) error {
	state, err := check(os.DirFS(filepath.Dir(part)), filepath.Base(part), f)
	if err != nil {
		return err
	}
	if state != StateOK {
		return errors.Join(fmt.Errorf("refused: the sha256 or size of the file for %s is not that of the manifest", f.Name),
			os.Remove(part))
	}
	return os.Rename(part, path)
}

// copyFile copies f from the mirror to part.
func (o PullOptions) copyFile(ctx context.Context, part string, f File) error {
	from, err := os.Open(filepath.Join(o.Mirror, filepath.FromSlash(f.Name)))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(part)
	if err != nil {
		return err
	}
	return o.write(ctx, to, from, f, 0)
}

// download completes part from f's public address. It continues after the bytes that part already has.
func (o PullOptions) download(ctx context.Context, part string, f File) error {
	if _, ok := f.Source.member(); ok {
		return fmt.Errorf("%s is not in the mirror folder", f.Source)
	}
	to, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o644)
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
	response, err := o.Client.Do(request)
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
	return o.write(ctx, to, response.Body, f, have)
}

// write appends from to the file to, which has have bytes, tells Progress, and closes to. It takes at most one byte more
// than f has, which is enough for place to see that the source gives something else.
func (o PullOptions) write(ctx context.Context, to *os.File, from io.Reader, f File, have int64) error {
	o.Progress(f, have)
	from = io.LimitReader(from, f.Bytes-have+1)
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return errors.Join(err, to.Close())
			}
			have += int64(n)
			o.Progress(f, have)
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
