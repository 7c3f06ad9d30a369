package regula

import (
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// DetectRequest asks for the faces of an image.
type DetectRequest struct {
	Tag     string       `json:"tag"`
	Process ProcessParam `json:"processParam"`
	Image   []byte       `json:"image"` // base64
	// Thumbnails is what the API had before outputImageParams.
	Thumbnails bool `json:"thumbnails"`
}

// ProcessParam says what is measured of the faces.
type ProcessParam struct {
	Scenario    string        `json:"scenario"`
	CentralFace bool          `json:"onlyCentralFace"`
	Output      *OutputParams `json:"outputImageParams"`
	Quality     *struct {
		Config []QualityConfig `json:"config"`
		// BackgroundMatchColor belongs to BackgroundColorMatch, which is not measured.
		BackgroundMatchColor []int `json:"backgroundMatchColor"`
	} `json:"quality"`
	Attributes *struct {
		Config []struct {
			Name string `json:"name"`
		} `json:"config"`
	} `json:"attributes"`
}

// OutputParams ask for the portraits of the faces.
type OutputParams struct {
	BackgroundColor []int `json:"backgroundColor"` // the background stays as it is
	Crop            *struct {
		Type     int   `json:"type"` // 0 3×4, 1 4×5, 2 2×3, 3 1×1, 4 7×9
		PadColor []int `json:"padColor"`
		Size     []int `json:"size"` // width and height; the height follows from the type
		Original bool  `json:"returnOriginalRect"`
	} `json:"crop"`
}

// QualityConfig asks for one characteristic. Without a range, that of portraits for travel documents applies.
type QualityConfig struct {
	Name  string    `json:"name"`
	Range []float32 `json:"range"`
}

// DetectResponse is the answer to detect.
type DetectResponse struct {
	Code    Code          `json:"code"`
	Results *DetectResult `json:"results,omitempty"`
}

// DetectResult has the faces. Timer is in seconds, ElapsedTime in milliseconds.
type DetectResult struct {
	Detections    []Detection `json:"detections"`
	DetectorType  int         `json:"detectorType"`
	LandmarksType int         `json:"landmarksType"`
	Scenario      string      `json:"scenario,omitempty"`
	Timer         float64     `json:"timer"`
	ElapsedTime   float64     `json:"elapsedTime"`
}

// Detection is one face. Positions are in pixels of the upright image, from its top left.
type Detection struct {
	Crop       []byte      `json:"crop,omitempty"`
	Thumbnail  []byte      `json:"thumbnail,omitempty"`
	Attributes *Attributes `json:"attributes,omitempty"`
	Landmarks  [][2]int    `json:"landmarks"`
	Quality    *Quality    `json:"quality,omitempty"`
	ROI        [4]int      `json:"roi"` // x, y, width, height
}

// Attributes are what the networks see of a face. A value that was not assessed is absent.
type Attributes struct {
	Details     []Attribute `json:"details"`
	ElapsedTime float64     `json:"elapsedTime"`
}

// Attribute is one of them: the ends of an age in years, or a word with its confidence.
type Attribute struct {
	Name       string   `json:"name"`
	Value      any      `json:"value,omitempty"`
	Confidence *float32 `json:"confidence,omitempty"`
}

// Quality is the quality of a face image. Score is the share of the assessed characteristics that are compliant, -1 without any.
type Quality struct {
	NonCompliant []string        `json:"nonCompliant"`
	Groups       []QualityTotal  `json:"detailsGroups"`
	Details      []QualityDetail `json:"details"`
	Score        float32         `json:"score"`
	Timer        float64         `json:"timer"`
}

// QualityTotal counts the characteristics of a group.
type QualityTotal struct {
	Group     int    `json:"groupId"`
	Name      string `json:"name"`
	Total     int    `json:"totalCount"`
	Compliant int    `json:"compliantCount"`
}

// QualityDetail is one characteristic. Status is 0 outside the range, 1 inside, 2 not assessed.
type QualityDetail struct {
	Group  int       `json:"groupId"`
	Name   string    `json:"name"`
	Range  []float32 `json:"range,omitempty"`
	Status int       `json:"status"`
	Value  float32   `json:"value"`
}

// scenario is what a name stands for: a group of quality, attributes, one face, a portrait.
type scenario struct {
	group                     string
	attributes, central, crop bool
}

var scenarios = map[string]scenario{
	"": {}, "OldMode": {}, "Thumbnail": {crop: true},
	"QualityFull": {group: "icao"}, "QualityICAO": {group: "icao"}, "QualityVisaSchengen": {group: "visa-schengen"}, "QualityVisaUSA": {group: "visa-usa"},
	"CropCentralFace": {central: true, crop: true}, "CropAllFaces": {crop: true}, "AttributesAll": {attributes: true},
}

// presets are the portraits of the types of crops.
var presets = [...]string{"crop_3x4", "crop_4x5", "crop_2x3", "crop_1x1", "crop_7x9"}

func detect(c *api.Call) *api.Problem {
	var req DetectRequest
	if refusal := c.JSON(&req); refusal != nil {
		return refusal
	}
	named, ok := scenarios[req.Process.Scenario]
	switch {
	case !ok:
		return c.Answer(http.StatusOK, DetectResponse{Code: ConfigError})
	case len(req.Image) == 0:
		return c.Answer(http.StatusOK, DetectResponse{Code: ImageEmpty})
	}
	keys, crop, refusal := output(req.Process.Output, named.crop || req.Thumbnails)
	if refusal != nil {
		return refusal
	}
	var asked []QualityConfig
	if q := req.Process.Quality; named.group == "" && q != nil {
		named.group, asked = "icao", q.Config
		for _, one := range asked {
			if !known(one.Name) || len(one.Range) != 0 && len(one.Range) != 2 {
				return c.Answer(http.StatusOK, DetectResponse{Code: ConfigError})
			}
		}
	}
	keys["face_detection_strategy"], keys["get_smile_intensity"], keys["quality_groups"] = every, true, named.group
	if central := req.Process.CentralFace || named.central; central && named.group == "" {
		keys["quality_groups"] = "default" // it measures the size of the image
	}
	r, refusal := c.Do(schema.Request{Operation: schema.OpValidate, Tag: req.Tag, Config: config(keys)}, req.Image)
	if refusal != nil {
		return refusal
	}
	code, refusal := codeOf(r)
	if refusal != nil {
		return refusal
	}
	took := seconds(c)
	results := &DetectResult{Detections: []Detection{}, Scenario: req.Process.Scenario, Timer: took, ElapsedTime: took * 1000}
	faces := r.Faces
	if req.Process.CentralFace || named.central {
		faces = central(faces)
	}
	for _, f := range faces {
		d := Detection{Landmarks: landmarks(f), ROI: roi(f)}
		if crop {
			if d.Crop, refusal = portrait(c, f); refusal != nil {
				return refusal
			}
			if req.Thumbnails {
				d.Thumbnail = d.Crop
			}
		}
		if named.group != "" {
			d.Quality = assess(f, named.group, asked)
		}
		if a := req.Process.Attributes; named.attributes || a != nil {
			var only []string
			if !named.attributes {
				for _, one := range a.Config {
					only = append(only, one.Name)
				}
			}
			d.Attributes = attributes(f, only)
		}
		results.Detections = append(results.Detections, d)
	}
	return c.Answer(http.StatusOK, DetectResponse{code, results})
}

// output is the configuration of portraits, and whether any are wanted.
func output(p *OutputParams, wanted bool) (keys map[string]any, crop bool, refusal *api.Problem) {
	keys = map[string]any{}
	if p == nil || p.Crop == nil {
		if wanted {
			keys["crop_faces"], keys["portrait_preset"], keys["portrait_format"] = true, presets[0], "jpeg"
		}
		return keys, wanted, nil
	}
	if p.Crop.Type < 0 || p.Crop.Type >= len(presets) {
		return nil, false, invalid("crop.type is 0 to %d", len(presets)-1)
	}
	keys["crop_faces"], keys["portrait_preset"], keys["portrait_format"] = true, presets[p.Crop.Type], "jpeg"
	if len(p.Crop.Size) > 0 {
		keys["portrait_width"] = p.Crop.Size[0]
	}
	return keys, true, nil
}

// portrait reads that of a face; nothing where there is none.
func portrait(c *api.Call, f schema.FaceResult) ([]byte, *api.Problem) {
	if f.Crop == nil {
		return nil, nil
	}
	return c.Object(f.Crop.Object)
}

// central is the face whose middle is nearest to that of the image, or the largest where the size of the image is not known.
func central(faces []schema.FaceResult) []schema.FaceResult {
	if len(faces) < 2 {
		return faces
	}
	far := func(f schema.FaceResult) float64 {
		b := f.Geometry.InPicture()
		width, height := f.Native("image_width"), f.Native("image_height")
		if width == nil || height == nil {
			return -float64((b.BottomRight.X - b.TopLeft.X) * (b.BottomRight.Y - b.TopLeft.Y))
		}
		return math.Hypot(float64(b.TopLeft.X+b.BottomRight.X-*width)/2, float64(b.TopLeft.Y+b.BottomRight.Y-*height)/2)
	}
	return []schema.FaceResult{slices.MinFunc(faces, func(a, b schema.FaceResult) int {
		if far(a) < far(b) {
			return -1
		}
		return 1
	})}
}

func landmarks(f schema.FaceResult) [][2]int {
	points := [][2]int{}
	for _, p := range f.Geometry.Landmarks {
		at := p.Pixel()
		points = append(points, [2]int{at.X, at.Y})
	}
	return points
}

func roi(f schema.FaceResult) [4]int {
	r := f.Geometry.InPicture().Pixels()
	return [4]int{r.Min.X, r.Min.Y, r.Dx(), r.Dy()}
}

// attributes are those with the names, all without any.
func attributes(f schema.FaceResult, names []string) *Attributes {
	all := &Attributes{Details: []Attribute{}}
	word := func(name, metric, yes, no string) Attribute {
		p := f.Score(metric)
		switch {
		case p == nil:
			return Attribute{Name: name}
		case *p >= 0.5:
			return Attribute{Name: name, Value: yes, Confidence: p}
		}
		rest := 1 - *p
		return Attribute{Name: name, Value: no, Confidence: &rest}
	}
	trait := func(name, metric string, bit schema.FaceTraits, yes, no string) Attribute {
		p := f.Score(metric)
		if p == nil {
			return Attribute{Name: name}
		}
		if f.Traits&bit != 0 {
			return Attribute{Name: name, Value: yes, Confidence: p}
		}
		rest := 1 - *p
		return Attribute{Name: name, Value: no, Confidence: &rest}
	}
	age := Attribute{Name: "Age"}
	if f.Age != nil {
		low, high := max(f.Age.Estimated-f.Age.Deviation, 0), f.Age.Estimated+f.Age.Deviation
		age.Value = [2]int{int(math.Floor(float64(low))), int(math.Ceil(float64(high)))}
	}
	for _, a := range []Attribute{
		age, {Name: "Emotion"},
		word("EyeLeft", schema.MetricEyeRightOpen, "Open", "Close"), word("EyeRight", schema.MetricEyeLeftOpen, "Open", "Close"), // the person's own
		word("Smile", schema.MetricSmile, "True", "False"),
		trait("Glasses", schema.MetricGlasses, schema.FTFaceWithGlass, "Glasses", "None"),
		{Name: "HeadCovering"}, {Name: "ForeheadCovering"},
		trait("Mouth", schema.MetricMouthOpen, schema.FTMouthOpened, "Opened", "Closed"),
		trait("MedicalMask", schema.MetricMask, schema.FTFaceWithMask, "Mask", "None"),
		trait("Occlusion", schema.MetricOcclusionMouth, schema.CoveredFaceTraits, "Occlusion", "None"),
		{Name: "StrongMakeup"}, {Name: "Headphones"},
	} {
		if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, a.Name) }) {
			all.Details = append(all.Details, a)
		}
	}
	return all
}

func seconds(c *api.Call) float64 { return time.Since(c.Began).Seconds() }
