package onnx

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"facestream/pkg/schema"
)

// choice is a library and the device that is used with it.
type choice struct {
	library library
	device  Device // never Auto
	gpu     string // its name, for instance "NVIDIA H200"; "" where device is none
	engines string // what the engines of TensorRT depend on besides the network: a name of a folder; "" for other devices
	why     string // it was chosen; "" where the operator named it
}

// machine is where a device is looked for.
type machine struct {
	places
	driver string // the library of NVIDIA's driver, as the loader finds it
	loaded string // the library that this process runs already, and can run no other; "" for none
}

// choose finds a library for the device that is wanted, and what is missing. named is the library that the caller names, ""
// for none. A wanted device that cannot be used is a Fatal error.
func (m machine) choose(ctx context.Context, want Device, named string) (choice, error) {
	if want.Kind != Auto {
		l, err := m.library(ctx, want, named)
		if err != nil {
			return choice{}, err
		}
		c, err := m.check(l, want)
		if err != nil {
			return choice{}, schema.Fatal("onnx.choose", fmt.Errorf("%w; install what is missing, or choose the device cpu or auto", err))
		}
		return c, nil
	}
	gpu := Device{Kind: CUDA}
	_, why := findGPUs(m.driver)
	if why == nil {
		var l library
		if l, why = m.library(ctx, gpu, named); why == nil {
			var c choice
			if c, why = m.check(l, gpu); why == nil {
				c.why = "the machine has " + c.gpu + " and the library has the " + gpu.provider()
				return c, nil
			}
		}
	}
	l, err := m.library(ctx, processor, named)
	return choice{library: l, device: processor, why: "cuda cannot be used: " + reasonOf(why)}, err
}

// reasonOf is what err says without the name of the operation, which people would read twice.
func reasonOf(err error) string {
	var classed *schema.Error
	if errors.As(err, &classed) {
		return classed.Err.Error()
	}
	return err.Error()
}

// library is the one that is named, else the one that the search finds; it must have the provider of d.
func (m machine) library(ctx context.Context, d Device, named string) (library, error) {
	if named == "" && m.loaded != "" {
		named = m.loaded
	}
	if named == "" {
		l, _, err := m.find(ctx, d)
		return l, err
	}
	path, err := filepath.Abs(named)
	if err != nil {
		return library{}, schema.Fatal("onnx.open", err)
	}
	l, err := usableOn(path, d)
	if err != nil {
		return library{}, schema.Fatal("onnx.open", fmt.Errorf("%s: %w; %s", path, err, wayOut(d)))
	}
	return l, nil
}

// check says everything that keeps d from being used with l.
func (m machine) check(l library, d Device) (choice, error) {
	c := choice{library: l, device: d}
	needed, missing := needs(l, d)
	if d.gpu() {
		found, err := findGPUs(m.driver)
		cuda := majorOf(needed, "libcudart.so.")
		switch {
		case err != nil:
			missing = append(missing, err.Error())
		case found.major < cuda:
			missing = append(missing, fmt.Sprintf("the NVIDIA driver runs CUDA %d at most, and the library needs CUDA %d: renew the driver", found.major, cuda))
		case d.Index >= len(found.names):
			missing = append(missing, fmt.Sprintf("there is no GPU %d: the driver shows %d, from 0: %s", d.Index, len(found.names), strings.Join(found.names, ", ")))
		default:
			c.gpu = found.names[d.Index]
		}
	}
	if missing != nil {
		return choice{}, fmt.Errorf("%s cannot be used with %s: %s", d, l.path, strings.Join(missing, "; "))
	}
	if d.Kind == TensorRT {
		version := 0
		if i := slices.IndexFunc(needed, func(name string) bool { return strings.HasPrefix(name, "libnvinfer.so") }); i >= 0 {
			version = inferVersion(needed[i])
		}
		c.engines = folderName(c.gpu, "onnxruntime", l.release, "tensorrt", strconv.Itoa(version))
	}
	return c, nil
}

// needs lists the libraries that the provider of d depends on, and says which of them the loader does not find.
func needs(l library, d Device) (needed, missing []string) {
	dir, err := l.dir()
	if err != nil {
		return nil, []string{err.Error()}
	}
	absent := map[string][]string{} // by what they belong to
	for _, name := range d.libraries() {
		path := filepath.Join(dir, name)
		names, beside, err := imports(path)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", path, err))
		}
		for _, n := range names {
			if slices.Contains(needed, n) {
				continue
			}
			needed = append(needed, n)
			if _, err := os.Stat(filepath.Join(dir, n)); err == nil && beside {
				continue
			}
			if err := loadable(n); err != nil {
				absent[partOf(n)] = append(absent[partOf(n)], n)
			}
		}
	}
	for _, part := range slices.Sorted(maps.Keys(absent)) {
		missing = append(missing, fmt.Sprintf("%s is not where the loader looks (LD_LIBRARY_PATH, ldconfig): %s", part, strings.Join(absent[part], ", ")))
	}
	return needed, missing
}

// imports names the libraries that the one at path is linked with. beside says that they are looked for in its folder, too.
func imports(path string) (names []string, beside bool, err error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	if names, err = file.ImportedLibraries(); err != nil {
		return nil, false, err
	}
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, _ := file.DynString(tag) // none is none
		beside = beside || slices.ContainsFunc(paths, func(p string) bool { return slices.Contains(filepath.SplitList(p), "$ORIGIN") })
	}
	return names, beside, nil
}

// partOf says what people install to get the library of that name.
func partOf(name string) string {
	for _, part := range []struct{ prefix, of string }{{"libcudnn", "cuDNN"}, {"libcu", "CUDA's runtime"}, {"libnv", "TensorRT"}, {"libopenvino", "OpenVINO"}} {
		if strings.HasPrefix(name, part.prefix) {
			return part.of
		}
	}
	return name
}

// majorOf is the number behind prefix in the name that begins with it, 0 where there is none.
func majorOf(names []string, prefix string) int {
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			text, _, _ := strings.Cut(rest, ".")
			n, _ := strconv.Atoi(text)
			return n
		}
	}
	return 0
}

// folderName is one name of a folder from several texts.
func folderName(parts ...string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.Join(parts, "-"))
}
