// Package console is the web console: files that a browser loads from the gateway and that use its HTTP API like any other program. They
// hold no data. Without a token they show the question for one.
//
// web/ has the files as they are served: HTML, CSS and ES modules, with no build step and no library. The policy below lets them run
// nothing that did not come from there, send nothing to another host, and make no markup of text.
package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed web
var web embed.FS

// file is a file as it is served.
type file struct {
	content   []byte
	kind, tag string // Content-Type, ETag
}

// home is the page. The others are what it loads.
const home = "index.html"

// policy is the Content-Security-Policy. Pictures come with a token and are shown from memory, hence blob.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// files are all files by name.
var files = func() map[string]file {
	all := map[string]file{}
	entries, err := fs.ReadDir(web, "web")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	for _, e := range entries {
		content, err := fs.ReadFile(web, "web/"+e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		all[e.Name()] = file{content, kindOf(e.Name()), `"` + hex.EncodeToString(sum[:12]) + `"`}
	}
	return all
}()

// kindOf does not ask the machine, whose tables differ.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// Serve answers GET and HEAD of /, /console and /console/FILE. It returns false, and answers nothing, where there is no such file.
func Serve(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	if r.URL.Path == "/" {
		h.Set("Location", "/console")
		w.WriteHeader(http.StatusFound)
		return true
	}
	name := strings.TrimPrefix(r.URL.Path, "/console/")
	if r.URL.Path == "/console" {
		name = home
	}
	f, ok := files[name]
	if !ok {
		return false
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=(), payment=(), usb=()")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-cache") // asked for again each time, by the tag, so that all files are of one version
	h.Set("ETag", f.tag)
	h.Set("Content-Type", f.kind)
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	h.Set("Content-Length", strconv.Itoa(len(f.content)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.content)
	}
	return true
}
