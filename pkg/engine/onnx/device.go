package onnx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is a kind of device that runs networks.
type Kind string

// The kinds of devices.
const (
	Auto     Kind = "auto"     // the GPU that CUDA offers where it can be used, else the processor
	CPU      Kind = "cpu"      // the processor, by ONNX Runtime's own kernels
	CUDA     Kind = "cuda"     // a GPU of NVIDIA
	TensorRT Kind = "tensorrt" // a GPU of NVIDIA, with engines that TensorRT builds for it at the first start
	OpenVINO Kind = "openvino" // a processor, by Intel's kernels
	CoreML   Kind = "coreml"   // what Apple's CoreML chooses: neural engine, GPU or processor
)

// Device is what runs networks: a kind, and of the kinds CUDA and TensorRT which GPU of the machine. The zero Device is
// the processor.
type Device struct {
	Kind  Kind // "" stands for CPU
	Index int  // of the GPU as the driver counts, from 0; CUDA_VISIBLE_DEVICES applies
}

// processor is the device of every machine.
var processor = Device{Kind: CPU}

// ParseDevice reads auto, cpu, cuda, cuda:1, tensorrt, tensorrt:1, openvino or coreml.
func ParseDevice(text string) (Device, error) {
	kind, index, indexed := strings.Cut(text, ":")
	d := Device{Kind: Kind(kind)}
	known := slices.Contains([]Kind{Auto, CPU, CUDA, TensorRT, OpenVINO, CoreML}, d.Kind)
	if n, err := strconv.ParseUint(index, 10, 8); indexed && err == nil && d.gpu() && n < 100 && index == strconv.FormatUint(n, 10) {
		d.Index = int(n)
	} else if indexed {
		known = false
	}
	if !known {
		return Device{}, fmt.Errorf("%.40q is no device; write auto, cpu, cuda, tensorrt, openvino or coreml, and for the GPU of that number cuda:1 or tensorrt:1", text)
	}
	return d, nil
}

// String is the text that ParseDevice reads, with the index of a GPU.
func (d Device) String() string {
	switch {
	case d.gpu():
		return fmt.Sprintf("%s:%d", d.Kind, d.Index)
	case d.Kind == "":
		return string(CPU)
	}
	return string(d.Kind)
}

// gpu reports whether d is a GPU of NVIDIA.
func (d Device) gpu() bool { return d.Kind == CUDA || d.Kind == TensorRT }

// SharesCalls reports whether a call with many rows takes hardly longer on d than one with a single row, so that it pays
// to gather the rows of several images.
func (d Device) SharesCalls() bool { return d.gpu() }

// calls are the numbers of rows that calls on d have, in ascending order. TensorRT builds an engine for each, so that it is the
// only device for which rows are added to make up the number; others take any, and these stand for them when they warm up.
func (d Device) calls() []int {
	if d.SharesCalls() {
		return []int{1, 2, 4, 8, 16, MostRows}
	}
	return []int{1}
}

// fixed reports whether a call on d has one of the numbers of rows of calls.
func (d Device) fixed() bool { return d.Kind == TensorRT }

// provider is ONNX Runtime's name of the execution provider that drives d.
func (d Device) provider() string {
	switch d.Kind {
	case CUDA:
		return "CUDAExecutionProvider"
	case TensorRT:
		return "TensorrtExecutionProvider"
	case OpenVINO:
		return "OpenVINOExecutionProvider"
	case CoreML:
		return "CoreMLExecutionProvider"
	}
	return "CPUExecutionProvider"
}

// libraries are the files beside that of ONNX Runtime that hold the provider of d, on Linux; none where it is built in.
func (d Device) libraries() []string {
	switch d.Kind {
	case CUDA:
		return []string{"libonnxruntime_providers_cuda.so"}
	case TensorRT: // what it leaves is CUDA's
		return []string{"libonnxruntime_providers_tensorrt.so", "libonnxruntime_providers_cuda.so"}
	case OpenVINO:
		return []string{"libonnxruntime_providers_openvino.so"}
	}
	return nil
}
