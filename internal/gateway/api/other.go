package api

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/jpeg"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/image/draw"

	"facestream/internal/gateway/auth"
	"facestream/pkg/schema"
)

// Path is a path of the interface of another system. It has the callers, limits, store and stream of this one, and fields and answers of
// its own.
type Path struct {
	Path    string // as of [http.ServeMux], without a method
	Methods map[string]func(c *Call) *Problem
	// Fail answers with a problem, in the form of that interface. The headers that every form has are set.
	Fail func(w http.ResponseWriter, p *Problem)
	// Bare lets callers send their token without a scheme: Authorization: TOKEN.
	Bare bool
	// Open is for everybody; there is no caller then.
	Open bool
}

// Call is one request for a [Path].
type Call struct {
	http.ResponseWriter
	Request *http.Request
	Caller  *auth.Caller
	Began   time.Time
	s       *Service
}

// other makes the endpoint of a path.
func (s *Service) other(p Path) endpoint {
	e := endpoint{path: p.Path, methods: map[string]handler{}, open: p.Open, bare: p.Bare, fail: p.Fail}
	for method, do := range p.Methods {
		e.methods[method] = func(w http.ResponseWriter, r *http.Request, caller *auth.Caller) *Problem {
			if caller == nil {
				return do(&Call{ResponseWriter: w, Request: r, Began: time.Now(), s: s})
			}
			release, refused := s.admit(r, caller)
			if refused != nil {
				return refused
			}
			defer release()
			return do(&Call{ResponseWriter: w, Request: r, Caller: caller, Began: time.Now(), s: s})
		}
	}
	return e
}

// Body reads the body, of one of the types, within the limits of size and time.
func (c *Call) Body(types []string, read func(body io.Reader, params map[string]string) *Problem) *Problem {
	kind, params, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(types, kind) || c.Request.Header.Get("Content-Encoding") != "" {
		p := problem(CauseMediaType, "send %s", strings.Join(types, " or "))
		p.close = true
		return p
	}
	return c.s.body(c.ResponseWriter, c.Request, func(body io.Reader) *Problem { return read(body, params) })
}

