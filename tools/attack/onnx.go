package main

import (
	"encoding/binary"
	"math"
)

// A writer of ONNX files, for networks that no exporter would make. The numbers of fields are those of onnx.proto3
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).

// message is a protobuf message under construction.
type message []byte

func (m message) number(field int, v uint64) message {
	m = binary.AppendUvarint(m, uint64(field)<<3)
	return binary.AppendUvarint(m, v)
}

func (m message) bytes(field int, v []byte) message {
	m = binary.AppendUvarint(m, uint64(field)<<3|2)
	m = binary.AppendUvarint(m, uint64(len(v)))
	return append(m, v...)
}

func (m message) text(field int, v string) message { return m.bytes(field, []byte(v)) }

const floats = 1 // TensorProto.FLOAT

// valueInfo is an input or output: a tensor of floats whose first dimension is free.
func valueInfo(name string, dims ...uint64) message {
	shape := message{}.bytes(1, message{}.text(2, "n"))
	for _, d := range dims {
		shape = shape.bytes(1, message{}.number(1, d))
	}
	tensor := message{}.number(1, floats).bytes(2, shape)
	return message{}.text(1, name).bytes(2, message{}.bytes(1, tensor))
}

// tensor is an initialiser with its data in the file.
func tensor(name string, v float32, dims ...uint64) message {
	m, n := message{}, uint64(1)
	for _, d := range dims {
		m, n = m.number(1, d), n*d
	}
	raw := make([]byte, 0, 4*n)
	for range n {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return m.number(2, floats).text(8, name).bytes(9, raw)
}

// elsewhere is an initialiser whose data lie in another file.
func elsewhere(name, location string, dims ...uint64) message {
	m := message{}
	for _, d := range dims {
		m = m.number(1, d)
	}
	m = m.number(2, floats).text(8, name)
	m = m.bytes(13, message{}.text(1, "location").text(2, location))
	return m.number(14, 1) // EXTERNAL
}

// node is an operation. attributes are whole messages AttributeProto.
func node(op string, inputs, outputs []string, attributes ...message) message {
	m := message{}
	for _, name := range inputs {
		m = m.text(1, name)
	}
	for _, name := range outputs {
		m = m.text(2, name)
	}
	m = m.text(4, op)
	for _, a := range attributes {
		m = m.bytes(5, a)
	}
	return m
}

func integers(name string, v ...uint64) message {
	m := message{}.text(1, name)
	for _, x := range v {
		m = m.number(8, x)
	}
	return m.number(20, 7) // INTS
}

func integer(name string, v uint64) message {
	return message{}.text(1, name).number(3, v).number(20, 2) // INT
}

// model is a file of a graph with one input and one output.
func model(input, output message, initialisers, nodes []message) []byte {
	graph := message{}.text(2, "graph")
	for _, n := range nodes {
		graph = graph.bytes(1, n)
	}
	for _, t := range initialisers {
		graph = graph.bytes(5, t)
	}
	graph = graph.bytes(11, input).bytes(12, output)
	opset := message{}.text(1, "").number(2, 13)
	return message{}.number(1, 7).bytes(7, graph).bytes(8, opset)
}

// embedding is a network that takes what an embedding network takes: the mean of each colour times the initialiser w of 3 × n.
func embedding(w message, n uint64) []byte {
	return model(valueInfo("in", 3, 112, 112), valueInfo("out", n), []message{w}, []message{
		node("ReduceMean", []string{"in"}, []string{"mean"}, integers("axes", 2, 3), integer("keepdims", 0)),
		node("MatMul", []string{"mean", "w"}, []string{"out"}),
	})
}
