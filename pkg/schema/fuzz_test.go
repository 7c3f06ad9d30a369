package schema

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecodeRequest: whatever arrives, a request without problems survives encoding and is valid a second time.
func FuzzDecodeRequest(f *testing.F) {
	paths, err := filepath.Glob("testdata/golden/v1/request_*.json")
	if err != nil || len(paths) == 0 {
		f.Fatal("no golden requests", err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"id":"r","id":1,"images":[null,{}],"config":{"neighbors":-1e999}}`))
	f.Add([]byte(`{"id":"\ud800","operation":"validate"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, problems := DecodeRequest(data)
		if problems = append(problems, r.Normalize()...); len(problems) > 0 {
			for _, p := range problems {
				if p.Field == "" || p.Message == "" || p.Reason == "" {
					t.Errorf("a problem that names nothing: %+v", p)
				}
			}
			return
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("an accepted request has no JSON: %v", err)
		}
		again, problems := DecodeRequest(b)
		if problems = append(problems, again.Normalize()...); len(problems) > 0 {
			t.Fatalf("an accepted request is refused after encoding: %v", problems)
		}
		b2, err := json.Marshal(again)
		if err != nil || !bytes.Equal(b, b2) {
			t.Fatalf("encoding is not stable (%v):\n%s\n%s", err, b, b2)
		}
	})
}

// FuzzResolveConfig: problems are named and sorted, and an accepted configuration keeps within every key's range.
func FuzzResolveConfig(f *testing.F) {
	f.Add([]byte(`{"neighbors":3,"fudge_factor":0.5,"face_thresholds_min":-1}`))
	f.Add([]byte(`{"collection_name":"a","identifier":"b","context_string":"predict"}`))
	f.Add([]byte(`{"x":1,"y":null,"neighbors":1e99}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, problems := ResolveConfig(OpPredict, raw)
		if len(problems) > 0 {
			if !slices.IsSortedFunc(problems, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) }) {
				t.Errorf("not sorted: %v", problems)
			}
			return
		}
		for _, k := range ConfigKeys() {
			x, ok := k.value(&c)
			if !ok {
				continue
			}
			b, err := json.Marshal(x)
			if err != nil {
				t.Fatal(err)
			}
			if _, problem := k.parse(b); problem != "" {
				t.Errorf("%s was accepted as %s, but %s", k.Name, b, problem)
			}
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, problems := ResolveConfig(OpPredict, b)
		if diff := cmp.Diff(c, again); len(problems) > 0 || diff != "" {
			t.Errorf("a resolved configuration resolves to another one: %v\n%s", problems, diff)
		}
	})
}

// FuzzDecodeVector: what is decoded encodes to the same bytes.
func FuzzDecodeVector(f *testing.F) {
	f.Add(EncodeVector([]float32{0, 1, -1, 0.5}))
	f.Add([]byte{0, 0, 0xc0, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeVector(b)
		if err != nil {
			return
		}
		if got := EncodeVector(v); !bytes.Equal(got, b) {
			t.Errorf("%x became %x", b, got)
		}
		wire, err := json.Marshal(Embedding{"m", v})
		if err != nil {
			t.Fatal(err)
		}
		var e Embedding
		if err := json.Unmarshal(wire, &e); err != nil || !slices.Equal(e.Vector, v) {
			t.Errorf("the embedding changed on the wire: %v", err)
		}
	})
}

// FuzzParseFloors: floors without problems hold every job to them, and a job that is held has the configuration that they allow.
func FuzzParseFloors(f *testing.F) {
	f.Add([]byte(`{"face_thresholds_min":0.5,"anti_spoofing_mode":1}`), []byte(`{"face_thresholds_min":-1}`))
	f.Add([]byte(`{"x":1}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, raw, config []byte) {
		floors, problems := ParseFloors(raw)
		if len(problems) > 0 {
			return
		}
		job := Job{Request: Request{ID: "r", Operation: OpValidate, Images: []ObjectRef{{Bucket: "b", Key: "k"}}, Config: config}}
		if problems := job.Resolve(); len(problems) > 0 {
			return
		}
		if problems := job.Hold(floors); len(problems) == 0 {
			if again := job.Hold(floors); len(again) > 0 {
				t.Errorf("a job that keeps to the floors is refused when it is held again: %v", again)
			}
		}
	})
}
