package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"facestream/pkg/schema"
)

// FileEnv is the environment variable that names the configuration file if the caller names none.
const FileEnv = envPrefix + "CONFIG"

// Problem is one thing that is wrong with the configuration. Name is what the operator typed: a key with its file and
// line, a variable or a flag. For a default it is the key alone.
type Problem struct {
	Name    string
	Message string
}

// Problems holds everything that is wrong with a configuration.
type Problems []Problem

// Error lists the problems, one per line.
func (p Problems) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is not usable:")
	for _, x := range p {
		fmt.Fprintf(&b, "\n  %s: %s", x.Name, x.Message)
	}
	return b.String()
}

// Load reads the configuration: the defaults, then file (YAML; "" means the file that FACESTREAM_CONFIG names, if any),
// then environ (as [os.Environ] gives it), then the flags that were set (nil means none). It resolves and validates the
// configuration. The error is [Problems] unless the file cannot be read.
func Load(file string, environ []string, flags *pflag.FlagSet) (Config, error) {
	l := loader{config: Default(), names: map[string]string{}}
	env := map[string]string{}
	for _, kv := range environ {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, envPrefix) {
			env[name] = value
		}
	}
	if file == "" {
		file = env[FileEnv]
	}
	if file != "" {
		if err := l.file(file); err != nil {
			return Config{}, err
		}
	}
	l.environment(env)
	if flags != nil {
		l.flags(flags)
	}
	l.config.Resolve()
	// A value that did not parse left its predecessor in place, so its key is not reported a second time.
	l.problems = append(l.problems, l.config.validate(l.name)...)
	if len(l.problems) > 0 {
		return Config{}, l.problems
	}
	return l.config, nil
}

// Validate reports every problem of c by its key in the file. [Load] calls it.
func (c *Config) Validate() error {
	if p := c.validate(func(key string) string { return key }); len(p) > 0 {
		return p
	}
	return nil
}

// loader collects the values, where each came from, and what was wrong.
type loader struct {
	config   Config
	names    map[string]string // key -> what the operator typed
	problems Problems
}

func (l *loader) name(key string) string {
	if n, ok := l.names[key]; ok {
		return n
	}
	return key
}

func (l *loader) problem(name, format string, args ...any) {
	l.problems = append(l.problems, Problem{name, fmt.Sprintf(format, args...)})
}

// set parses text into the setting and remembers where it came from.
func (l *loader) set(s setting, name, text string) {
	if err := setText(s.value(&l.config), text); err != nil {
		l.problem(name, "%v", err)
		return
	}
	l.names[s.key] = name
}

func (l *loader) environment(env map[string]string) {
	known := map[string]bool{}
	for _, s := range settings() {
		var given []string
		for _, name := range s.envs {
			known[name] = true
			// Compose files pass empty variables. An empty variable empties a setting that may be empty, and is ignored
			// otherwise.
			if text, ok := env[name]; ok && (text != "" || s.mayBeEmpty()) {
				given = append(given, name)
			}
		}
		if len(given) == 0 {
			continue
		}
		if len(given) > 1 && env[given[0]] != env[given[1]] {
			l.problem(given[0], "contradicts %s; set one of them", given[1])
		}
		l.set(s, given[0], env[given[0]])
	}
	var unknown []string
	for name := range env {
		if !known[name] && !serviceLink.MatchString(name) && slices.ContainsFunc(sections(), func(section string) bool {
			return strings.HasPrefix(name, envPrefix+strings.ToUpper(section)+"_")
		}) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		l.problem(name, "is not a setting%s; docs/configuration.md lists them all", schema.Suggest(name, slices.Sorted(maps.Keys(known))))
	}
}

// serviceLink matches the variables that Kubernetes and Docker links add for every service. A variable of a service
// called facestream-worker is not a misspelt setting.
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

func (l *loader) flags(fs *pflag.FlagSet) {
	for _, s := range settings() {
		if f := fs.Lookup(s.flag); s.flag != "" && f != nil && f.Changed {
			l.set(s, "--"+s.flag, f.Value.String())
		}
	}
}

func (l *loader) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the configuration file: %w", err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // an empty file
		return nil
	case err != nil:
		hint := ""
		if strings.Contains(err.Error(), "cannot start any token") {
			hint = " (YAML is indented with spaces, not with tabs)"
		}
		return fmt.Errorf("read the configuration file %s: %w%s", path, err, hint)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the configuration file %s: it contains more than one YAML document", path)
	}
	l.node(path, doc.Content[0], reflect.ValueOf(&l.config).Elem(), "")
	return nil
}

// node reads n into v. key is the path of v in the file.
func (l *loader) node(path string, n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	name := fmt.Sprintf("%s (%s:%d)", key, path, n.Line)
	if key == "" {
		name = path
	}
	if n.Tag == "!!null" { // a key without a value keeps the default
		return
	}
	_, isList := v.Interface().([]string)
	switch {
	case v.Kind() == reflect.Struct:
		if n.Kind != yaml.MappingNode {
			l.problem(name, "is %s; it must be a section with keys, such as %s", kindOf(n), fieldNames(v.Type())[0])
			return
		}
		l.mapping(path, n, v, key)
		return
	case v.Kind() == reflect.Map:
		if n.Kind != yaml.MappingNode {
			l.problem(name, "is %s; it must be keys with values", kindOf(n))
			return
		}
		if err := n.Decode(v.Addr().Interface()); err != nil {
			l.problem(name, "%v", err)
			return
		}
	case v.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, item := range n.Content {
			l.node(path, item, out.Index(i), fmt.Sprintf("%s[%d]", key, i))
		}
		v.Set(out)
	case v.Kind() == reflect.Slice && !isList:
		l.problem(name, "is %s; it must be a list", kindOf(n))
		return
	case n.Kind != yaml.ScalarNode:
		l.problem(name, "is %s; it must be one value", kindOf(n))
		return
	default:
		if err := setText(v, n.Value); err != nil {
			l.problem(name, "%v", err)
			return
		}
	}
	l.names[key] = name
}

func (l *loader) mapping(path string, n *yaml.Node, v reflect.Value, key string) {
	keys := fieldNames(v.Type())
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		full := strings.TrimPrefix(key+"."+k.Value, ".")
		name := fmt.Sprintf("%s (%s:%d)", full, path, k.Line)
		if seen[k.Value] {
			l.problem(name, "is given twice")
			continue
		}
		seen[k.Value] = true
		found := false
		for f := range fieldsOf(v.Type()) {
			if f.Tag.Get("yaml") == k.Value {
				found = true
				l.node(path, n.Content[i+1], v.FieldByIndex(f.Index), full)
			}
		}
		if !found {
			l.problem(name, "is not a setting%s; here are %s", schema.Suggest(k.Value, keys), strings.Join(keys, ", "))
		}
	}
}

// fieldNames returns the keys of a section.
func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range fieldsOf(t) {
		names = append(names, f.Tag.Get("yaml"))
	}
	return names
}

// kindOf says what n is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section with keys"
	case yaml.SequenceNode:
		return "a list"
	}
	return "one value"
}
