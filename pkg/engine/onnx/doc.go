// Package onnx runs ONNX networks with ONNX Runtime: rows of float32 in, one answer a row out.
//
// Network is the port that the rest of the engine sees. Open loads the shared library, Runtime.Load a network from a
// file, and Session.Run answers rows. FindLibrary says where the shared library is on this machine; this package does not
// install it.
//
// On a CPU the throughput comes from many calls at once, not from many threads a call: each Session runs one thread a
// call, never spins, and allows any number of calls at the same time. The caller's concurrency is therefore the number
// of cores in use.
package onnx
