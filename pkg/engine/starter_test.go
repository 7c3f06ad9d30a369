package engine

import (
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/internal/drawn"
	"facestream/packs"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// TestStarterPack holds the pack that is part of the program to its promises: whole, small and loaded at once.
func TestStarterPack(t *testing.T) {
	pack, err := models.Locate(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	files, err := models.Verify(t.Context(), pack)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, f := range files {
		if f.State != models.StateOK {
			t.Errorf("%s is %s", f.Model.File, f.State)
		}
		if f.Model.Batch != 0 {
			t.Errorf("%s takes %d rows a call, want any number", f.Model.File, f.Model.Batch)
		}
		size += f.Model.Bytes
	}
	if size > 16<<20 {
		t.Errorf("the pack has %d bytes, more than 16 MiB", size)
	}
	path := library(t)
	const limit = 250 * time.Millisecond
	quickest := time.Hour
	for tries := 0; tries < 20 && quickest > limit; tries++ {
		start := processorTime(t)
		e, err := Open(t.Context(), Options{Pack: pack, Library: path})
		if err != nil {
			t.Fatal(err)
		}
		quickest = min(quickest, processorTime(t)-start)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d bytes, loaded in %v", size, quickest)
	if quickest > limit {
		t.Errorf("loading took %v of a processor, the quickest of 20 times; want at most %v", quickest, limit)
	}
}

// processorTime is what this process used so far, which other processes do not change much.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestStarterRoles asks the pack for all that its roles answer of drawn people: everything but age and documents. TestStarterZones is about
// the zones that it reads.
func TestStarterRoles(t *testing.T) {
	e := starter(t, Options{})
	params := everything
	params.Age, params.Documents = false, false
	for i, file := range cast(t, 3) {
		a, err := e.Analyze(t.Context(), file, params)
		if err != nil || len(a.Faces) != 1 {
			t.Fatalf("picture %d: %+v, %v", i, a, err)
		}
		all := slices.DeleteFunc(e.Models(), func(m schema.ModelRun) bool { return m.Role == string(models.RoleText) })
		if diff := cmp.Diff(all, a.Models); diff != "" {
			t.Errorf("picture %d: networks of faces that ran (-all +got):\n%s", i, diff)
		}
		f := a.Faces[0]
		if len(f.Landmarks) != 68 || f.LandmarkConfidence != nil || f.Pose == nil || f.LeftEyeOpen == nil || f.RightEyeOpen == nil || f.MouthOpen == nil ||
			f.Smile == nil || f.Mask == nil || f.Glasses == nil || len(f.Occlusion) != 4 || len(f.Portraits) != 1 || f.Liveness.Unassessable != "" || len(f.Liveness.Scores) != 1 {
			t.Fatalf("picture %d: %+v, %+v", i, f, f.Liveness)
		}
		// The points of the detector and the landmarks agree about one face.
		eyes := math.Hypot(float64(f.Points[1].X-f.Points[0].X), float64(f.Points[1].Y-f.Points[0].Y))
		left, right := face.EyeCentres(f.Face, f.Landmarks)
		for k, p := range [5]schema.PointF{left, right, f.Landmarks[30], f.Landmarks[48], f.Landmarks[54]} {
			if d := math.Hypot(float64(p.X-f.Points[k].X), float64(p.Y-f.Points[k].Y)); d > 0.25*eyes {
				t.Errorf("picture %d: the landmarks are %.1f pixels from the detector's point %d; the eyes are %.1f apart", i, d, k, eyes)
			}
		}
		// One network serves every mode.
		for mode := 1; mode <= 3; mode++ {
			one, err := e.Analyze(t.Context(), file, Params{Liveness: mode})
			if err != nil || len(one.Models) != 3 || one.Faces[0].Liveness.Score != f.Liveness.Score {
				t.Errorf("picture %d, mode %d: %+v, %v", i, mode, one, err)
			}
		}
		for _, absent := range []Params{{Age: true}, {Documents: true}} {
			if _, err := e.Analyze(t.Context(), file, absent); schema.ReasonOf(err) != schema.ReasonRoleAbsent || !strings.Contains(err.Error(), "the open pack has it") {
				t.Errorf("picture %d, %+v: %v; want role_absent, with the way out", i, absent, err)
			}
		}
	}
}

// Images that share calls are analysed as they are alone.
func TestSharedCalls(t *testing.T) {
	alone, shared := starter(t, Options{}), starter(t, Options{Calls: 1})
	files := cast(t, 6)
	params := Params{Embed: true, Attributes: true}
	got := make([]*Analysis, len(files))
	var wg sync.WaitGroup
	for i, file := range files {
		wg.Go(func() {
			var err error
			if got[i], err = shared.Analyze(t.Context(), file, params); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, file := range files {
		want, err := alone.Analyze(t.Context(), file, params)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Faces, got[i].Faces, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
			t.Errorf("picture %d: %s", i, diff)
		}
	}
}

// BenchmarkShared is the time of an image where 16 are in work on two threads: each with calls of its own, and with calls
// that they share.
func BenchmarkShared(b *testing.B) {
	files := cast(b, 16)
	for name, o := range map[string]Options{"own": {Concurrency: 2}, "shared": {Concurrency: 16, Calls: 2}} {
		b.Run(name, func(b *testing.B) {
			e := starter(b, o)
			b.SetParallelism(16)
			b.RunParallel(func(p *testing.PB) {
				for i := 0; p.Next(); i++ {
					if _, err := e.Analyze(b.Context(), files[i%len(files)], Params{Embed: true}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// starter is an engine with the pack that is part of the program.
func starter(t testing.TB, o Options) *Engine {
	t.Helper()
	var err error
	if o.Pack, err = models.Locate(packs.Starter); err != nil {
		t.Fatal(err)
	}
	o.Library = library(t)
	e, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// cast are pictures of n drawn people.
func cast(t testing.TB, n int) [][]byte {
	t.Helper()
	files := make([][]byte, n)
	for i := range files {
		var err error
		if files[i], err = drawn.JPEG(drawn.Cast()[i], 0, 400, 90); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// A pack without a role answers without it where a part of the answer is missing, and says which role it lacks otherwise.
func TestStarterWithout(t *testing.T) {
	file := cast(t, 1)[0]
	for role, c := range map[models.Role]struct {
		ask  Params
		left func(*face.Observation) bool // nil: the role is needed
	}{
		models.RoleLandmarks: {Params{Attributes: true}, func(a *face.Observation) bool {
			return a.Landmarks == nil && a.Smile == nil && a.MouthOpen != nil && a.Pose != nil
		}},
		models.RolePose: {Params{Attributes: true}, func(a *face.Observation) bool { return a.Pose == nil && a.Landmarks != nil && a.Mask != nil }},
		// The measures on landmarks stand in for the network.
		models.RoleAttributes: {Params{Attributes: true}, func(a *face.Observation) bool {
			return a.Mask == nil && a.LeftEyeOpen == nil && a.Occlusion == nil && a.MouthOpen != nil && a.Glasses != nil
		}},
		models.RoleLiveness:     {Params{Liveness: 1}, nil},
		models.RoleSegmentation: {Params{Portraits: []face.PortraitOptions{{Background: &imaging.RGB{}}}}, nil},
	} {
		pack, err := models.Locate(packs.Starter)
		if err != nil {
			t.Fatal(err)
		}
		delete(pack.Models, role)
		pack.Absent[role] = "left out by a test"
		e, err := Open(t.Context(), Options{Pack: pack, Library: library(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		a, err := e.Analyze(t.Context(), file, c.ask)
		switch {
		case c.left == nil:
			if schema.ReasonOf(err) != schema.ReasonRoleAbsent || !strings.Contains(err.Error(), string(role)) || !strings.Contains(err.Error(), "left out by a test") {
				t.Errorf("without %s: %v; want role_absent with the reason", role, err)
			}
		case err != nil || len(a.Faces) != 1 || !c.left(&a.Faces[0]):
			t.Errorf("without %s: %+v, %v", role, a, err)
		}
	}
}
