package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	ort "github.com/yalue/onnxruntime_go"
)

// provide appends the execution provider of r's device to the settings of a session for the ONNX file at path, "" for none.
// What the provider does not take is left to those behind it, the processor at last.
func (r *Runtime) provide(o *ort.SessionOptions, path string) error {
	switch r.Device.Kind {
	case TensorRT:
		return errors.Join(r.provideTensorRT(o, path), r.provideCUDA(o))
	case CUDA:
		return r.provideCUDA(o)
	case OpenVINO:
		// One thread a call, as on the processor, and its precision.
		return o.AppendExecutionProviderOpenVINO(map[string]string{"device_type": "CPU", "precision": "FP32", "num_of_threads": "1"})
	case CoreML:
		return o.AppendExecutionProviderCoreMLV2(map[string]string{"ModelFormat": "MLProgram", "AllowLowPrecisionAccumulationOnGPU": "0"})
	}
	return nil
}

// provideCUDA asks for answers as near to the processor's as a GPU can give (no TensorFloat-32), and for algorithms by
// cuDNN's rules: to measure them for each new shape, the default, takes longer than most shapes are used.
func (r *Runtime) provideCUDA(o *ort.SessionOptions) error {
	options, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	return errors.Join(options.Update(map[string]string{
		"device_id":                 strconv.Itoa(r.Device.Index),
		"use_tf32":                  "0",
		"cudnn_conv_algo_search":    "HEURISTIC",
		"arena_extend_strategy":     "kSameAsRequested",
		"do_copy_in_default_stream": "1",
	}), o.AppendExecutionProviderCUDA(options), options.Destroy())
}

// provideTensorRT keeps the engines of each network in a folder of its own. Nothing else than the GPU, the releases of
// ONNX Runtime and TensorRT, and the network decides about them; they are built again where one of these is new.
func (r *Runtime) provideTensorRT(o *ort.SessionOptions, path string) error {
	settings := map[string]string{"device_id": strconv.Itoa(r.Device.Index)}
	if path != "" {
		network, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(network)
		dir := filepath.Join(r.engines, hex.EncodeToString(sum[:16]))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		settings["trt_engine_cache_enable"], settings["trt_engine_cache_path"] = "1", dir
		settings["trt_timing_cache_enable"], settings["trt_timing_cache_path"] = "1", r.engines
	}
	options, err := ort.NewTensorRTProviderOptions()
	if err != nil {
		return err
	}
	return errors.Join(options.Update(settings), o.AppendExecutionProviderTensorRT(options), options.Destroy())
}
