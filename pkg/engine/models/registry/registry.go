// Package registry reads single files out of packages of the Python package index and of npm's registry, through their plain
// addresses and the user's own settings for pip and npm. Nothing of a package is executed or installed.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"

	"facestream/pkg/schema"
)

// Kind is a kind of registry.
type Kind string

// The kinds.
const (
	PyPI Kind = "pypi"
	NPM  Kind = "npm"
)

// Package is one version of a package.
type Package struct {
	Kind          Kind
	Name, Version string
}

func (p Package) String() string {
	if p.Kind == PyPI {
		return p.Name + "==" + p.Version
	}
	return p.Name + "@" + p.Version
}

// Client reads packages. It keeps what it has learnt of a package, and its archive where that had to be fetched whole, until
// Close. Only Find may be called by several goroutines at once.
//
// Its errors are Transient if a registry could not be reached or broke off, and Fatal if it answered that there is no such
// thing, or delivered something else than it promised.
type Client struct {
	HTTP     *http.Client
	Settings Settings
	// Progress is called with the bytes that have arrived of an archive that has to be fetched whole; total is -1 where
	// nobody says how large it is. It may be nil.
	Progress func(archive string, bytes, total int64)

	lock   sync.Mutex // guards found
	found  map[Package]location
	opened map[Package]archive
}

// location is where a package's archive lies, and by what it is recognised.
type location struct {
	url    *url.URL // file:///… for one on this machine
	name   string   // of the archive, for people
	digest digest
}

// archive is an opened package.
type archive interface {
	// open returns the content of the archive's file of that path, which has size bytes.
	open(ctx context.Context, path string, size int64) (io.ReadCloser, error)
	close() error
}

// Find asks the registry for the package. It fetches no archive.
func (c *Client) Find(ctx context.Context, p Package) error {
	_, err := c.locate(ctx, p)
	return err
}

func (c *Client) locate(ctx context.Context, p Package) (location, error) {
	c.lock.Lock()
	l, ok := c.found[p]
	c.lock.Unlock()
	if ok {
		return l, nil
	}
	find := c.findNPM
	if p.Kind == PyPI {
		find = c.findPyPI
	}
	l, err := find(ctx, p)
	if err != nil {
		return location{}, fmt.Errorf("%s: %w", p, err)
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.found == nil {
		c.found = map[Package]location{}
	}
	c.found[p] = l
	return l, nil
}

// Open returns the content of the file at path in the package, which must have size bytes. The caller closes it.
func (c *Client) Open(ctx context.Context, p Package, path string, size int64) (io.ReadCloser, error) {
	a, ok := c.opened[p]
	if !ok {
		l, err := c.locate(ctx, p)
		if err != nil {
			return nil, err
		}
		open := c.openTarball
		if p.Kind == PyPI {
			open = c.openWheel
		}
		if a, err = open(ctx, l); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", p, l.name, err)
		}
		if c.opened == nil {
			c.opened = map[Package]archive{}
		}
		c.opened[p] = a
	}
	content, err := a.open(ctx, path, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return content, nil
}

// Close removes what Open has fetched.
func (c *Client) Close() error {
	var err error
	for _, a := range c.opened {
		err = errors.Join(err, a.close())
	}
	c.opened = nil
	return err
}

const op = "models.registry"

func fatal(format string, args ...any) error { return schema.Fatal(op, fmt.Errorf(format, args...)) }

// get asks for an address. An answer other than 200 and 206 is an error: Fatal for 404 and 410, else Transient.
func (c *Client) get(ctx context.Context, u *url.URL, header map[string]string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, schema.Fatal(op, err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, schema.Transient(op, err)
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		return response, nil
	}
	response.Body.Close()
	err = fmt.Errorf("%s answers %s", u.Redacted(), response.Status)
	if response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusGone {
		return nil, schema.Fatal(op, err)
	}
	return nil, schema.Transient(op, err)
}

// maxIndex bounds what a registry may say about one package.
const maxIndex = 64 << 20

// index reads what a registry says about a package, and its media type.
func (c *Client) index(ctx context.Context, u *url.URL, accept string) (text []byte, media string, at *url.URL, err error) {
	response, err := c.get(ctx, u, map[string]string{"Accept": accept})
	if err != nil {
		return nil, "", nil, err
	}
	defer response.Body.Close()
	text, err = io.ReadAll(io.LimitReader(response.Body, maxIndex+1))
	if err != nil {
		return nil, "", nil, schema.Transient(op, fmt.Errorf("%s: %w", u.Redacted(), err))
	}
	if len(text) > maxIndex {
		return nil, "", nil, fatal("%s says more than %d bytes", u.Redacted(), maxIndex)
	}
	return text, response.Header.Get("Content-Type"), response.Request.URL, nil
}

func unmarshal(u *url.URL, text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return fatal("%s: %w", u.Redacted(), err)
	}
	return nil
}

// resolve returns the address that a registry's page at names, with the page's credentials if it is on the same host.
func resolve(at *url.URL, address string) (*url.URL, error) {
	u, err := at.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fatal("%s names the address %q", at.Redacted(), address)
	}
	if u.Host == at.Host && u.User == nil {
		u.User = at.User
	}
	return u, nil
}

// maxArchive bounds an archive that is fetched whole.
const maxArchive = 4 << 30

// save brings an archive to a temporary file, checks its digest and returns the file, which the caller closes and removes.
func (c *Client) save(l location, from io.Reader, total int64) (_ *os.File, err error) {
	file, err := os.CreateTemp("", "facestream-package-*")
	if err != nil {
		return nil, schema.Fatal(op, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, drop(file))
		}
	}()
	check := l.digest.check()
	counted := &counter{from: io.LimitReader(from, maxArchive), tell: func(n int64) {
		if c.Progress != nil {
			c.Progress(l.name, n, total)
		}
	}}
	n, err := io.Copy(io.MultiWriter(file, check), counted)
	switch {
	case err != nil:
		return nil, schema.Transient(op, fmt.Errorf("broke off after %d bytes: %w", n, err))
	case !check.right():
		return nil, fatal("refused: its %s is not the one that the registry promised (%d bytes came)", l.digest.algorithm, n)
	}
	return file, nil
}

func drop(file *os.File) error { return errors.Join(file.Close(), os.Remove(file.Name())) }

// counter tells how many bytes were read.
type counter struct {
	from io.Reader
	n    int64
	tell func(n int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}
