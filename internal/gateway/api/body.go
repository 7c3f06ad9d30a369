package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"facestream/pkg/schema"
)

// submission is what a body asks for: the request, and the content of its images where it carries them. files and Images have one
// length; a nil file is of an image in the store.
type submission struct {
	schema.Request
	files [][]byte
}

// formFields are the fields of a form, beside image: those of a request. Those with raw JSON have true.
var formFields = func() map[string]bool {
	fields := map[string]bool{}
	t := reflect.TypeFor[schema.Request]()
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "operation" && name != imagesField {
			fields[name] = f.Type.Kind() != reflect.String && f.Type != reflect.TypeFor[*time.Time]()
		}
	}
	return fields
}()

// imageField is the field of a form, and of a JSON body, that holds an image each.
const (
	imageField  = "image"
	imagesField = "images"
)

// maxField is the longest field of a form that is no image, in bytes.
const maxField = 256 << 10

// maxParts is how many parts of a form are looked at: every field twice, and every image.
const maxParts = 64

// receive reads the body of a request for op.
func (s *Service) receive(w http.ResponseWriter, r *http.Request, op schema.Operation) (*submission, *Problem) {
	if r.Header.Get("Content-Encoding") != "" {
		return nil, problem(CauseMediaType, "the body is encoded; send it as it is")
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && kind != "multipart/form-data" {
		return nil, problem(CauseMediaType, "send application/json or multipart/form-data")
	}
	var sub *submission
	refused := s.body(w, r, func(body io.Reader) (refused *Problem) {
		if kind == "application/json" {
			sub, refused = receiveJSON(body, op, r.ContentLength)
		} else {
			sub, refused = receiveForm(body, params["boundary"], op)
		}
		return refused
	})
	return sub, refused
}

// body lets read read the body, which may have s.MaxBody bytes and must arrive within s.BodyTimeout.
func (s *Service) body(w http.ResponseWriter, r *http.Request, read func(body io.Reader) *Problem) *Problem {
	if r.ContentLength > s.MaxBody {
		return tooLarge(s.MaxBody)
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(s.BodyTimeout)); err != nil {
		return problem(CauseUnavailable, "the connection has no deadline")
	}
	body := http.MaxBytesReader(w, r.Body, s.MaxBody)
	refused := read(body)
	if refused == nil {
		// Whatever follows the last part counts, too.
		if _, err := io.Copy(io.Discard, body); err != nil {
			refused = bodyProblem(err)
		}
	}
	if refused != nil {
		refused.close = true // what is left of the body is not read
		return refused
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return problem(CauseUnavailable, "the connection has no deadline")
	}
	return nil
}

func tooLarge(most int64) *Problem {
	p := problem(CauseBodyTooLarge, "at most %d bytes are allowed", most)
	p.close = true
	return p
}

// bodyProblem says why a body could not be read.
func bodyProblem(err error) *Problem {
	var large *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return problem(CauseBodyTimeout, "the body did not arrive in time")
	}
	return problem(CauseBodyIncomplete, "the body ended early or is not in the form of its type")
}

// receiveJSON reads an object with the fields of a request, whose images are texts: base64, or s3://bucket/key. size is what the header
// says; -1 where it does not.
func receiveJSON(body io.Reader, op schema.Operation, size int64) (*submission, *Problem) {
	var buffer bytes.Buffer
	if size > 0 {
		buffer.Grow(int(size) + bytes.MinRead)
	}
	if _, err := buffer.ReadFrom(body); err != nil {
		return nil, bodyProblem(err)
	}
	data := bytes.TrimSpace(buffer.Bytes())
	if !json.Valid(data) || len(data) == 0 || data[0] != '{' {
		return nil, problem(Cause(schema.ReasonUnparsable), "the body is not a JSON object")
	}
	s := &submission{}
	rest := newObject(op)
	seen := false
	for name, value := range members(data) {
		if name != imagesField {
			rest.raw(name, value)
			continue
		}
		switch {
		case seen:
			return nil, invalid(imagesField, "is given more than once")
		case value[0] != '[':
			return nil, invalid(imagesField, "must be an array")
		}
		seen = true
		i := 0
		for item := range elements(value) {
			if i++; i > op.MaxImages() {
				return nil, invalid(imagesField, fmt.Sprintf("%s takes at most %d", op, op.MaxImages()))
			}
			field := fmt.Sprintf("images[%d]", i-1)
			if item[0] != '"' {
				return nil, invalid(field, "must be a string: base64, or s3://bucket/key")
			}
			text := item[1 : len(item)-1]
			if bytes.IndexByte(text, '\\') >= 0 {
				var unescaped string
				if json.Unmarshal(item, &unescaped) != nil {
					return nil, invalid(field, "is not a string")
				}
				text = []byte(unescaped)
			}
			if refused := s.text(field, text); refused != nil {
				return nil, refused
			}
		}
	}
	return s.complete(rest)
}

