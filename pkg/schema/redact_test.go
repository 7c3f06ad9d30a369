package schema_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"facestream/pkg/schema"
	"facestream/pkg/schema/schematest"
)

// TestRedaction upholds invariant 6: no way of printing shows a planted value; JSON keeps it.
func TestRedaction(t *testing.T) {
	for name, v := range schematest.Private() {
		p := reflect.New(reflect.TypeOf(v))
		p.Elem().Set(reflect.ValueOf(v))
		pointer := p.Interface()
		slice := reflect.Append(reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(v)), 0, 1), reflect.ValueOf(v)).Interface()
		wrapped := struct{ Field any }{v}
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%f", "%t", "%10.3v", "%!"} {
				for _, x := range []any{v, pointer, slice, wrapped, map[string]any{"k": v}} {
					if got := fmt.Sprintf(verb, x); schematest.Leaks(got) {
						t.Errorf("%s of %T: %s", verb, x, got)
					}
				}
			}
			if got := fmt.Sprint(v, pointer, fmt.Errorf("op: %v", v)); schematest.Leaks(got) {
				t.Errorf("Sprint: %s", got)
			}
			b, err := json.Marshal(v)
			if err != nil || !schematest.Leaks(string(b)) {
				t.Errorf("the JSON of %s must carry its content: %s (%v)", name, b, err)
			}
		})
	}
}

// TestPrivateTypesAreRedacted: whatever is reachable from the events and holds a private value decides how it is
// printed, so that a new type cannot be forgotten in TestRedaction.
func TestPrivateTypesAreRedacted(t *testing.T) {
	known := schematest.Private()
	formatter := reflect.TypeFor[fmt.Formatter]()
	private := map[reflect.Type]bool{
		reflect.TypeFor[schema.PUID](): true, reflect.TypeFor[schema.ExternalID](): true,
		reflect.TypeFor[schema.Embedding](): true, reflect.TypeFor[schema.ObjectRef](): true, reflect.TypeFor[schema.Personal](): true, reflect.TypeFor[schema.Metadata](): true,
	}
	var holds func(t reflect.Type) bool
	holds = func(x reflect.Type) bool {
		if private[x] {
			return true
		}
		switch x.Kind() {
		case reflect.Pointer, reflect.Slice:
			return holds(x.Elem())
		case reflect.Struct:
			found := false
			for i := range x.NumField() {
				found = holds(x.Field(i).Type) || found
			}
			if found && x.PkgPath() == reflect.TypeFor[schema.PUID]().PkgPath() {
				if !x.Implements(formatter) {
					t.Errorf("%s holds private values and needs Format", x)
				}
				if known[x.Name()] == nil {
					t.Errorf("%s holds private values and is not in schematest.Private()", x)
				}
			}
			return found
		}
		return false
	}
	for _, x := range []reflect.Type{reflect.TypeFor[schema.Analysis](), reflect.TypeFor[schema.Result]()} {
		if !holds(x) {
			t.Errorf("%s holds nothing private; the search is broken", x)
		}
	}
}
