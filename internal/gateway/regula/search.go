package regula

import (
	"net/http"
	"slices"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// SearchRequest asks who the person in an image is.
type SearchRequest struct {
	Tag    string        `json:"tag"`
	Image  ImageFields   `json:"image"`
	Output *OutputParams `json:"outputImageParams"`
	Groups []string      `json:"groupIds"` // all persons without any
	Filter *struct {
		Op    string   `json:"op"`    // in, nin
		Field string   `json:"field"` // name
		Value []string `json:"value"`
	} `json:"filter"`
	CreatePerson *struct {
		Name     schema.Personal `json:"name"`
		Metadata schema.Metadata `json:"metadata"`
		TTL      *int64          `json:"ttl"`
	} `json:"createPerson"`
	DetectAll bool     `json:"detectAll"`
	Threshold *float32 `json:"threshold"` // the least similarity, 0..1; 0.5, where faces match, without one
	Limit     int      `json:"limit"`
}

// SearchResponse is the answer to search.
type SearchResponse struct {
	Code    Code           `json:"code"`
	Persons []SearchPerson `json:"persons"`
}

// SearchPerson is a candidate with the image that is most like the one searched for.
type SearchPerson struct {
	Person
	Detection *SearchDetection `json:"detection,omitempty"`
	Images    []Image          `json:"images"`
}

// SearchDetection is the face that was searched for.
type SearchDetection struct {
	Code      Code     `json:"code"`
	Crop      []byte   `json:"crop,omitempty"`
	Landmarks [][2]int `json:"landmarks"`
	ROI       [4]int   `json:"roi"`
}

// lookup is what a search asks beside its image.
type lookup struct {
	tag       string
	groups    []string
	threshold *float32
	limit     int
	keys      map[string]any
	keep      func(p Person) bool // nil keeps all
}

// neighbours is how many candidates are asked for where some of them are left out afterwards: the most that the stream has.
const neighbours = 100

// find searches for the largest face of an image.
func find(c *api.Call, image []byte, l lookup) (*schema.Result, []SearchPerson, *api.Problem) {
	keys := map[string]any{"neighbors": max(1, min(l.limit, neighbours))}
	if l.limit == 0 || l.keep != nil {
		keys["neighbors"] = neighbours
	}
	for k, v := range l.keys {
		keys[k] = v
	}
	req := schema.Request{Operation: schema.OpPredict, Collection: Collection, Tag: l.tag, Config: config(keys)}
	if len(l.groups) > 0 {
		req.Filter = &schema.PersonFilter{}
		for _, g := range l.groups {
			req.Filter.Groups = append(req.Filter.Groups, schema.GroupID(g))
		}
	}
	out := []SearchPerson{}
	r, refusal := c.Do(req, image)
	if refusal != nil || r.Predict == nil || r.Predict.Response == nil {
		return r, out, refusal
	}
	found := map[schema.PUID]Person{}
	var ids []schema.PUID
	for _, candidate := range r.Predict.Response.List {
		ids = append(ids, candidate.PUID)
	}
	if len(ids) > 0 {
		known, _, refusal := persons(c, &schema.PersonFilter{PUIDs: ids}, &schema.PageQuery{Limit: limit})
		if refusal != nil {
			return r, nil, refusal
		}
		for _, p := range known {
			found[p.ID] = p
		}
	}
	least := float32(0.5)
	if l.threshold != nil {
		least = *l.threshold
	}
	var thresholds schema.Thresholds
	if t := r.Predict.Response.FaceThresholds; len(t) == 3 {
		thresholds.Min, thresholds.Med, thresholds.Max = t[0], t[1], t[2]
	}
	for _, candidate := range r.Predict.Response.List {
		p, ok := found[candidate.PUID]
		similarity := thresholds.Confidence(candidate.Score)
		if !ok || similarity < least || l.keep != nil && !l.keep(p) || l.limit > 0 && len(out) >= l.limit { // not ok: deleted meanwhile
			continue
		}
		image, distance := imageOf(p.ID, candidate.GUID), 1-candidate.Score
		image.Similarity, image.Distance = &similarity, &distance
		found := SearchPerson{Person: p, Images: []Image{image}}
		if len(r.Faces) > 0 {
			found.Detection = &SearchDetection{Landmarks: landmarks(r.Faces[0]), ROI: roi(r.Faces[0])}
		}
		out = append(out, found)
	}
	return r, out, nil
}

func search(c *api.Call) *api.Problem {
	var req SearchRequest
	refusal := c.JSON(&req)
	if refusal == nil {
		refusal = req.Image.check()
	}
	if refusal != nil {
		return refusal
	}
	l := lookup{tag: req.Tag, groups: req.Groups, threshold: req.Threshold, limit: req.Limit}
	switch f := req.Filter; {
	case req.Limit < 0 || req.Limit > neighbours:
		return invalid("limit is 1 to %d", neighbours)
	case f != nil && (f.Field != "name" || f.Op != "in" && f.Op != "nin"):
		return invalid("filter takes the field name, and in or nin")
	case f != nil:
		l.keep = func(p Person) bool { return slices.Contains(f.Value, string(p.Name)) == (f.Op == "in") }
	}
	keys, crop, refusal := output(req.Output, false)
	if refusal != nil {
		return refusal
	}
	l.keys = keys
	if req.DetectAll {
		return searchAll(c, req, l, crop)
	}
	r, found, refusal := find(c, req.Image.Content, l)
	if refusal != nil {
		return refusal
	}
	code := OK
	if r.CallStatus.Reason != schema.ReasonUnknownCollection {
		if code, refusal = codeOf(r); refusal != nil {
			return refusal
		}
	}
	if len(found) == 0 && req.CreatePerson != nil && code == OK {
		return createFound(c, req)
	}
	for i := range found {
		if crop && found[i].Detection != nil {
			if found[i].Detection.Crop, refusal = portrait(c, r.Faces[0]); refusal != nil {
				return refusal
			}
		}
	}
	return answerFound(c, code, found)
}

// answerFound answers with persons, and with the files of their images where the query asks for them.
func answerFound(c *api.Call, code Code, found []SearchPerson) *api.Problem {
	for i := range found {
		if c.Request.URL.Query().Get("withImages") != "true" {
			break
		}
		for k := range found[i].Images {
			image, refusal := &found[i].Images[k], (*api.Problem)(nil)
			if image.Content, refusal = imageContent(c, found[i].ID, image.ID); refusal != nil {
				return refusal
			}
		}
	}
	return c.Answer(http.StatusOK, SearchResponse{code, found})
}

// mostFaces is how many faces of an image are searched for.
const mostFaces = 16

// searchAll searches for every face of an image, by its portrait. A person is there once for each face that finds them.
func searchAll(c *api.Call, req SearchRequest, l lookup, crop bool) *api.Problem {
	keys := map[string]any{"crop_faces": true, "portrait_preset": presets[0], "portrait_format": "jpeg"}
	for k, v := range l.keys {
		keys[k] = v
	}
	keys["face_detection_strategy"], l.keys = every, nil
	r, refusal := c.Do(schema.Request{Operation: schema.OpValidate, Tag: req.Tag, Config: config(keys)}, req.Image.Content)
	if refusal != nil {
		return refusal
	}
	code, refusal := codeOf(r)
	switch {
	case refusal != nil:
		return refusal
	case len(r.Faces) > mostFaces:
		return invalid("the image shows %d faces; at most %d are searched for", len(r.Faces), mostFaces)
	}
	all := []SearchPerson{}
	for _, f := range r.Faces {
		face, refusal := portrait(c, f)
		if refusal != nil {
			return refusal
		}
		if len(face) == 0 {
			continue // its eyes coincide
		}
		_, found, refusal := find(c, face, l)
		if refusal != nil {
			return refusal
		}
		for _, p := range found {
			p.Detection = &SearchDetection{Landmarks: landmarks(f), ROI: roi(f)}
			if crop {
				p.Detection.Crop = face
			}
			all = append(all, p)
		}
	}
	return answerFound(c, code, all)
}

// createFound makes a person of somebody whom a search did not find. Where the search was among all, a face that another search made a person
// of in the meantime is refused: one face stays one person.
func createFound(c *api.Call, req SearchRequest) *api.Problem {
	fields := &schema.PersonFields{Name: &req.CreatePerson.Name, Metadata: req.CreatePerson.Metadata, TTL: req.CreatePerson.TTL}
	if string(fields.Metadata) == "null" {
		fields.Metadata = nil
	}
	policy := "refuse"
	for _, g := range req.Groups {
		fields.Groups, policy = append(fields.Groups, schema.GroupID(g)), "report"
	}
	r, refusal := ask(c, schema.Request{Operation: schema.OpEnroll, Collection: Collection, Tag: req.Tag, Fields: fields,
		Config: config(map[string]any{"duplicate_policy": policy})}, req.Image.Content)
	if refusal != nil {
		return refusal
	}
	p, refusal := person(c, r.Enroll.Response.PUID)
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusCreated, SearchPerson{Person: personOf(*p), Images: []Image{imageOf(p.PUID, r.Enroll.Response.GUID)}})
}