// text adds an image that is written as text.
func (s *submission) text(field string, text []byte) *Problem {
	if bytes.HasPrefix(text, []byte("s3://")) {
		ref, err := parseS3(string(text))
		if err != nil {
			return invalid(field, err.Error())
		}
		s.Images, s.files = append(s.Images, ref), append(s.files, nil)
		return nil
	}
	if bytes.ContainsAny(text, "\r\n") { // the decoder passes over them
		return problem(CauseInvalidBase64, "%s: has line breaks; send base64 in one line", field)
	}
	content := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(content, text)
	if err != nil {
		hint := ""
		if bytes.ContainsAny(text, "-_") {
			hint = "; it seems to be in the alphabet for URLs"
		} else if bytes.HasPrefix(text, []byte("data:")) {
			hint = "; leave out what is before the comma"
		}
		return problem(CauseInvalidBase64, "%s: is not base64 with the standard alphabet and padding%s", field, hint)
	}
	return s.file(field, content[:n])
}

// file adds an image by its content.
func (s *submission) file(field string, content []byte) *Problem {
	if len(content) == 0 {
		return fieldProblem(field, "is empty", schema.ReasonImageUnreadable)
	}
	s.Images, s.files = append(s.Images, schema.ObjectRef{}), append(s.files, content)
	return nil
}

// receiveForm reads a form with the fields of a request, and a file or a text s3://bucket/key for each image.
func receiveForm(body io.Reader, boundary string, op schema.Operation) (*submission, *Problem) {
	s := &submission{}
	rest := newObject(op)
	refused := eachPart(body, boundary, func(part *multipart.Part, name string) *Problem {
		_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		_, isFile := params["filename"]
		rawJSON, known := formFields[name]
		switch {
		case name == imageField && len(s.Images) >= op.MaxImages():
			return invalid(imageField, fmt.Sprintf("%s takes at most %d", op, op.MaxImages()))
		case name == imageField:
			content, err := io.ReadAll(part)
			if err != nil {
				return bodyProblem(err)
			}
			field := fmt.Sprintf("images[%d]", len(s.Images))
			switch {
			case isFile:
				return s.file(field, content)
			case bytes.HasPrefix(content, []byte("s3://")):
				return s.text(field, content)
			}
			return invalid(field, "must be a file, or s3://bucket/key")
		case !known:
			return invalid(clip(name), "is not a field of the form"+schema.Suggest(name, append(fieldNames(), imageField)))
		case isFile:
			return invalid(name, "is a file; only image is")
		}
		value, refused := partOf(part, maxField)
		switch {
		case refused != nil:
			return refused
		case rawJSON && !json.Valid(value):
			return invalid(name, "is not JSON")
		case rawJSON:
			rest.raw(name, value)
		default:
			rest.text(name, value)
		}
		return nil
	})
	if refused != nil {
		return nil, refused
	}
	return s.complete(rest)
}

