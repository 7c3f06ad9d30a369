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

	"facestream/pkg/schema"
)

// PullOptions are the options of Pull.
type PullOptions struct {
	// Mirror is a folder with the files under the names of Model.File; "" for none. Files that it lacks come from
	// Model.Source.
	Mirror string
	// Accept is called before any file is fetched, with the models whose files are missing, to show their licences. If
	// it returns an error, the pull ends.
	Accept func(missing []Model) error
	// Progress is called with the number of the model's bytes that have arrived. It may be nil.
	Progress func(m Model, bytes int64)
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
	var missing []Model
	for _, f := range files {
		if f.State != StateOK {
			missing = append(missing, f.Model)
		}
	}
	if len(missing) > 0 {
		if err := o.Accept(missing); err != nil {
			return nil, err
		}
	}
	if o.Progress == nil {
		o.Progress = func(Model, int64) {}
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
	for _, m := range missing {
		if err := o.pullFile(ctx, filepath.Join(dir, filepath.FromSlash(m.File)), m); err != nil {
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

// pullFile brings m's file to path, from the mirror or else from its public address.
func (o PullOptions) pullFile(ctx context.Context, path string, m Model) error {
	const op = "models.pull"
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return schema.Fatal(op, err)
	}
	part := path + ".part"
	var mirrored error
	if o.Mirror != "" {
		if mirrored = o.copyFile(ctx, part, m); mirrored == nil {
			mirrored = place(part, path, m)
		}
		if mirrored == nil {
			return nil
		}
		mirrored = fmt.Errorf("mirror: %w", mirrored)
	}
	if err := o.download(ctx, part, m); err != nil {
		return schema.Transient(op, fmt.Errorf("%s: %w", m.File, errors.Join(mirrored, err)))
	}
	if err := place(part, path, m); err != nil {
		return schema.Fatal(op, fmt.Errorf("%s: %w", m.Source, errors.Join(err, mirrored)))
	}
	return nil
}

// place moves the finished file part to path if it is m's. Otherwise it removes part, so that no later pull continues
// with wrong bytes.
func place(part, path string, m Model) error {
	state, err := check(os.DirFS(filepath.Dir(part)), filepath.Base(part), m)
	if err != nil {
		return err
	}
	if state != StateOK {
		return errors.Join(fmt.Errorf("refused: the sha256 or size of the file for %s is not that of the manifest", m.File),
			os.Remove(part))
	}
	return os.Rename(part, path)
}

// copyFile copies m's file from the mirror to part.
func (o PullOptions) copyFile(ctx context.Context, part string, m Model) error {
	from, err := os.Open(filepath.Join(o.Mirror, filepath.FromSlash(m.File)))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(part)
	if err != nil {
		return err
	}
	return o.write(ctx, to, from, m, 0)
}

// download completes part from m's public address. It continues after the bytes that part already has.
func (o PullOptions) download(ctx context.Context, part string, m Model) error {
	to, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	have, err := to.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(err, to.Close())
	}
	if have >= m.Bytes {
		have = 0 // complete and still here means wrong, or another file's rest
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.Source, nil)
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
		return errors.Join(fmt.Errorf("%s answers %s", m.Source, response.Status), to.Close())
	}
	if err := to.Truncate(have); err != nil {
		return errors.Join(err, to.Close())
	}
	if _, err := to.Seek(have, io.SeekStart); err != nil {
		return errors.Join(err, to.Close())
	}
	return o.write(ctx, to, response.Body, m, have)
}

// write appends from to the file to, which has have bytes, tells Progress, and closes to. It takes at most one byte more
// than m has, which is enough for place to see that the source gives something else.
func (o PullOptions) write(ctx context.Context, to *os.File, from io.Reader, m Model, have int64) error {
	o.Progress(m, have)
	from = io.LimitReader(from, m.Bytes-have+1)
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return errors.Join(err, to.Close())
			}
			have += int64(n)
			o.Progress(m, have)
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
