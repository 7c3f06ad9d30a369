package main

import (
	"math"
	"slices"
	"testing"

	"facestream/pkg/schema"
)

func at(x, y, side float32) schema.BoxF {
	return schema.BoxF{TopLeft: schema.PointF{X: x, Y: y}, BottomRight: schema.PointF{X: x + side, Y: y + side}}
}

// Sides that do not find the same are not compared.
func TestAgree(t *testing.T) {
	face := seen{faces: 1, box: at(10, 10, 100), embedding: []float32{0.6, 0.8}}
	nearly := seen{faces: 1, box: at(12, 11, 100), embedding: []float32{0.61, 0.792}}
	none := seen{}
	for _, c := range []struct {
		name         string
		ours, theirs []seen
		fails        bool
	}{
		{"equal", []seen{face, none}, []seen{face, none}, false},
		{"nearly", []seen{face, face}, []seen{nearly, face}, false},
		{"a face that one side misses", []seen{face, face}, []seen{face, none}, true},
		{"one of many", append(slices.Repeat([]seen{face}, 19), face), append(slices.Repeat([]seen{face}, 19), none), false},
		{"another face", []seen{face}, []seen{{faces: 1, box: at(200, 10, 100), embedding: face.embedding}}, true},
		{"another person", []seen{face}, []seen{{faces: 1, box: face.box, embedding: []float32{0.8, -0.6}}}, true},
	} {
		if a, err := agree(c.ours, c.theirs); (err != nil) != c.fails {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	exact := answer{[][]int{{3, 1, 2}}, [][]float64{{0.9, 0.5, 0.4}}}
	for _, c := range []struct {
		name        string
		other       answer
		same, found float64
	}{
		{"equal", exact, 1, 1},
		{"a tie in the other order", answer{[][]int{{3, 2, 1}}, [][]float64{{0.9, 0.5, 0.4999999}}}, 2. / 3, 1},
		{"a tie of equal scores", answer{[][]int{{3, 7, 2}}, [][]float64{{0.9, 0.5000001, 0.4}}}, 1, 2. / 3},
		{"another row", answer{[][]int{{3, 1, 8}}, [][]float64{{0.9, 0.5, 0.3}}}, 2. / 3, 2. / 3},
		{"too few", answer{[][]int{{3}}, [][]float64{{0.9}}}, 1. / 3, 1. / 3},
	} {
		if same, found := exact.same(c.other), exact.found(c.other); math.Abs(same-c.same) > 1e-9 || math.Abs(found-c.found) > 1e-9 {
			t.Errorf("%s: %v same, %v found; want %v and %v", c.name, same, found, c.same, c.found)
		}
	}
}

// Every second probe has a mate among the rows, and rows and probes are the same in every run.
func TestProbesHaveMates(t *testing.T) {
	const rows, dimension = 500, 512
	var all [][]float32
	for v := newVectors(dimension, 1); len(all) < rows; {
		all = append(all, v.next())
	}
	for i, p := range probesOf(rows, dimension, 8) {
		best := -1.0
		for _, row := range all {
			best = max(best, cosine(p, row))
		}
		if mate := i%2 == 0; mate != (best > 0.5) || mate && best > 0.7 {
			t.Errorf("probe %d: the best cosine is %.2f", i, best)
		}
	}
}
