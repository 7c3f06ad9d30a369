package api

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"facestream/internal/gateway/auth"
	"facestream/pkg/schema"
)

// imageNames are the names of the images of a result.
var imageNames = regexp.MustCompile(`^(?:[0-9]|1[0-5]|portrait|document|face-(?:0|[1-9][0-9]{0,2})|barcode-(?:[0-9]|1[0-5]))$`)

// serveImage answers with an image of a result as it is in the store: one that the request named, by its index, or one that was made of
// these.
func (s *Service) serveImage(w http.ResponseWriter, r *http.Request, caller *auth.Caller) *Problem {
	id, name := schema.RequestID(r.PathValue("id")), r.PathValue("image")
	switch {
	case !idPattern.MatchString(string(id)):
		return badID()
	case !imageNames.MatchString(name):
		return problem(CauseInvalidParameter, "an image is 0 to 15, portrait, document, face-0 to face-999, or barcode-0 to barcode-15")
	}
	result, refused := s.result(r.Context(), caller, id)
	if refused != nil {
		return refused
	}
	ref, ok := imageOf(result, name)
	if !ok {
		return nothing()
	}
	if given := name[0] <= '9'; given && !s.ours(ref) && !caller.MayRead(ref) {
		return nothing() // another caller named an object that this one may not name
	}
	data, refused := s.load(r.Context(), ref)
	if refused != nil {
		return refused
	}
	writeImage(w, data)
	return nil
}

// result is that of a request, if the caller may see it.
func (s *Service) result(ctx context.Context, caller *auth.Caller, id schema.RequestID) (*schema.Result, *Problem) {
	record, found, err := s.results.find(ctx, id)
	switch {
	case err != nil:
		return nil, s.unavailable(err, "a result cannot be looked up")
	case !found || !maySee(caller, record.Event):
		return nil, nothing()
	}
	r := &schema.Result{}
	if err := json.Unmarshal(record.Event.Data, r); err != nil {
		return nil, problem(Cause(schema.ReasonInternal), "the result cannot be read")
	}
	return r, nil
}

// writeImage answers with a file of the store. What is no image that browsers know is of no type that they show.
func writeImage(w http.ResponseWriter, data []byte) {
	kind := http.DetectContentType(data)
	if !strings.HasPrefix(kind, "image/") {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(data)
}

// imageOf returns the image of that name in a result.
func imageOf(result *schema.Result, name string) (ref schema.ObjectRef, ok bool) {
	var made *schema.OutputImage
	face, isFace := strings.CutPrefix(name, "face-")
	code, isCode := strings.CutPrefix(name, "barcode-")
	switch {
	case name == "portrait":
		if result.ISOImage != nil {
			made = result.ISOImage.Image
		}
	case name == "document":
		if result.Document.Found != nil {
			made = result.Document.Found.Cropped
		}
	case isFace:
		if i, err := strconv.Atoi(face); err == nil && i < len(result.Faces) {
			made = result.Faces[i].Crop
		}
	case isCode:
		if i, err := strconv.Atoi(code); err == nil && i < len(result.Barcodes) {
			made = result.Barcodes[i].Crop
		}
	default:
		if i, err := strconv.Atoi(name); err == nil && i < len(result.Images) {
			return result.Images[i], true
		}
	}
	if made == nil {
		return ref, false
	}
	return made.Object, true
}

// ours reports whether an object came with a request over HTTP.
func (s *Service) ours(ref schema.ObjectRef) bool {
	return ref.Bucket == s.Bucket && strings.HasPrefix(ref.Key, s.Prefix)
}

// load reads an object within the memory of all requests.
func (s *Service) load(ctx context.Context, ref schema.ObjectRef) ([]byte, *Problem) {
	getting, stop := context.WithTimeout(ctx, memoryWait)
	defer stop()
	if s.memory.Acquire(getting, s.MaxBody) != nil {
		return nil, unavailable()
	}
	defer s.memory.Release(s.MaxBody)
	reading, stop := context.WithTimeout(ctx, storeWait)
	defer stop()
	data, _, err := s.Store.Get(reading, ref, s.MaxBody)
	if err != nil {
		return nil, s.unread(err)
	}
	return data, nil
}

// unread says why an object could not be read.
func (s *Service) unread(err error) *Problem {
	switch schema.ReasonOf(err) {
	case schema.ReasonImageTooLarge:
		return problem(Cause(schema.ReasonImageTooLarge), "the image is larger than gateway.max_body")
	case "":
		return s.unavailable(err, "an image cannot be read")
	}
	return nothing() // it was erased, or overwritten
}
