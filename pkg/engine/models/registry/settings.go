package registry

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Settings say where packages come from.
type Settings struct {
	PyPI      string            // address of the simple index; "" where nothing names one
	NoIndex   bool              // only the folders are looked at
	FindLinks []string          // folders that may have wheels; they are looked at first
	NPM       string            // address of the registry; "" where nothing names one
	Scopes    map[string]string // "@scope" -> address of the registry that has it
}

// UserSettings are those of pip and npm: their environment variables, else their configuration files, else what the
// programs themselves have as their default. Of pip's: index-url, find-links and no-index; of npm's: registry and
// @scope:registry. An address may have a user and a password.
func UserSettings(ctx context.Context) Settings {
	home, _ := os.UserHomeDir()
	configDir := cmp.Or(os.Getenv("XDG_CONFIG_HOME"), filepath.Join(home, ".config"))
	pip := map[string]string{}
	for _, file := range []string{
		"/etc/pip.conf",
		filepath.Join(home, ".pip", "pip.conf"),
		filepath.Join(configDir, "pip", "pip.conf"),
		os.Getenv("PIP_CONFIG_FILE"),
	} {
		maps.Copy(pip, readINI(file, "global", "install", "download"))
	}
	for _, key := range []string{"index-url", "find-links", "no-index"} {
		name := "PIP_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
		if value := os.Getenv(name); value != "" {
			pip[key] = value
		}
	}
	npm := map[string]string{}
	for _, file := range []string{
		"/etc/npmrc",
		cmp.Or(os.Getenv("npm_config_userconfig"), os.Getenv("NPM_CONFIG_USERCONFIG"), filepath.Join(home, ".npmrc")),
	} {
		maps.Copy(npm, readINI(file, ""))
	}
	s := Settings{
		PyPI:   pip["index-url"],
		NPM:    cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY"), npm["registry"]),
		Scopes: map[string]string{},
	}
	no := strings.ToLower(pip["no-index"])
	s.NoIndex = no != "" && no != "0" && no != "false" && no != "no" && no != "off"
	if s.PyPI == "" && !s.NoIndex {
		s.PyPI = address(pipDefault, ask(ctx, "pip3", "download", "--help"), ask(ctx, "python3", "-m", "pip", "download", "--help"))
	}
	if s.NPM == "" {
		s.NPM = address(npmDefault, ask(ctx, "npm", "config", "get", "registry"))
	}
	for link := range strings.FieldsSeq(pip["find-links"]) {
		if u, err := url.Parse(link); err == nil && u.Scheme == "file" {
			link = u.Path
		}
		s.FindLinks = append(s.FindLinks, link)
	}
	for key, value := range npm {
		if scope, ok := strings.CutSuffix(key, ":registry"); ok && strings.HasPrefix(scope, "@") {
			s.Scopes[scope] = value
		}
	}
	return s
}

// The answers in which pip and npm name the registry that they ask by default. pip breaks its help into lines.
var (
	pipDefault = regexp.MustCompile(`--index-url <url>[^()]*\(default\s+(https?://[^\s)]+)`)
	npmDefault = regexp.MustCompile(`^\s*(https?://\S+)\s*$`)
)

// ask returns a question to a program of the machine.
func ask(ctx context.Context, program string, args ...string) func() string {
	return func() string {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, program, args...).Output()
		if err != nil { // it is not here, or it does not work: the next one is asked
			return ""
		}
		return string(out)
	}
}

// address returns the first address that pattern finds in the answers.
func address(pattern *regexp.Regexp, questions ...func() string) string {
	for _, question := range questions {
		if m := pattern.FindStringSubmatch(question()); m != nil {
			return m[1]
		}
	}
	return ""
}

// registry returns the address of the npm registry that has the package.
func (s Settings) registry(name string) string {
	if scope, _, ok := strings.Cut(name, "/"); ok && s.Scopes[scope] != "" {
		return s.Scopes[scope]
	}
	return s.NPM
}

// readINI returns the settings in the named sections of a file; later sections win. A file that cannot be read has none.
func readINI(path string, sections ...string) map[string]string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	found := make([]map[string]string, len(sections))
	section, key := "", ""
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[' && line[len(line)-1] == ']':
			section, key = line[1:len(line)-1], ""
			continue
		}
		for i, wanted := range sections {
			if section != wanted {
				continue
			}
			if found[i] == nil {
				found[i] = map[string]string{}
			}
			if lines.Text()[0] == ' ' || lines.Text()[0] == '\t' { // a value goes on
				found[i][key] = fmt.Sprint(found[i][key], " ", line)
				continue
			}
			name, value, _ := strings.Cut(line, "=")
			key = strings.ReplaceAll(strings.TrimSpace(name), "_", "-")
			found[i][key] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	all := map[string]string{}
	for _, f := range found {
		maps.Copy(all, f)
	}
	return all
}
