// Package onnx runs ONNX networks with ONNX Runtime: rows of float32 in, one answer for each row out.
//
// [FindLibrary] finds the shared library of ONNX Runtime on this machine; this package does not install it. [Open] loads
// the library, [Runtime.Load] and [Runtime.LoadFile] load a network, and [Session.Run] answers rows. [Network] is the interface that
// the rest of the engine uses.
//
// On a processor the throughput comes from many calls at the same time, not from many threads per call. A Session uses one
// thread per call, never spins, and allows any number of calls at once, so the caller's concurrency is the number of cores
// in use.
package onnx
