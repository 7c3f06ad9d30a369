package schema

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// planted is what must never be printed. It is a value of every private field of subjects.
const planted = "planted"

// plantedComponent makes a vector whose printed form would be recognisable.
const plantedComponent = 0.12345

func subjects() map[string]any {
	puid, external := PUID(planted+"-puid"), ExternalID(planted+"-external")
	ref := ObjectRef{Bucket: "faces", Key: "a/" + planted + "-key.jpg", Version: "v1"}
	embedding := Embedding{Model: "net@deadbeef", Vector: []float32{plantedComponent, -plantedComponent}}
	request := Request{
		ID: "req-1", Operation: OpEnroll, Collection: "employees", ExternalID: external, PUID: puid, Images: []ObjectRef{ref},
		Config: json.RawMessage(`{"identifier":"` + planted + `-identifier"}`), Tag: planted + "-tag", Consent: &Consent{Given: true, Reference: planted + "-consent"},
	}
	job := Job{Request: request, Digest: "00"}
	face := FaceResult{IDs: &FaceID{PUID: puid, GUID: "row"}}
	enroll := EnrollResponse{PUID: puid, GUID: "row"}
	candidate := Candidate{PUID: puid, GUID: "row", ExternalID: external, Score: 0.5}
	predict := PredictResponse{PUID: puid, List: []Candidate{candidate}}
	result := NewResult(&job, "", "")
	result.Faces, result.Enroll, result.Predict = []FaceResult{face}, &EnrollData{Response: &enroll}, &PredictData{Response: &predict}
	result.ISOImage = &ISOImageResult{Success: true, Image: &OutputImage{Object: ref}}
	result.Verify = &VerifyResult{PUID: puid, GUID: "row"}
	return map[string]any{
		"PUID": puid, "ExternalID": external, "ObjectRef": ref, "Embedding": embedding,
		"Request": request, "Job": job, "Analysis": Analysis{Job: job, Faces: []FaceResult{face}, Probes: []Embedding{embedding}}, "Result": *result,
		"FaceID": *face.IDs, "FaceResult": face, "EnrollResponse": enroll, "EnrollData": *result.Enroll,
		"ISOImageResult": *result.ISOImage, "OutputImage": *result.ISOImage.Image,
		"VerifyResult": *result.Verify, "Candidate": candidate, "PredictResponse": predict, "PredictData": *result.Predict,
	}
}

func leaks(s string) bool {
	vector := base64.StdEncoding.EncodeToString(EncodeVector([]float32{plantedComponent}))[:5]
	return strings.Contains(s, planted) || strings.Contains(s, fmt.Sprintf("%x", planted)) || strings.Contains(s, fmt.Sprintf("%X", planted)) ||
		strings.Contains(s, "1234") || strings.Contains(s, vector)
}

// TestRedaction upholds invariant 6: no way of printing or logging shows a planted value; JSON keeps it.
func TestRedaction(t *testing.T) {
	for name, v := range subjects() {
		p := reflect.New(reflect.TypeOf(v))
		p.Elem().Set(reflect.ValueOf(v))
		pointer := p.Interface()
		slice := reflect.Append(reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(v)), 0, 1), reflect.ValueOf(v)).Interface()
		wrapped := struct{ Field any }{v}
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%f", "%t", "%10.3v", "%!"} {
				for _, x := range []any{v, pointer, slice, wrapped, map[string]any{"k": v}} {
					if got := fmt.Sprintf(verb, x); leaks(got) {
						t.Errorf("%s of %T: %s", verb, x, got)
					}
				}
			}
			if got := fmt.Sprint(v, pointer, fmt.Errorf("op: %v", v)); leaks(got) {
				t.Errorf("Sprint: %s", got)
			}
			var log bytes.Buffer
			z := zerolog.New(&log)
			z.Info().Interface("i", v).Interface("p", pointer).Any("a", v).Msgf("%v", v)
			child := z.With().Interface("i", v).Logger()
			child.Info().Fields(map[string]any{"f": v, "p": pointer}).Msg("")
			if s, ok := v.(fmt.Stringer); ok {
				z.Info().Stringer("s", s).Msg(s.String())
			}
			if o, ok := v.(zerolog.LogObjectMarshaler); ok {
				z.Info().Object("o", o).EmbedObject(o).Msg("")
			}
			if leaks(log.String()) {
				t.Errorf("zerolog: %s", log.String())
			}
			b, err := json.Marshal(v)
			if err != nil || !leaks(string(b)) {
				t.Errorf("the JSON of %s must carry its content: %s (%v)", name, b, err)
			}
		})
	}
}

// TestPrivateTypesAreRedacted: whatever is reachable from the events and holds a private value takes over its printing and logging, so
// that a new type cannot be forgotten in TestRedaction.
func TestPrivateTypesAreRedacted(t *testing.T) {
	known := subjects()
	marshaler, formatter := reflect.TypeFor[zerolog.LogObjectMarshaler](), reflect.TypeFor[fmt.Formatter]()
	private := map[reflect.Type]bool{
		reflect.TypeFor[PUID](): true, reflect.TypeFor[ExternalID](): true,
		reflect.TypeFor[Embedding](): true, reflect.TypeFor[ObjectRef](): true,
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
			if found && x.PkgPath() == reflect.TypeFor[PUID]().PkgPath() {
				if !x.Implements(marshaler) || !x.Implements(formatter) {
					t.Errorf("%s holds private values and needs both Format and MarshalZerologObject", x)
				}
				if known[x.Name()] == nil {
					t.Errorf("%s holds private values and is not in subjects()", x)
				}
			}
			return found
		}
		return false
	}
	for _, x := range []reflect.Type{reflect.TypeFor[Analysis](), reflect.TypeFor[Result]()} {
		if !holds(x) {
			t.Errorf("%s holds nothing private; the search is broken", x)
		}
	}
}
