package registry

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"facestream/pkg/schema"
)

// indexFile is one archive in the answer of a simple index (PEP 691).
type indexFile struct {
	Filename string            `json:"filename"`
	URL      string            `json:"url"`
	Hashes   map[string]string `json:"hashes"`
	Yanked   any               `json:"yanked"` // false, true, or the reason
}

const (
	simpleJSON = "application/vnd.pypi.simple.v1+json"
	simpleAny  = simpleJSON + ", application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)

var separators = regexp.MustCompile(`[-_.]+`)

// normal is a package's name as an index spells it (PEP 503).
func normal(name string) string { return strings.ToLower(separators.ReplaceAllString(name, "-")) }

// isWheel reports whether a file of that name is a wheel of the package (PEP 427).
func (p Package) isWheel(file string) bool {
	name, found := strings.CutSuffix(file, ".whl")
	parts := strings.Split(name, "-")
	return found && len(parts) >= 5 && normal(parts[0]) == normal(p.Name) && parts[1] == strings.ReplaceAll(p.Version, "-", "_")
}

// findPyPI finds the package's wheel: in a folder of find-links, else in the index.
func (c *Client) findPyPI(ctx context.Context, p Package) (location, error) {
	for _, folder := range c.Settings.FindLinks {
		entries, _ := os.ReadDir(folder) // one that is not there has no wheel
		for _, e := range entries {
			if path, err := filepath.Abs(filepath.Join(folder, e.Name())); err == nil && p.isWheel(e.Name()) {
				return location{url: &url.URL{Scheme: "file", Path: path}, name: e.Name()}, nil
			}
		}
	}
	switch {
	case c.Settings.NoIndex:
		return location{}, fatal("no folder of pip's find-links has it, and pip's no-index is set")
	case c.Settings.PyPI == "":
		return location{}, schema.Transient(op, errors.New("no Python package index is known: pip is not here; install it, or set PIP_INDEX_URL"))
	}
	index, err := url.Parse(strings.TrimSuffix(c.Settings.PyPI, "/") + "/" + normal(p.Name) + "/")
	if err != nil {
		return location{}, fatal("pip's index-url: %w", err)
	}
	text, media, at, err := c.index(ctx, index, simpleAny)
	if err != nil {
		return location{}, err
	}
	if at.Host == index.Host && at.User == nil {
		at.User = index.User
	}
	var files []indexFile
	if strings.Contains(media, "json") {
		var answer struct{ Files []indexFile }
		if err := unmarshal(index, text, &answer); err != nil {
			return location{}, err
		}
		files = answer.Files
	} else {
		files = anchors(text)
	}
	var wheels []indexFile
	for _, f := range files {
		if p.isWheel(f.Filename) {
			wheels = append(wheels, f)
		}
	}
	if wheels == nil {
		return location{}, fatal("%s has no wheel of this version", index.Redacted())
	}
	if wheels = slices.DeleteFunc(slices.Clone(wheels), indexFile.yanked); len(wheels) == 0 {
		return location{}, fatal("this version was yanked from %s", index.Redacted())
	}
	wheel := wheels[0]
	if i := slices.IndexFunc(wheels, func(f indexFile) bool { return strings.HasSuffix(f.Filename, "-none-any.whl") }); i >= 0 {
		wheel = wheels[i]
	}
	u, err := resolve(at, wheel.URL)
	if err != nil {
		return location{}, err
	}
	return location{url: u, name: wheel.Filename, digest: hexDigest("sha256", wheel.Hashes["sha256"])}, nil
}

func (f indexFile) yanked() bool { return f.Yanked != nil && f.Yanked != false }

var (
	anchor    = regexp.MustCompile(`(?is)<a\s([^>]*)>([^<]*)</a>`)
	attribute = regexp.MustCompile(`(?s)([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'))?`)
)

// anchors reads the files of an index that answers in HTML (PEP 503).
func anchors(page []byte) []indexFile {
	var files []indexFile
	for _, a := range anchor.FindAllSubmatch(page, -1) {
		f := indexFile{Filename: strings.TrimSpace(html.UnescapeString(string(a[2])))}
		for _, m := range attribute.FindAllSubmatch(a[1], -1) {
			value := html.UnescapeString(string(m[2]) + string(m[3]))
			switch strings.ToLower(string(m[1])) {
			case "href":
				address, hash, _ := strings.Cut(value, "#")
				f.URL = address
				if algorithm, sum, ok := strings.Cut(hash, "="); ok {
					f.Hashes = map[string]string{algorithm: sum}
				}
			case "data-yanked":
				f.Yanked = true
			}
		}
		files = append(files, f)
	}
	return files
}

// wheel is a zip file, here or at a server that delivers parts of it.
type wheel struct {
	zip *zip.Reader
	// part returns n bytes from an offset on.
	part func(ctx context.Context, offset, n int64) (io.ReadCloser, error)
	end  func() error
}

// tail is how much of a wheel's end is asked for first: the directory of most wheels lies in it.
const tail = 128 << 10

// openWheel reads the wheel's directory. The wheel is fetched whole only from a server that does not deliver parts.
func (c *Client) openWheel(ctx context.Context, l location) (archive, error) {
	if l.url.Scheme == "file" {
		file, err := os.Open(l.url.Path)
		if err != nil {
			return nil, schema.Fatal(op, err)
		}
		return localWheel(file, file.Close)
	}
	identity := map[string]string{"Accept-Encoding": "identity", "Range": fmt.Sprintf("bytes=-%d", tail)}
	response, err := c.get(ctx, l.url, identity)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		file, err := c.save(l, response.Body, response.ContentLength)
		if err != nil {
			return nil, err
		}
		return localWheel(file, func() error { return drop(file) })
	}
	var first, last, size int64
	if _, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size); err != nil || last != size-1 || first < 0 || last-first >= tail {
		return nil, fatal("the server answers with the part %q", response.Header.Get("Content-Range"))
	}
	end, err := io.ReadAll(io.LimitReader(response.Body, tail))
	if err != nil {
		return nil, schema.Transient(op, err)
	}
	if int64(len(end)) != size-first {
		return nil, schema.Transient(op, fmt.Errorf("broke off after %d of %d bytes", len(end), size-first))
	}
	w := &wheel{end: func() error { return nil }, part: func(ctx context.Context, offset, n int64) (io.ReadCloser, error) {
		if n == 0 {
			return http.NoBody, nil
		}
		response, err := c.get(ctx, l.url, map[string]string{"Accept-Encoding": "identity", "Range": fmt.Sprintf("bytes=%d-%d", offset, offset+n-1)})
		if err != nil {
			return nil, err
		}
		if want := fmt.Sprintf("bytes %d-%d/%d", offset, offset+n-1, size); response.Header.Get("Content-Range") != want {
			response.Body.Close()
			return nil, fatal("the server answers with the part %q, asked for %q", response.Header.Get("Content-Range"), want)
		}
		return response.Body, nil
	}}
	directory := &partReader{ctx: ctx, part: w.part, start: first, known: end}
	w.zip, err = zip.NewReader(directory, size)
	if err != nil {
		return nil, notWhole(err)
	}
	directory.read = true
	return w, nil
}

