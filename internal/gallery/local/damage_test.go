package local

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/pkg/schema"
)

// filled makes a gallery of n people in dir and closes it.
func filled(t *testing.T, dir string, n int) {
	t.Helper()
	g, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var rows []gallery.Row
	for i := range n {
		r := gallerytest.Random(model, fmt.Sprintf("row-%04d", i), schema.PUID(fmt.Sprintf("person-%04d", i)), uint64(i))
		r.ExternalID = schema.ExternalID(fmt.Sprintf("name-%04d", i))
		rows = append(rows, r)
	}
	upsert(t, g, rows...)
	if d := g.Delete(t.Context(), visited, []gallery.Deletion{{PUID: "person-0000", Request: "gone"}})[0]; d.Err != nil {
		t.Fatal(d.Err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if g, err = Open(t.Context(), dir); err != nil { // which rewrites the file
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// alter applies f to the bytes of a file.
func alter(t *testing.T, path string, f func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, f(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// replace changes every occurrence of what was written.
func replace(t *testing.T, b []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("%q is not in the file", old)
	}
	return bytes.ReplaceAll(b, []byte(old), []byte(new))
}

// spoiled is one way to damage the gallery that filled makes: what the error says, and how many rows can be saved at least.
type spoiled struct {
	spoil func(t *testing.T, dir string)
	text  string
	saved int
}

const people = 300 // in the galleries that are damaged; the first one is deleted

// damages are the ways in which a gallery's file is damaged.
func damages(t *testing.T) map[string]spoiled {
	vector := string(schema.EncodeVector(mustUnit(t, gallerytest.Random(model, "", "", 7).Embedding)))
	float := func(x float32) string { return string(schema.EncodeVector([]float32{x})) }
	return map[string]spoiled{
		"a flipped bit of a vector": {func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte { return replace(t, b, vector, float(7e37)+vector[4:]) })
		}, "1 enrolled images of collection", people - 2},
		"a vector of another person": {func(t *testing.T, dir string) {
			other := string(schema.EncodeVector(mustUnit(t, gallerytest.Random(model, "", "", 8).Embedding)))
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte { return replace(t, b, vector, other) })
		}, "1 enrolled images of collection", people - 2},
		"a vector that is not a number": {func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte {
				return replace(t, b, vector, float(float32(math.NaN()))+vector[4:])
			})
		}, "1 enrolled images of collection", people - 2},
		"a name": {func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte { return replace(t, b, "name-0007", "name-0O07") })
		}, "1 enrolled images of collection", people - 2},
		"the index by person": {func(t *testing.T, dir string) {
			// Where it stands without its row: the entries of the index come one after the other.
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte {
				for at := 0; ; at += len("person-0007") {
					i := bytes.Index(b[at:], []byte("person-0007"))
					if i < 0 {
						t.Fatal("no entry of the index")
					}
					at += i
					if !bytes.Contains(b[max(0, at-200):at+200], []byte("name-0007")) {
						copy(b[at:], "person-0006")
						return b
					}
				}
			})
		}, "faces_by_person", people - 1},
		"a remembered deletion": {func(t *testing.T, dir string) {
			key := gallery.RowKey(1, "row-0000")
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte {
				return replace(t, b, string(key[:]), string(key[:31])+"x")
			})
		}, "1 remembered deletions", people - 1},
		"a collection": {func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte { return replace(t, b, "visitorsnet", "victimssnet") })
		}, "1 collections", 0},
		"a page of zeros": {func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte {
				clear(b[len(b)/4096/2*4096:][:4096])
				return b
			})
		}, "damaged", people / 2},
		"random bytes in the middle": {func(t *testing.T, dir string) {
			r := rand.New(rand.NewPCG(1, 1))
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte {
				for i := len(b) / 3; i < len(b)/3+9000; i++ {
					b[i] = byte(r.Uint32())
				}
				return b
			})
		}, "damaged", people / 3},
		"a file cut short": {func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte { return b[:len(b)/2] })
		}, "damaged", people / 4},
		"an empty file": {func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, dbFile), func([]byte) []byte { return nil })
		}, "is empty, though 2 transactions", 0},
		"no file": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, dbFile)); err != nil {
				t.Fatal(err)
			}
		}, "is gone, though 2 transactions", 0},
		"another program's file": {func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte { return bytes.Repeat([]byte("no database "), 1000) })
		}, "not a database", 0},
	}
}

