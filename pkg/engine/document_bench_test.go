package engine

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"facestream/pkg/engine/document"
)

// BenchmarkDocument analyses passports that show a face and a zone, as doc_scan_face does, with and without the other lines of text. It
// reports the median and, because machines are shared, the processor time of a page.
func BenchmarkDocument(b *testing.B) {
	paths, err := filepath.Glob(filepath.Join(dataDir(b), "documents", "*_pass*.jpg"))
	if err != nil || len(paths) == 0 {
		b.Fatal("no photographs of documents", err)
	}
	var files [][]byte
	for _, path := range paths {
		files = append(files, read(b, path))
	}
	e := openEngine(b)
	for name, text := range map[string]func(*document.MRZ) bool{"zone": nil, "text": func(*document.MRZ) bool { return true }} {
		b.Run(name, func(b *testing.B) {
			params := Params{Strategy: MultipleFaces, Document: &DocumentParams{Faces: true, Rotate: true, MRZ: true, Text: text}}
			stages := map[string]time.Duration{}
			var each []time.Duration
			before := processorTime(b)
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				a, err := e.Analyze(b.Context(), files[i%len(files)], params)
				if err != nil {
					b.Fatal(paths[i%len(files)], err)
				}
				each = append(each, time.Since(start))
				for stage, took := range a.Timings {
					stages[stage] += took
				}
			}
			b.ReportMetric((processorTime(b)-before).Seconds()*1000/float64(len(each)), "cpu-ms/op")
			slices.Sort(each)
			b.ReportMetric(each[len(each)/2].Seconds()*1000, "p50-ms")
			for stage, took := range stages {
				b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), "ms/"+stage)
			}
		})
	}
}
