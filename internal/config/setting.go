package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"facestream/pkg/schema"
)

// envPrefix begins every variable that facestream reads.
const envPrefix = "FACESTREAM_"

// setting is one leaf of [Config] as its struct tags describe it.
type setting struct {
	key   string   // in the file, with dots: "kafka.session_timeout"
	envs  []string // variables that set it, the short one first; none: the file alone can set it
	flag  string   // without dashes; "" where there is none
	field reflect.StructField
	index []int // of the field in Config, as reflect.Value.FieldByIndex wants it
}

func (s setting) value(c *Config) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(s.index)
}

// listsStructs reports whether t is a list of entries with keys of their own, which only the file can set.
func listsStructs(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// settings lists the leaves in the order of the struct. Lists of structs have neither variable nor flag, because such a list
// has no short text; secrets have no flag, because every user of a machine can read the arguments of a process.
func settings() []setting {
	var out []setting
	var walk func(t reflect.Type, prefix string, index []int)
	walk = func(t reflect.Type, prefix string, index []int) {
		for i := range t.NumField() {
			f := t.Field(i)
			s := setting{key: prefix + f.Tag.Get("yaml"), field: f, index: append(slices.Clone(index), i)}
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, s.key+".", s.index)
				continue
			}
			if !listsStructs(f.Type) {
				if short := f.Tag.Get("env"); short != "" {
					s.envs = append(s.envs, envPrefix+short)
				}
				s.envs = append(s.envs, envPrefix+strings.ToUpper(strings.ReplaceAll(s.key, ".", "_")))
				if f.Type != reflect.TypeFor[schema.Secret]() {
					s.flag = strings.NewReplacer(".", "-", "_", "-").Replace(s.key)
				}
			}
			out = append(out, s)
		}
	}
	walk(reflect.TypeFor[Config](), "", nil)
	return out
}

// sections lists the keys of the top level that hold further keys.
func sections() []string {
	var out []string
	for f := range fieldsOf(reflect.TypeFor[Config]()) {
		if f.Type.Kind() == reflect.Struct {
			out = append(out, f.Tag.Get("yaml"))
		}
	}
	return out
}

func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// mayBeEmpty reports whether the empty text is a value of the setting.
func (s setting) mayBeEmpty() bool {
	switch s.field.Type.Kind() {
	case reflect.String, reflect.Slice:
		return s.field.Tag.Get("oneof") == "" && !slices.Contains(s.checks(), "nonempty")
	}
	return false
}

func (s setting) checks() []string { return strings.Split(s.field.Tag.Get("check"), ",") }

// typeName is the word for the setting's type in --help and in the documentation.
func (s setting) typeName() string {
	switch s.field.Type {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return "size"
	case reflect.TypeFor[schema.Secret]():
		return "secret"
	case reflect.TypeFor[[]string]():
		return "list"
	case reflect.TypeFor[[]Route]():
		return "routes"
	case reflect.TypeFor[[]Defaults]():
		return "defaults"
	case reflect.TypeFor[[]Floor]():
		return "floors"
	case reflect.TypeFor[[]CollectionModels]():
		return "assignments"
	case reflect.TypeFor[[]APIKey]():
		return "keys"
	}
	return s.field.Type.Kind().String()
}

// setText parses text into v, a leaf of Config or of Route.
func setText(v reflect.Value, text string) error {
	var parsed any
	var err error
	switch v.Interface().(type) {
	case time.Duration:
		parsed, err = ParseDuration(strings.TrimSpace(text))
	case Bytes:
		parsed, err = parseBytes(strings.TrimSpace(text))
	case []string:
		parsed = splitList(text)
	default:
		switch v.Kind() {
		case reflect.Bool:
			parsed, err = parseBool(strings.TrimSpace(text))
		case reflect.Int:
			parsed, err = parseInt(strings.TrimSpace(text))
		case reflect.String:
			parsed = text
		default:
			err = fmt.Errorf("is not one value but holds further ones")
		}
	}
	if err != nil {
		return err
	}
	v.Set(reflect.ValueOf(parsed).Convert(v.Type()))
	return nil
}

// splitList splits at commas and drops what is empty.
func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// Default returns the defaults of the struct tags. What follows from other settings is still empty: see [Config.Resolve].
func Default() Config {
	var c Config
	for _, s := range settings() {
		if text, ok := s.field.Tag.Lookup("default"); ok {
			if err := setText(s.value(&c), text); err != nil {
				panic(fmt.Sprintf("config: the tag default of %s: %v", s.key, err)) // a mistake in this package; its tests parse every tag
			}
		}
	}
	return c
}

// flagText keeps what was typed. [Load] parses it, so that a bad flag is reported together with all other problems.
type flagText struct{ text, typ string }

func (f *flagText) Set(s string) error { f.text = s; return nil }
func (f *flagText) String() string     { return f.text }
func (f *flagText) Type() string       { return f.typ }

// BindFlags adds one flag to fs for every setting that has one. Hand the same set to [Load] after it was parsed.
func BindFlags(fs *pflag.FlagSet) {
	for _, s := range settings() {
		if s.flag == "" {
			continue
		}
		f := fs.VarPF(&flagText{s.field.Tag.Get("default"), s.typeName()}, s.flag, "", s.field.Tag.Get("doc"))
		if s.field.Type.Kind() == reflect.Bool {
			f.NoOptDefVal = "true"
		}
	}
}