// TestCorruptionIsNoticed: a gallery whose file does not hold what was written does not open. The error names the file, what
// is damaged and the way back, and nothing is changed.
func TestCorruptionIsNoticed(t *testing.T) {
	sound := t.TempDir()
	filled(t, sound, people)
	for name, test := range damages(t) {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(t, sound)
			test.spoil(t, dir)
			before := snapshot(t, dir)
			for range 2 { // a failed Open gives the folder back
				wantDamage(t, dir, test.text)
			}
			for name, b := range snapshot(t, dir) {
				if name == dbFile && !bytes.Equal(b, before[name]) {
					t.Errorf("%s was changed", name)
				}
			}
		})
	}
}

// wantDamage wants Open to name the file, what is damaged and the way back, and no person.
func wantDamage(t *testing.T, dir, text string) {
	t.Helper()
	g, err := Open(t.Context(), dir)
	if err == nil {
		g.Close()
	}
	if schema.ClassOf(err) != schema.ClassFatal || !Damaged(err) {
		t.Fatalf("got %v, want damage", err)
	}
	for _, want := range []string{text, filepath.Join(dir, dbFile), "facestream gallery restore"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	for _, private := range []string{"row-0", "person-0", "name-0"} {
		if strings.Contains(err.Error(), private) {
			t.Errorf("%q is in: %v", private, err)
		}
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := copyGallery(dir, to); err != nil {
		t.Fatal(err)
	}
	return to
}

// snapshot returns the files of dir.
func snapshot(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func mustUnit(t *testing.T, e schema.Embedding) []float32 {
	t.Helper()
	unit, _, err := gallery.Unit("test", e)
	if err != nil {
		t.Fatal(err)
	}
	return unit
}

// TestLostLogIsNoticed: a write-ahead log that is gone, cut off or overwritten loses transactions that were answered.
func TestLostLogIsNoticed(t *testing.T) {
	for name, spoil := range map[string]func(b []byte) []byte{
		"gone":         nil,
		"cut off":      func(b []byte) []byte { return b[:len(b)/2] },
		"empty":        func(b []byte) []byte { return nil },
		"random bytes": func(b []byte) []byte { return bytes.Repeat([]byte{0xa5}, len(b)) },
		"one byte":     func(b []byte) []byte { b[len(b)*3/4] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			dir, crashed := t.TempDir(), t.TempDir()
			g := open(t, dir)
			for i := range 5 {
				upsert(t, g, gallerytest.Random(model, fmt.Sprint(i), schema.PUID(fmt.Sprint(i)), uint64(i)))
			}
			// What a process leaves that is killed now.
			for name, b := range snapshot(t, dir) {
				if err := os.WriteFile(filepath.Join(crashed, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			log := filepath.Join(crashed, dbFile+"-wal")
			if spoil == nil {
				if err := os.Remove(log); err != nil {
					t.Fatal(err)
				}
			} else {
				alter(t, log, spoil)
			}
			if err := os.Remove(filepath.Join(crashed, dbFile+"-shm")); err != nil {
				t.Fatal(err)
			}
			wantDamage(t, crashed, "of 5 transactions are missing")
			// The way on without them is the operator's.
			if err := os.Remove(filepath.Join(crashed, committedFile)); err != nil {
				t.Fatal(err)
			}
			open(t, crashed)
		})
	}
}

// TestCommittedIsNoObstacle: a count that was lost, is unreadable or too low, as after a power failure, is no damage.
func TestCommittedIsNoObstacle(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 3)
	path := filepath.Join(dir, committedFile)
	for name, text := range map[string]string{"too low": string(committedText(1)), "unreadable": "\x00\x00\x00", "empty": ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		g, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if n, there, err := committed(dir); n != 2 || !there || err != nil {
			t.Errorf("%s: the count is then %d, %v, %v; want 2", name, n, there, err)
		}
	}
}

// TestDamageOfAFormerFormat: a vector that cannot be what was written is not taken over into this format.
func TestDamageOfAFormerFormat(t *testing.T) {
	dir := t.TempDir()
	formerDamage(t, dir)
	wantDamage(t, dir, `1 enrolled images of collection "visitors"`)
	wantDamage(t, dir, `1 enrolled images of collection "visitors"`)
}

// formerDamage makes a file of format 1 in dir: ann's vector is damaged, bob's is not.
func formerDamage(t *testing.T, dir string) {
	t.Helper()
	db, err := openDB(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{format1, "INSERT INTO collections VALUES (7, 'visitors', 'net@12345678', 32)"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for name, x := range map[string]float32{"ann": 7e37, "bob": 0} {
		vector := mustUnit(t, gallerytest.Random(model, "", "", 1).Embedding)
		if x != 0 {
			vector[3] = x
		}
		if _, err := db.Exec("INSERT INTO faces VALUES (7, ?, ?, '', '', 0, ?)", name, name, schema.EncodeVector(vector)); err != nil {
			t.Fatal(err)
		}
	}
}
