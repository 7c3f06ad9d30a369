//go:build cgo && zxing

// The process that reads one picture. It is this program, started again with the environment variable FACESTREAM_READ_BARCODES: the
// constructor below then runs instead of Go, reads a request from standard input, answers on standard output, and ends. Before it
// looks at the picture it gives up everything but its memory and these two pipes.

#define ZX_USE_UTF8 1
#include <ZXing/ReadBarcode.h>
#if __has_include(<ZXing/ReaderOptions.h>) // since 2.2
#include <ZXing/ReaderOptions.h>
using Hints = ZXing::ReaderOptions;
#else
using Hints = ZXing::DecodeHints;
#endif

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace {

// Both sides are the same program on the same machine: numbers are in its byte order.
struct Request {
	uint32_t width, height;
	uint32_t formats; // bits: 1 << the place in all
	uint32_t unread;  // 1: answer also what was located and not read
	uint32_t most;    // symbols
	uint32_t seconds; // of processor time
	uint64_t memory;  // bytes beyond what the program has at its start
};

struct Answer {
	uint32_t format; // the place in all, or ended
	uint32_t read;
	int32_t corners[8];
	uint32_t text, bytes; // lengths of what follows
};

constexpr uint32_t ended = 0xffffffff;

// In the order in which they are read, which is that of formats in barcode.go. The search for QR codes goes last: its time grows
// with the third power of what looks like a corner of one.
constexpr ZXing::BarcodeFormat all[] = {ZXing::BarcodeFormat::PDF417, ZXing::BarcodeFormat::Code128, ZXing::BarcodeFormat::DataMatrix,
                                        ZXing::BarcodeFormat::Aztec, ZXing::BarcodeFormat::QRCode};

bool take(void* to, size_t size) {
	for (auto at = static_cast<char*>(to); size > 0;) {
		ssize_t n = read(STDIN_FILENO, at, size);
		if (n <= 0) return false;
		at += n, size -= n;
	}
	return true;
}

void tell(const void* from, size_t size) {
	for (auto at = static_cast<const char*>(from); size > 0;) {
		ssize_t n = write(STDOUT_FILENO, at, size);
		if (n <= 0) _exit(1);
		at += n, size -= n;
	}
}

void limit(int what, rlim_t most) {
	rlimit l{most, most};
	if (setrlimit(what, &l) != 0) _exit(3);
}

#ifdef __linux__
// held is how many bytes of data the program has before it begins: those of Go and of the libraries.
rlim_t held() {
	unsigned long size, resident, shared, text, library, data = 0;
	if (FILE* f = fopen("/proc/self/statm", "r")) {
		if (fscanf(f, "%lu %lu %lu %lu %lu %lu", &size, &resident, &shared, &text, &library, &data) != 6) data = 0;
		fclose(f);
	}
	return rlim_t(data) * sysconf(_SC_PAGESIZE);
}
#endif

// confine takes from this process what a reader does not need. The kernel ends it at any other call.
void confine(const Request& r) {
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, r.seconds);
#ifdef __linux__
	limit(RLIMIT_DATA, held() + r.memory);
	syscall(SYS_close_range, 3u, ~0u, 0u); // Linux 5.9; Go's own files are closed anyway
#if defined(__x86_64__)
	constexpr uint32_t machine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
	constexpr uint32_t machine = AUDIT_ARCH_AARCH64;
#else
#error "which calls the reader may make is written for amd64 and arm64"
#endif
	constexpr uint32_t allowed[] = {SYS_read, SYS_write, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise,
	                                SYS_futex, SYS_rt_sigreturn, SYS_clock_gettime, SYS_exit, SYS_exit_group};
	constexpr size_t count = sizeof allowed / sizeof *allowed;
	std::vector<sock_filter> filter = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, machine, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
	};
	for (size_t i = 0; i < count; i++) filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], uint8_t(count - i), 0));
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
	if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(4);
#endif
}

// answer says what was found in the part of the picture that begins at x, y.
template <typename Result>
void answer(uint32_t format, const Result& result, int x, int y) {
	Answer a{format, result.isValid(), {}, 0, 0};
	int i = 0;
	for (auto p : result.position()) a.corners[i++] = x + p.x, a.corners[i++] = y + p.y;
	std::string text;
	ZXing::ByteArray bytes;
	if (result.isValid()) text = result.text(), bytes = result.bytes();
	a.text = text.size(), a.bytes = bytes.size();
	tell(&a, sizeof a);
	tell(text.data(), text.size());
	tell(bytes.data(), bytes.size());
}

void search(const Request& r, const uint8_t* luma) {
	for (uint32_t format = 0; format < sizeof all / sizeof *all; format++) {
		if (!(r.formats >> format & 1)) continue;
		Hints hints;
		hints.setFormats(all[format]).setMaxNumberOfSymbols(r.most).setReturnErrors(r.unread);
		auto within = [&](int x, int y, int width, int height) {
			ZXing::ImageView view(luma + size_t(y) * r.width + x, width, height, ZXing::ImageFormat::Lum, r.width);
			for (auto& result : ZXing::ReadBarcodes(view, hints)) answer(format, result, x, y);
		};
		within(0, 0, r.width, r.height);
		if (all[format] != ZXing::BarcodeFormat::DataMatrix) continue;
		// Of a view the library takes the first thing that may be a Data Matrix, and gives up if it is none.
		for (int parts : {2, 4}) {
			int width = r.width / parts, height = r.height / parts;
			for (int y = 0; y < 2 * parts - 1; y++)
				for (int x = 0; x < 2 * parts - 1; x++) within(x * width / 2, y * height / 2, width, height);
		}
	}
}

__attribute__((constructor)) void readBarcodes() {
	if (!getenv("FACESTREAM_READ_BARCODES")) return;
	Request r;
	if (!take(&r, sizeof r)) _exit(2);
	try {
		confine(r);
		std::vector<uint8_t> luma(size_t(r.width) * r.height);
		if (!take(luma.data(), luma.size())) _exit(2);
		search(r, luma.data());
	} catch (...) {
		_exit(5);
	}
	Answer end{ended, 0, {}, 0, 0};
	tell(&end, sizeof end);
	_exit(0);
}

} // namespace
