package telemetry

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/rs/zerolog"
)

// zerolog prints values of other types (Interface, Any, Fields) as their JSON, which is complete where fmt hides what is
// private (invariant 6). The function that does it belongs to the zerolog package, not to a logger, so it is replaced
// here once, before any logger of the process can be used.
func init() { zerolog.InterfaceMarshalFunc = marshal }

// marshal is json.Marshal, except that values which decide how fmt prints them, as those of pkg/schema do to hide what is
// private, appear as that text, wherever they stand.
func marshal(v any) ([]byte, error) { return json.Marshal(printable(reflect.ValueOf(v), 0)) }

// deepest bounds how far printable follows pointers, which may lead back to where they came from.
const deepest = 20

// printable is v, or a copy of it in which every private value is replaced by its text.
func printable(v reflect.Value, depth int) any {
	if !v.IsValid() || !v.CanInterface() {
		return nil
	}
	if depth > deepest {
		return "…"
	}
	pointer := v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface
	if pointer && v.IsNil() {
		return nil
	}
	if err, ok := v.Interface().(error); ok {
		return err.Error()
	}
	if pointer {
		return printable(v.Elem(), depth+1)
	}
	p := reflect.New(v.Type()) // has the methods of the value and of a pointer to it
	p.Elem().Set(v)
	switch x := p.Interface().(type) {
	case fmt.Formatter:
		return fmt.Sprint(x)
	case json.Marshaler, encoding.TextMarshaler:
		return x
	}
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		fields(v, depth, out)
		return out
	case reflect.Map:
		out := map[string]any{}
		for k, e := range v.Seq2() {
			out[fmt.Sprint(k.Interface())] = printable(e, depth+1)
		}
		return out
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Interface() // bytes
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = printable(v.Index(i), depth+1)
		}
		return out
	}
	return v.Interface()
}

// fields adds the fields of a struct under the names that they have in JSON.
func fields(v reflect.Value, depth int, out map[string]any) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" && options == "", f.PkgPath != "" && !f.Anonymous, strings.Contains(options, "omitempty") && v.Field(i).IsZero():
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && !f.Type.Implements(reflect.TypeFor[fmt.Formatter]()):
			fields(v.Field(i), depth, out)
		case f.IsExported():
			if name == "" {
				name = f.Name
			}
			out[name] = printable(v.Field(i), depth+1)
		}
	}
}