// JSON reads the body as JSON.
func (c *Call) JSON(into any) *Problem {
	return c.Body([]string{"application/json"}, func(body io.Reader, _ map[string]string) *Problem {
		data, err := io.ReadAll(body)
		if err != nil {
			return bodyProblem(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			return problem(Cause(schema.ReasonUnparsable), "the body is not the JSON that this path takes")
		}
		return nil
	})
}

// Form reads the body as a form: the files and the texts of those fields that it has. A field that is there twice or is unknown is refused.
func (c *Call) Form(files, texts []string) (map[string][]byte, *Problem) {
	found := map[string][]byte{}
	return found, c.Body([]string{"multipart/form-data"}, func(body io.Reader, params map[string]string) *Problem {
		return eachPart(body, params["boundary"], func(part *multipart.Part, name string) (refused *Problem) {
			most := int64(maxField)
			switch _, twice := found[name]; {
			case twice:
				return invalid(clip(name), "is given more than once")
			case slices.Contains(files, name):
				most = c.s.MaxBody
			case !slices.Contains(texts, name):
				return invalid(clip(name), "is not a field of the form"+schema.Suggest(name, slices.Concat(files, texts)))
			}
			found[name], refused = partOf(part, most)
			return refused
		})
	})
}

// Do carries out a request with the contents of its images, and returns its result, which may say that it was refused. The request of an
// operation that the caller may not ask for, or whose result comes late, is a problem.
func (c *Call) Do(req schema.Request, images ...[]byte) (*schema.Result, *Problem) {
	if !c.Caller.MaySome(req.Operation) {
		return nil, forbidden("%s is not among the operations that the token or key allows", req.Operation)
	}
	sub := &submission{Request: req}
	for _, content := range images {
		sub.Images, sub.files = append(sub.Images, schema.ObjectRef{}), append(sub.files, content)
	}
	taken, refused := c.s.order(c.Request.Context(), c.Caller, sub, "")
	if refused != nil {
		return nil, refused
	}
	e, late, refused := c.s.outcome(c.Request.Context(), taken, c.s.Wait)
	if late {
		refused = problem(CauseLate, "the result did not arrive in time; it will be at %s", address(taken.ID))
		refused.RequestID = taken.ID
	}
	if refused != nil {
		return nil, refused
	}
	r := &schema.Result{}
	if err := json.Unmarshal(e.Data, r); err != nil {
		return nil, problem(Cause(schema.ReasonInternal), "the result cannot be read")
	}
	return r, nil
}

// Answer answers with JSON.
func (c *Call) Answer(status int, v any) *Problem {
	writeJSON(c.ResponseWriter, status, v)
	return nil
}

// Object reads an object of the store: one that came over HTTP or that the caller may name, or one that was made of such.
func (c *Call) Object(ref schema.ObjectRef) ([]byte, *Problem) {
	if !c.s.ours(ref) && !c.Caller.MayRead(ref) {
		return nil, nothing()
	}
	return c.s.load(c.Request.Context(), ref)
}

// Result is that of an earlier request, if the caller may see it.
func (c *Call) Result(id schema.RequestID) (*schema.Result, *Problem) {
	if !idPattern.MatchString(string(id)) {
		return nil, badID()
	}
	return c.s.result(c.Request.Context(), c.Caller, id)
}

// Image answers with a file of the store.
func (c *Call) Image(content []byte) *Problem {
	writeImage(c.ResponseWriter, content)
	return nil
}

// Token signs one for the caller that allows these operations, as far as the caller's own does, and ends no later. Whoever uses it is the
// same caller by limits and repeats, whatever its subject.
func (c *Call) Token(subject string, ttl time.Duration, operations ...schema.Operation) (string, *Problem) {
	if c.s.Guard.Mint == nil {
		return "", problem(Cause(schema.ReasonOperationUnavailable), "no key of this gateway signs tokens (gateway.auth.signing_key)")
	}
	if left := time.Until(c.Caller.Until); !c.Caller.Until.IsZero() && left < ttl {
		ttl = left
	}
	g := auth.Grant{Subject: subject, Account: c.Caller.Name, TTL: ttl, Caller: auth.Caller{Collections: c.Caller.Collections, Objects: c.Caller.Objects}}
	for _, op := range operations {
		if c.Caller.MaySome(op) {
			g.Operations = append(g.Operations, string(op))
		}
	}
	if len(g.Operations) == 0 {
		return "", forbidden("none of these operations are among those that the token or key allows")
	}
	token, err := c.s.Guard.Mint(g)
	if err != nil {
		return "", problem(Cause(schema.ReasonInternal), "the token cannot be signed")
	}
	return token, nil
}

// maxShrunk is how many pixels an image has at most that is shrunk here.
const maxShrunk = 16_000_000

// Shrunk is a JPEG or PNG file as JPEG with no side longer than side; any other file, and one that is small enough, is returned as it is.
func (c *Call) Shrunk(content []byte, side int) ([]byte, *Problem) {
	config, format, err := image.DecodeConfig(bytes.NewReader(content))
	if pixels := int64(config.Width) * int64(config.Height); err != nil || format != "jpeg" && format != "png" || pixels > maxShrunk || max(config.Width, config.Height) <= side {
		return content, nil
	}
	weight := 8 * int64(config.Width) * int64(config.Height) // a PNG of 16 bits a channel
	getting, stop := context.WithTimeout(c.Request.Context(), memoryWait)
	defer stop()
	if c.s.memory.Acquire(getting, weight) != nil {
		return nil, unavailable()
	}
	defer c.s.memory.Release(weight)
	full, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return content, nil
	}
	scale := float64(side) / float64(max(config.Width, config.Height))
	small := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(config.Width)*scale)), max(1, int(float64(config.Height)*scale))))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), full, full.Bounds(), draw.Src, nil)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: 85}); err != nil {
		return nil, problem(Cause(schema.ReasonInternal), "the image cannot be written")
	}
	return out.Bytes(), nil
}
