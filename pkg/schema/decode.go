package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a request, checked before it is decoded (invariant 8).
const (
	MaxRequestBytes = 1 << 20
	MaxRequestDepth = 16 // nested objects and arrays
	MaxConfigBytes  = 64 << 10
)

// DecodeRequest decodes a value of the topic facestream.requests strictly. Every field that is unknown, repeated, null
// or of the wrong type is a problem, and so is anything after the request. Names are case-sensitive. Fields without a
// problem are set even if others have one, so a rejection can name the request. Data that is not a JSON object has the
// reason unparsable. DecodeRequest calls neither [Request.Normalize] nor [ResolveConfig].
func DecodeRequest(data []byte) (Request, Problems) {
	var r Request
	var ps Problems
	whole := func(reason Reason, format string, args ...any) (Request, Problems) {
		return Request{}, Problems{{"request", fmt.Sprintf(format, args...), reason}}
	}
	switch {
	case len(data) > MaxRequestBytes:
		return whole(ReasonInvalidRequest, "has %d bytes; at most %d are allowed", len(data), MaxRequestBytes)
	case !utf8.Valid(data):
		return whole(ReasonUnparsable, "is not UTF-8")
	case depth(data) > MaxRequestDepth:
		return whole(ReasonInvalidRequest, "is nested too deeply; at most %d levels are allowed", MaxRequestDepth)
	}
	members, err := objectMembers(data)
	if err != nil {
		return whole(ReasonUnparsable, "%v", err)
	}
	decodeStruct(members, reflect.ValueOf(&r).Elem(), "", &ps)
	return r, ps
}

// depth returns how deeply objects and arrays are nested in data, which need not be valid JSON.
func depth(data []byte) int {
	var now, most int
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			most = max(most, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return most
}

func decodeStruct(members []member, v reflect.Value, path string, ps *Problems) {
	fields := jsonFields(v.Type())
	seen := map[string]bool{}
	for _, m := range members {
		index, known := fields[m.name]
		switch {
		case (seen[m.name] || !known) && ps.enough():
		case seen[m.name]:
			ps.invalid(path+clip(m.name), "is given more than once")
		case !known:
			var names []string
			for n := range fields {
				names = append(names, n)
			}
			slices.Sort(names)
			ps.invalid(path+clip(m.name), "is not a field of the request"+Suggest(m.name, names))
		default:
			decodeValue(m.value, v.Field(index), path+m.name, ps)
		}
		seen[m.name] = true
	}
}

// jsonFields maps the JSON names of a struct type to its fields.
func jsonFields(t reflect.Type) map[string]int {
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	return fields
}

// decodeValue stores raw, a valid JSON value, in v, or adds the problem to ps.
func decodeValue(raw json.RawMessage, v reflect.Value, path string, ps *Problems) {
	got := kindOf(raw)
	expect := func(want string) bool {
		switch got {
		case want:
			return true
		case "null":
			ps.invalid(path, "is null; leave the field out instead")
		default:
			ps.invalid(path, "is "+withArticle(got)+"; it must be "+withArticle(want))
		}
		return false
	}
	switch x := v.Addr().Interface().(type) {
	case *json.RawMessage:
		*x = slices.Clone(raw)
		return
	case *Metadata:
		if expect("object") {
			*x = slices.Clone(Metadata(raw))
		}
		return
	case *time.Time:
		if expect("string") && x.UnmarshalJSON(raw) != nil {
			ps.invalid(path, "is not a time in RFC 3339, such as 2026-01-31T12:00:00Z")
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		var own Problems
		if decodeValue(raw, p.Elem(), path, &own); len(own) == 0 {
			v.Set(p)
		}
		for _, x := range own {
			ps.invalid(x.Field, x.Message)
		}
	case reflect.Struct:
		if !expect("object") {
			return
		}
		if members, err := objectMembers(raw); err != nil {
			ps.invalid(path, err.Error())
		} else {
			decodeStruct(members, v, path+".", ps)
		}
	case reflect.Slice:
		var items []json.RawMessage
		if !expect("array") || json.Unmarshal(raw, &items) != nil {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			decodeValue(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i), ps)
		}
	case reflect.String:
		switch {
		case !expect("string"):
		case HalfCharacter(raw):
			ps.invalid(path, halfACharacter)
		default:
			_ = json.Unmarshal(raw, v.Addr().Interface()) // raw is a valid JSON string
		}
	case reflect.Bool:
		if expect("boolean") {
			v.SetBool(raw[0] == 't')
		}
	case reflect.Int, reflect.Int64:
		if expect("number") && json.Unmarshal(raw, v.Addr().Interface()) != nil {
			ps.invalid(path, "is not a whole number in range")
		}
	default:
		panic("schema: DecodeRequest cannot decode a " + v.Type().String())
	}
}

// halfACharacter is the problem of a string for which HalfCharacter is true.
const halfACharacter = `contains half of a character (\ud800..\udfff without its other half); write the character itself`

func (p *Problems) invalid(field, message string) {
	if p.enough() {
		return
	}
	*p = append(*p, Problem{field, message, ReasonInvalidRequest})
}

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// objectMembers splits a JSON object into its members, repeats included, in their order.
func objectMembers(raw []byte) ([]member, error) {
	if got := kindOf(raw); got != "object" {
		return nil, fmt.Errorf("is %s; it must be an object", withArticle(got))
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	notJSON := func() error { return fmt.Errorf("is not JSON (near byte %d)", d.InputOffset()) } // the position, never the text
	if _, err := d.Token(); err != nil {
		return nil, notJSON()
	}
	var out []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, notJSON()
		}
		m := member{name: fmt.Sprint(name)}
		if err := d.Decode(&m.value); err != nil {
			return nil, notJSON()
		}
		out = append(out, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON()
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("has data after its end (byte %d)", d.InputOffset())
	}
	return out, nil
}

// kindOf names the kind of a JSON value by its first byte.
func kindOf(raw []byte) string {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return "empty"
	}
	switch c := raw[0]; {
	case c == '{':
		return "object"
	case c == '[':
		return "array"
	case c == '"':
		return "string"
	case c == 't' || c == 'f':
		return "boolean"
	case c == 'n':
		return "null"
	case c == '-' || c >= '0' && c <= '9':
		return "number"
	}
	return "not JSON"
}

func withArticle(kind string) string {
	switch kind {
	case "null", "empty", "not JSON":
		return kind
	case "object", "array":
		return "an " + kind
	}
	return "a " + kind
}

// clip makes an untrusted name printable: short, and quoted if it contains more than letters and digits.
func clip(name string) string {
	const most = 64
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	if !plainName.MatchString(name) {
		name = strconv.Quote(name)
	}
	return name
}

var plainName = regexp.MustCompile(`^[\pL\pN_.…-]+$`)

// Suggest returns the end of a message about an unknown name: " (did you mean …?)" with the closest known name, or ""
// if none is close.
func Suggest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	best, least := "", min(1+len(name)/3, 5)
	for _, k := range known {
		if d := EditDistance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// EditDistance returns how many bytes of a must be changed, left out or put in to make b (Levenshtein).
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
