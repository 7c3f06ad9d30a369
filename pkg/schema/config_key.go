package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ConfigKey describes one key of [OperationConfig].
type ConfigKey struct {
	Name       string
	Type       string  // as in JSON Schema: "string", "integer", "number" or "boolean"
	Default    any     // string, int64, float64 or bool; nil where the key has none
	Range      *Range  // the values that a number may have; nil where Enum lists them
	Enum       []Value // the values allowed; nil where they are not listed
	Pattern    string  // a regular expression that a string must match; "" for none
	MaxLength  int     // most bytes of a string; 0 for no limit
	Unit       string
	Group      string
	Added      bool       // not a key of the CryptoNets SDK
	Strictness Strictness // which values are stricter; "" where the operator can set no floor
	Doc        string
	Effect     string // what the key does in this version; "" where Idle says why it does nothing
	Idle       string

	field   func(*OperationConfig) any // points to the field that holds the key; nil where Idle says why nothing reads it
	pattern *regexp.Regexp
}

// Range is an interval of numbers. Min belongs to it unless OpenMin is set; Max belongs to it.
type Range struct {
	Min, Max float64
	OpenMin  bool
}

// String writes the interval as "0..1", or as "above 0, up to 10".
func (r Range) String() string {
	if r.OpenMin {
		return fmt.Sprintf("above %s, up to %s", number(r.Min), number(r.Max))
	}
	return number(r.Min) + ".." + number(r.Max)
}

func (r Range) contains(x float64) bool {
	return x <= r.Max && (x > r.Min || x == r.Min && !r.OpenMin)
}

// Value is one allowed value of a key, a string or an int64. Meaning is "" where the value explains itself.
type Value struct {
	Value   any
	Meaning string
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// Allowed describes the values that the key takes, for instance "a number, 0..1".
func (k ConfigKey) Allowed() string {
	article := map[string]string{"string": "a string", "integer": "an integer", "number": "a number", "boolean": "true or false"}[k.Type]
	var listed []string
	for _, v := range k.Enum {
		if s, ok := v.Value.(string); ok {
			listed = append(listed, strconv.Quote(s))
		} else {
			listed = append(listed, fmt.Sprint(v.Value))
		}
	}
	switch {
	case listed != nil:
		return "one of " + strings.Join(listed, ", ")
	case k.Range != nil:
		return article + ", " + k.Range.String()
	case k.Pattern != "":
		return article + " that matches " + k.Pattern
	case k.MaxLength > 0:
		return fmt.Sprintf("%s of at most %d bytes", article, k.MaxLength)
	}
	return article
}

// ConfigKeys returns every key, in the order of docs/operation-config.md.
func ConfigKeys() []ConfigKey { return slices.Clone(configKeys()) }

// configKeys returns the table, completed with what follows from its entries: type, group and compiled pattern.
var configKeys = sync.OnceValue(func() []ConfigKey {
	var all []ConfigKey
	for _, section := range configTable {
		for _, k := range section.keys {
			k.Group = section.group
			k.Default = scalar(k.Default)
			k.Enum = slices.Clone(k.Enum)
			for i := range k.Enum {
				k.Enum[i].Value = scalar(k.Enum[i].Value)
			}
			switch k.Default.(type) {
			case string:
				k.Type = "string"
			case int64:
				k.Type = "integer"
			case float64:
				k.Type = "number"
			case bool:
				k.Type = "boolean"
			}
			if k.Pattern != "" {
				k.pattern = regexp.MustCompile(k.Pattern)
			}
			all = append(all, k)
		}
	}
	return all
})

// scalar turns an int literal of the table into the int64 that [ConfigKey] promises.
func scalar(x any) any {
	if n, ok := x.(int); ok {
		return int64(n)
	}
	return x
}

func configNames() []string {
	keys := configKeys()
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return names
}

func keyNamed(name string) *ConfigKey {
	keys := configKeys()
	if i := slices.IndexFunc(keys, func(k ConfigKey) bool { return k.Name == name }); i >= 0 {
		return &keys[i]
	}
	return nil
}

// set stores x, which must have the key's type, in c. It does not store a key that nothing reads.
func (k *ConfigKey) set(c *OperationConfig, x any) {
	if k.field == nil {
		return
	}
	f := reflect.ValueOf(k.field(c)).Elem()
	if f.Kind() == reflect.Pointer {
		f.Set(reflect.New(f.Type().Elem()))
		f = f.Elem()
	}
	f.Set(reflect.ValueOf(x).Convert(f.Type()))
}

// value returns what c holds for the key. ok is false where c holds nothing.
func (k *ConfigKey) value(c *OperationConfig) (x any, ok bool) {
	if k.field == nil {
		return nil, false
	}
	f := reflect.ValueOf(k.field(c)).Elem()
	if f.Kind() == reflect.Pointer {
		if f.IsNil() {
			return nil, false
		}
		f = f.Elem()
	}
	return f.Interface(), true
}

// parse reads a value of the key. problem says what is wrong with it; it is "" for a good value. It does not repeat the
// value, because a string may name a person.
func (k *ConfigKey) parse(raw json.RawMessage) (x any, problem string) {
	wrong := func(what string) (any, string) { return nil, what + "; it must be " + k.Allowed() }
	if got := kindOf(raw); got == "null" {
		return nil, "is null; leave the key out to get its default"
	} else if got != k.Type && !(got == "number" && k.Type == "integer") {
		return wrong("is " + withArticle(got))
	}
	switch k.Type {
	case "boolean":
		return raw[0] == 't', ""
	case "string":
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return wrong("is not a string")
		}
		if HalfCharacter(raw) {
			return nil, halfACharacter
		}
		if k.Enum != nil && !k.lists(s) || k.MaxLength > 0 && len(s) > k.MaxLength || k.pattern != nil && !k.pattern.MatchString(s) {
			return wrong("has a value that is not allowed")
		}
		return s, ""
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return wrong("is out of range")
	}
	if k.Type == "integer" {
		if f != math.Trunc(f) {
			return wrong("is " + number(f))
		}
		if math.Abs(f) > 1<<53 || k.Enum != nil && !k.lists(int64(f)) {
			return wrong("is not allowed")
		}
		x = int64(f)
	} else {
		f = float64(float32(f)) // what is kept is what is checked: 1e-99 would become a 0 that the range may exclude
		x = f
	}
	if k.Range != nil && !k.Range.contains(f) {
		return wrong("is out of range")
	}
	return x, ""
}

func (k *ConfigKey) lists(x any) bool {
	return slices.ContainsFunc(k.Enum, func(v Value) bool { return v.Value == x })
}
