package regula

import (
	"net/http"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// MatchRequest asks for a comparison of the faces of several images.
type MatchRequest struct {
	Tag        string        `json:"tag"`
	Images     []MatchImage  `json:"images"`
	Output     *OutputParams `json:"outputImageParams"`
	Thumbnails bool          `json:"thumbnails"`
	Groups     []string      `json:"groupIds"`  // of match_and_search, as the next two
	Threshold  *float32      `json:"threshold"` // the least similarity, 0..1
	Limit      int           `json:"limit"`
}

// MatchImage is one of them. Type says where it comes from (ImageSource), and only comes back.
type MatchImage struct {
	Index     *int   `json:"index"`
	Type      int    `json:"type"`
	Data      []byte `json:"data"`      // base64
	Content   []byte `json:"content"`   // the same in match_and_search
	URL       string `json:"imageUrl"`  // not fetched
	DetectAll bool   `json:"detectAll"` // else the largest face counts
}

// MatchResponse is the answer to match and match_and_search.
type MatchResponse struct {
	Code        Code             `json:"code"`
	Detections  []MatchDetection `json:"detections"`
	Results     []MatchResult    `json:"results"`
	Metadata    struct{}         `json:"metadata"`    // nothing is kept with a comparison
	ElapsedTime float64          `json:"elapsedTime"` // ms
}

// MatchDetection has the faces of an image.
type MatchDetection struct {
	Faces      []MatchFace `json:"faces"`
	ImageIndex int         `json:"imageIndex"`
	Status     Code        `json:"status"`
}

// MatchFace is one face. RotationAngle is by how many degrees it leans from the vertical.
type MatchFace struct {
	FaceIndex     int            `json:"faceIndex"`
	Landmarks     [][2]int       `json:"landmarks"`
	RotationAngle float32        `json:"rotationAngle"`
	ROI           [4]int         `json:"roi"`
	Crop          []byte         `json:"crop,omitempty"`
	Thumbnail     []byte         `json:"thumbnail,omitempty"`
	Persons       []SearchPerson `json:"persons,omitzero"` // of match_and_search
}

// MatchResult compares two faces. Similarity is 0..1, and 0.5 where they are taken for one person; Score is the distance 1 - cosine, 0 for
// identical ones.
type MatchResult struct {
	FirstIndex      int     `json:"firstIndex"`
	FirstFaceIndex  int     `json:"firstFaceIndex"`
	First           int     `json:"first,omitempty"`
	SecondIndex     int     `json:"secondIndex"`
	SecondFaceIndex int     `json:"secondFaceIndex"`
	Second          int     `json:"second,omitempty"`
	Score           float32 `json:"score"`
	Similarity      float32 `json:"similarity"`
}

func match(c *api.Call) *api.Problem { return compare(c, false) }

func matchAndSearch(c *api.Call) *api.Problem { return compare(c, true) }

func compare(c *api.Call, searching bool) *api.Problem {
	var req MatchRequest
	if refusal := c.JSON(&req); refusal != nil {
		return refusal
	}
	code, indices := OK, map[int]bool{}
	for i := range req.Images {
		image := &req.Images[i]
		if len(image.Data) == 0 {
			image.Data = image.Content
		}
		if image.Index == nil {
			image.Index = new(i)
		}
		switch {
		case image.URL != "" && len(image.Data) == 0:
			return invalid("imageUrl is not fetched; send the image as base64")
		case len(image.Data) == 0:
			code = ImageEmpty
		case indices[*image.Index]:
			return invalid("two images have the index %d", *image.Index)
		}
		indices[*image.Index] = true
	}
	switch {
	case len(req.Images) < 2:
		code = LessThanTwoImages
	case len(req.Images) > schema.OpCompare.MaxImages():
		code = TooManyImages
	}
	if code != OK {
		return c.Answer(http.StatusOK, MatchResponse{Code: code, Detections: []MatchDetection{}, Results: []MatchResult{}})
	}
	keys, crop, refusal := output(req.Output, req.Thumbnails)
	if refusal != nil {
		return refusal
	}
	contents := make([][]byte, len(req.Images))
	for i, image := range req.Images {
		contents[i] = image.Data
		if image.DetectAll {
			keys["face_detection_strategy"] = every
		}
	}
	r, refusal := c.Do(schema.Request{Operation: schema.OpCompare, Tag: req.Tag, Config: config(keys)}, contents...)
	if refusal != nil {
		return refusal
	}
	if code, refusal = codeOf(r); refusal != nil {
		return refusal
	}
	answer := compared(r, req.Images)
	if code != FaceNotDetected && code != OK { // where one image of several has no face, its detection says so
		answer.Code = code
	}
	for i := range answer.Detections {
		faces := answer.Detections[i].Faces
		for k := range faces {
			if crop {
				if faces[k].Crop, refusal = portrait(c, r.Faces[place(r, i, faces[k].FaceIndex)]); refusal != nil {
					return refusal
				}
				if req.Thumbnails {
					faces[k].Thumbnail = faces[k].Crop
				}
			}
		}
		if !searching || len(faces) == 0 {
			continue
		}
		_, persons, refusal := find(c, req.Images[i].Data, lookup{groups: req.Groups, threshold: req.Threshold, limit: req.Limit})
		if refusal != nil {
			return refusal
		}
		faces[0].Persons = persons
	}
	answer.ElapsedTime = seconds(c) * 1000
	return c.Answer(http.StatusOK, answer)
}

// place is where the result has the face of that index in the image.
func place(r *schema.Result, image, index int) int {
	for i, f := range r.Faces {
		if f.Image == image {
			if index == 0 {
				return i
			}
			index--
		}
	}
	return -1
}

// compared translates a result. Of an image that is not to show all its faces the largest one counts.
func compared(r *schema.Result, images []MatchImage) MatchResponse {
	answer := MatchResponse{Detections: []MatchDetection{}, Results: []MatchResult{}}
	index := make([]int, len(r.Faces)) // of each face in its image
	counts := make([]bool, len(r.Faces))
	for i, image := range images {
		d := MatchDetection{Faces: []MatchFace{}, ImageIndex: *image.Index, Status: FaceNotDetected}
		best, of := -1, 0
		for k, f := range r.Faces {
			if f.Image != i {
				continue
			}
			index[k], counts[k] = of, image.DetectAll
			of++
			if best < 0 || area(f) > area(r.Faces[best]) {
				best = k
			}
		}
		if best >= 0 {
			counts[best] = true
		}
		for k, f := range r.Faces {
			if f.Image != i || !counts[k] {
				continue
			}
			d.Status = OK
			face := MatchFace{FaceIndex: index[k], Landmarks: landmarks(f), ROI: roi(f)}
			if p := f.Score(schema.MetricRotation); p != nil {
				face.RotationAngle = *p
			}
			d.Faces = append(d.Faces, face)
		}
		answer.Detections = append(answer.Detections, d)
	}
	if r.Compare != nil {
		for _, p := range r.Compare.Pairs {
			if !counts[p.FaceA] || !counts[p.FaceB] {
				continue
			}
			a, b := images[p.ImageA], images[p.ImageB]
			answer.Results = append(answer.Results, MatchResult{*a.Index, index[p.FaceA], a.Type, *b.Index, index[p.FaceB], b.Type, 1 - p.Similarity, p.Confidence})
		}
	}
	if len(answer.Results) == 0 {
		answer.Code = FaceNotDetected
	}
	return answer
}

func area(f schema.FaceResult) float32 {
	b := f.Geometry.InPicture()
	return (b.BottomRight.X - b.TopLeft.X) * (b.BottomRight.Y - b.TopLeft.Y)
}
