package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facestream/pkg/schema"
)

// A network whose weights are bytes of another file, widened and scaled by nodes, answers with those weights.
func TestLoadFileWithWeightsBeside(t *testing.T) {
	r := openRuntime(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "skeleton.onnx")
	write(t, path, skeleton("weights.bin", 5))
	write(t, filepath.Join(dir, "weights.bin"), append([]byte("other"), 1, 2, 3, 256-1, 0, 4))
	s, err := r.LoadFile(path, SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// w = [[1 2 3] [-1 0 4]] / 2; y = x wᵀ
	rows := []Tensor{{Shape: []int64{3}, Data: []float32{1, 10, 100}}, {Shape: []int64{3}, Data: []float32{-2, 0, 2}}}
	for i, want := range [][]float32{{160.5, 199.5}, {2, 5}} {
		got := s.Run(t.Context(), rows)[i]
		if got.Err != nil || !slices.Equal(got.Value[0].Data, want) {
			t.Errorf("row %d: %v (%v), want %v", i, got.Value, got.Err, want)
		}
	}
}

func TestLoadFileRefuses(t *testing.T) {
	r := openRuntime(t)
	parent := t.TempDir()
	dir := filepath.Join(parent, "pack")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(parent, "outside.bin"), make([]byte, 64))
	write(t, filepath.Join(dir, "short.bin"), make([]byte, 8))
	for _, weights := range []string{"absent.bin", "short.bin", "../outside.bin", filepath.Join(parent, "outside.bin")} {
		path := filepath.Join(dir, "skeleton.onnx")
		write(t, path, skeleton(weights, 5))
		_, err := r.LoadFile(path, SessionOptions{})
		if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), path) {
			t.Errorf("weights in %s: %v; want a fatal error that names the network", weights, err)
		}
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// skeleton is an ONNX file: y = x · (float(w) · 0.5)ᵀ for rows x of three values, and w the 2×3 int8 at offset in the file
// weights.
func skeleton(weights string, offset int) []byte {
	const float, int8 = 1, 3 // TensorProto.DataType
	entry := func(key, value string) []byte { return slices.Concat(text(1, key), text(2, value)) }
	value := func(name string, dims ...[]byte) []byte {
		return slices.Concat(text(1, name), message(2, message(1, varint(1, float), message(2, dims...))))
	}
	node := func(op, inputs, output string, attribute ...[]byte) []byte {
		var b []byte
		for _, input := range strings.Fields(inputs) {
			b = append(b, text(1, input)...)
		}
		return slices.Concat(b, text(2, output), text(4, op), slices.Concat(attribute...))
	}
	integer := func(name string, v uint64) []byte { return message(5, text(1, name), varint(3, v), varint(20, 2)) }
	graph := slices.Concat(
		message(1, node("Cast", "w", "f", integer("to", float))),
		message(1, node("Mul", "f half", "scaled")),
		message(1, node("Gemm", "x scaled", "y", integer("transB", 1))),
		text(2, "skeleton"),
		message(5, varint(1, 2), varint(1, 3), varint(2, int8), text(8, "w"), message(13, entry("location", weights)),
			message(13, entry("offset", fmt.Sprint(offset))), message(13, entry("length", "6")), varint(14, 1)),
		message(5, varint(2, float), text(8, "half"), message(9, binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.5)))),
		message(11, value("x", message(1, text(2, "N")), message(1, varint(1, 3)))),
		message(12, value("y", message(1, text(2, "N")), message(1, varint(1, 2)))),
	)
	return slices.Concat(varint(1, 8), message(7, graph), message(8, varint(2, 17)))
}

// The fields of protobuf messages.
func varint(field int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), v)
}

func message(field int, content ...[]byte) []byte {
	all := slices.Concat(content...)
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3|2), uint64(len(all))), all...)
}

func text(field int, v string) []byte { return message(field, []byte(v)) }
