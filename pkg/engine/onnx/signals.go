package onnx

/*
#include <signal.h>

// Copies the handlers of all signals to all, or those that differ from all back from it. SIGKILL, SIGSTOP and the signals
// that the C library keeps for itself have none.
static void handlers(struct sigaction *all, int back) {
	for (int s = 1; s < NSIG; s++) {
		struct sigaction now;
		if (!back)
			sigaction(s, 0, &all[s]);
		else if (!sigaction(s, 0, &now) && (now.sa_sigaction != all[s].sa_sigaction || now.sa_flags != all[s].sa_flags))
			sigaction(s, &all[s], 0);
	}
}
*/
import "C"

import "sync"

var keeping sync.Mutex

// keepHandlers calls do, which runs code of ONNX Runtime and of what it loads for the first time, and then gives the process
// back the signal handlers that it had. Providers of devices, drivers and profilers install handlers of their own: a
// SIGTERM would not reach Go any more, so the process would not finish its work, and a handler that does not ask
// for a stack of its own would crash on a goroutine's. os/signal cannot undo that: Go installs its handlers once and
// takes them for installed. A signal.Notify or signal.Ignore for a signal that Go does not handle yet may get lost if it comes
// meanwhile.
func keepHandlers(do func()) {
	keeping.Lock()
	defer keeping.Unlock()
	var all [C.NSIG]C.struct_sigaction
	C.handlers(&all[0], 0)
	defer C.handlers(&all[0], 1)
	do()
}