func localWheel(file *os.File, end func() error) (archive, error) {
	info, err := file.Stat()
	if err == nil {
		var z *zip.Reader
		if z, err = zip.NewReader(file, info.Size()); err == nil {
			return &wheel{z, func(_ context.Context, offset, n int64) (io.ReadCloser, error) {
				return io.NopCloser(io.NewSectionReader(file, offset, n)), nil
			}, end}, nil
		}
	}
	end()
	return nil, notWhole(err)
}

func notWhole(err error) error {
	if schema.ClassOf(err) == schema.ClassTransient {
		return err
	}
	return fatal("it is not a whole archive: %w", err)
}

// partReader reads a remote file. While the directory is read, which lies at the file's end, it keeps all from the first byte
// asked for to the end; after that it fetches exactly what is asked for.
type partReader struct {
	ctx   context.Context
	part  func(ctx context.Context, offset, n int64) (io.ReadCloser, error)
	start int64 // of known, in the file
	known []byte
	read  bool // the directory was read
}

func (r *partReader) ReadAt(p []byte, offset int64) (int, error) {
	if offset < r.start && r.read {
		content, err := r.fetch(offset, min(int64(len(p)), r.start-offset))
		n := copy(p, content)
		if err == nil && n < len(p) {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	if offset < r.start {
		if r.start-offset > maxIndex {
			return 0, fatal("its directory has more than %d bytes", maxIndex)
		}
		before, err := r.fetch(offset, r.start-offset)
		if err != nil {
			return 0, err
		}
		r.start, r.known = offset, append(before, r.known...)
	}
	return bytes.NewReader(r.known).ReadAt(p, offset-r.start)
}

func (r *partReader) fetch(offset, n int64) ([]byte, error) {
	body, err := r.part(r.ctx, offset, n)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, n))
	if err == nil && int64(len(content)) != n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, schema.Transient(op, fmt.Errorf("broke off after %d of %d bytes: %w", len(content), n, err))
	}
	return content, nil
}

func (w *wheel) open(ctx context.Context, path string, size int64) (io.ReadCloser, error) {
	i := slices.IndexFunc(w.zip.File, func(f *zip.File) bool { return f.Name == path })
	if i < 0 {
		return nil, fatal("there is no file %s in it", path)
	}
	f := w.zip.File[i]
	if f.UncompressedSize64 != uint64(size) {
		return nil, fatal("refused: %s has %d bytes in it, %d are expected", path, f.UncompressedSize64, size)
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return nil, fatal("%s is compressed by the method %d, which no wheel uses", path, f.Method)
	}
	offset, err := f.DataOffset()
	if err != nil {
		return nil, notWhole(err)
	}
	packed, err := w.part(ctx, offset, int64(f.CompressedSize64))
	if err != nil || f.Method == zip.Store {
		return packed, err
	}
	return &inflated{flate.NewReader(packed), packed}, nil
}

func (w *wheel) close() error { return w.end() }

// inflated is a member that is decompressed while it is read.
type inflated struct {
	io.ReadCloser
	packed io.Closer
}

func (i *inflated) Close() error {
	i.ReadCloser.Close()
	return i.packed.Close()
}
