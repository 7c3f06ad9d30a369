package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// most is how many bytes all files together may have: what a phone loads before it shows anything.
const most = 300_000

func TestSize(t *testing.T) {
	total := 0
	for name, f := range files {
		if len(f.content) == 0 || f.kind == "" {
			t.Errorf("%s: %d bytes of type %q", name, len(f.content), f.kind)
		}
		total += len(f.content)
	}
	if total > most {
		t.Errorf("%d files have %d bytes; at most %d", len(files), total, most)
	}
	t.Logf("%d files, %d bytes", len(files), total)
}

// serve is the console as a gateway serves it.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Serve(w, r) {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, method, url, tag string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestHeaders(t *testing.T) {
	server := serve(t)
	for name, f := range files {
		at := server.URL + "/console/" + name
		res, body := get(t, http.MethodGet, at, "")
		if res.StatusCode != 200 || body != string(f.content) || res.Header.Get("Content-Type") != f.kind {
			t.Errorf("%s: %d, %d bytes, %q", name, res.StatusCode, len(body), res.Header.Get("Content-Type"))
		}
		for header, want := range map[string]string{
			"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY", "Cache-Control": "no-cache", "Etag": f.tag,
		} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if res, body := get(t, http.MethodGet, at, f.tag); res.StatusCode != 304 || body != "" {
			t.Errorf("%s again: %d, %d bytes", name, res.StatusCode, len(body))
		}
		if res, body := get(t, http.MethodHead, at, ""); res.StatusCode != 200 || body != "" || res.ContentLength != int64(len(f.content)) {
			t.Errorf("the head of %s: %d, %d bytes of %d", name, res.StatusCode, len(body), res.ContentLength)
		}
	}
}

func TestPaths(t *testing.T) {
	server := serve(t)
	res, _ := get(t, http.MethodGet, server.URL+"/", "")
	if res.StatusCode != 302 || res.Header.Get("Location") != "/console" {
		t.Errorf("/: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	if res, body := get(t, http.MethodGet, server.URL+"/console", ""); res.StatusCode != 200 || !strings.HasPrefix(body, "<!doctype html>") {
		t.Errorf("/console: %d %.40s", res.StatusCode, body)
	}
	for _, at := range []string{"/console/", "/console/console.go", "/console/web/index.html", "/console/..%2fconsole.go", "/console/%2e%2e/console.go", "/console/APP.JS", "/console/app.js/x", "/console/app.js%00"} {
		if res, _ := get(t, http.MethodGet, server.URL+at, ""); res.StatusCode != 404 {
			t.Errorf("%s: %d", at, res.StatusCode)
		}
	}
}

var (
	hosts    = regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]|url\(`)
	imports  = regexp.MustCompile(`(?m)^(?:import|export) .*from '([^']+)'`)
	linked   = regexp.MustCompile(`(?:href|src)="console/([^"]+)"`)
	dangers  = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage`)
	inlined  = regexp.MustCompile(`<style|\sstyle="|\son[a-z]+="|<script(?:>| type="module">)|javascript:`)
	ourSpace = "http://www.w3.org/2000/svg"
)

// The files name no other host, load only each other, and hold nothing that the policy forbids. The browser's tests see that it works; this
// sees what they may not come past.
func TestContent(t *testing.T) {
	loaded := []string{home}
	for name, f := range files {
		text := strings.ReplaceAll(string(f.content), ourSpace, "")
		if found := hosts.FindString(text); found != "" {
			t.Errorf("%s names %q", name, found)
		}
		if found := dangers.FindString(text); found != "" {
			t.Errorf("%s uses %q", name, found)
		}
		if found := inlined.FindString(text); path.Ext(name) == ".html" && found != "" {
			t.Errorf("%s has %q, which the policy forbids", name, found)
		}
		for _, x := range imports.FindAllStringSubmatch(text, -1) {
			loaded = append(loaded, strings.TrimPrefix(x[1], "./"))
		}
		for _, x := range linked.FindAllStringSubmatch(text, -1) {
			loaded = append(loaded, x[1])
		}
	}
	for _, name := range loaded {
		if _, ok := files[name]; !ok {
			t.Errorf("%s is loaded and is not there", name)
		}
	}
	for name := range files {
		if !slices.Contains(loaded, name) {
			t.Errorf("%s is there and is not loaded", name)
		}
	}
}