// eachPart calls read for the parts of a form, which has to end as forms do.
func eachPart(body io.Reader, boundary string, read func(part *multipart.Part, name string) *Problem) *Problem {
	if boundary == "" {
		return problem(CauseMediaType, "the type multipart/form-data needs a boundary")
	}
	var end tail
	parts := multipart.NewReader(io.TeeReader(body, &end), boundary)
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF && bytes.Contains(end, []byte("--"+boundary+"--")) {
			return nil
		}
		if err != nil {
			return bodyProblem(err)
		}
		if n >= maxParts {
			return invalid("body", fmt.Sprintf("has more than %d parts", maxParts))
		}
		name := part.FormName()
		if part.Header.Get("Content-Transfer-Encoding") != "" {
			return invalid(clip(name), "has a Content-Transfer-Encoding; send it as it is")
		}
		if refused := read(part, name); refused != nil {
			return refused
		}
	}
}

// partOf reads a part of at most so many bytes.
func partOf(part *multipart.Part, most int64) ([]byte, *Problem) {
	value, err := io.ReadAll(io.LimitReader(part, most+1))
	switch {
	case err != nil:
		return nil, bodyProblem(err)
	case int64(len(value)) > most:
		return nil, invalid(part.FormName(), fmt.Sprintf("has more than %d bytes", most))
	}
	return value, nil
}

// tail is the end of what was written to it. The reader of a form says that it ended also where it was cut off in the header of a part.
type tail []byte

func (t *tail) Write(data []byte) (int, error) {
	const most = 16 << 10 // more than the reader reads ahead
	*t = append(*t, data...)
	if over := len(*t) - most; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
	return len(data), nil
}

func fieldNames() []string {
	var names []string
	for name := range formFields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// object is a request without its images, as JSON that [schema.DecodeRequest] judges: what is unknown, repeated, null or too deep.
type object struct{ bytes.Buffer }

func newObject(op schema.Operation) *object {
	o := &object{}
	fmt.Fprintf(o, `{"operation":%q`, string(op))
	return o
}

func (o *object) raw(name string, value []byte) {
	key, _ := json.Marshal(name)
	fmt.Fprintf(o, ",%s:%s", key, value)
}

func (o *object) text(name string, value []byte) {
	if !utf8.Valid(value) {
		value = []byte("\xff") // DecodeRequest refuses it; json.Marshal would replace what is not UTF-8
		o.raw(name, append(append([]byte{'"'}, value...), '"'))
		return
	}
	text, _ := json.Marshal(string(value))
	o.raw(name, text)
}

// complete decodes the fields of the request.
func (s *submission) complete(rest *object) (*submission, *Problem) {
	rest.WriteByte('}')
	r, problems := schema.DecodeRequest(rest.Bytes())
	if len(problems) > 0 {
		return nil, problemOf(problems)
	}
	r.Images = s.Images
	s.Request = r
	return s, nil
}

func invalid(field, message string) *Problem {
	return fieldProblem(field, message, schema.ReasonInvalidRequest)
}

func fieldProblem(field, message string, reason schema.Reason) *Problem {
	return problemOf(schema.Problems{{Field: field, Message: message, Reason: reason}})
}

// clip makes an untrusted name short and printable.
func clip(name string) string {
	if len(name) > 64 {
		name = name[:64]
	}
	return fmt.Sprintf("%q", name)
}

// parseS3 reads s3://bucket/key, with ?versionId=… for a version.
func parseS3(text string) (schema.ObjectRef, error) {
	rest := strings.TrimPrefix(text, "s3://")
	rest, query, _ := strings.Cut(rest, "?")
	bucket, key, ok := strings.Cut(rest, "/")
	if !ok || bucket == "" || key == "" {
		return schema.ObjectRef{}, errors.New("is not in the form s3://bucket/key")
	}
	key, err := url.PathUnescape(key)
	if err != nil {
		return schema.ObjectRef{}, errors.New("has a % that is not followed by two hexadecimal digits; write %25")
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "." || part == ".." {
			return schema.ObjectRef{}, errors.New("has . or .. between slashes, which some stores take for another folder")
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil || len(values) > 1 || len(values) == 1 && len(values["versionId"]) != 1 {
		return schema.ObjectRef{}, errors.New("has a query that is not ?versionId=…; write ? in a key as %3F")
	}
	return schema.ObjectRef{Bucket: bucket, Key: key, Version: values.Get("versionId")}, nil
}
