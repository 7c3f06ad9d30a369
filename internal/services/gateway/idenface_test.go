package gateway_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"facestream/internal/gateway/idenface"
)

// idenfaceAsk sends JSON as the snippets of iDenFace's documents do.
func idenfaceAsk(t *testing.T, bearer, path string, body any, status int) (out struct {
	idenface.Answer
	Body struct {
		idenface.Outcome
		JWT string `json:"jwt"`
	} `json:"responseBody"`
}) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, system.first+"/api/controller/"+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("%s: %d %s, want %d", path, res.StatusCode, text, status)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

func urlBase64(image []byte) string { return base64.URLEncoding.EncodeToString(image) }

// TestIDenFace: a token is made for some features, a card's photograph is enrolled, compared, and read by its number. The faces of these tests
// are too small for a selfie, which has its code; test-vendors has the whole flow.
func TestIDenFace(t *testing.T) {
	issued := idenfaceAsk(t, token(t, "*", "idenface-*"), "generate_token", object{"enableFace11": true, "enableLiveness": true, "subject": "desk"}, 200)
	bearer := issued.Body.JWT
	if bearer == "" || issued.Answer.Status != "OK" {
		t.Fatalf("%+v", issued)
	}
	card := object{"user_id": "u-1", "channel_id": "cube", "user_name": "Ann", "image_info": urlBase64(blue), "category": "VISA", "meta": object{"cropped": 1}}
	enrolled := idenfaceAsk(t, bearer, "self_card_enroll", card, 200)
	b := enrolled.Body
	if enrolled.Answer.Status != "OK" || enrolled.ChannelID != "cube" || enrolled.Transaction != 2 || enrolled.TransactionID == "" || b.Status != "IDFCTR_0000" || b.Extract == nil || b.Extract.Status != "F11_0000" ||
		*b.Extract.Result.Box != [4]int{16, 16, 48, 48} || *b.Extract.Result.Angles != [3]float32{45, 45, 0} || b.FaceID == nil || b.ImageID == nil {
		t.Fatalf("%+v, %+v", enrolled, b.Extract)
	}
	found := idenfaceAsk(t, bearer, "find_image", object{"image_id": *b.ImageID, "channel_id": "cube"}, 200)
	if found.Body.ImageInfo != urlBase64(blue) || *found.Body.FaceID != *b.FaceID || *found.Body.FeatureID != *b.FeatureID {
		t.Errorf("%+v", found)
	}
	pair := func(a, b []byte, least float32) idenface.Outcome {
		t.Helper()
		r := idenfaceAsk(t, bearer, "photo_compare", object{"transaction_id": "t-1", "parameter": object{"similarity_threshold": least},
			"image_info1": object{"data": []string{urlBase64(a)}}, "image_info2": object{"data": []string{base64.StdEncoding.EncodeToString(b)}}}, 200)
		if r.TransactionID != "t-1" {
			t.Errorf("transaction %q", r.TransactionID)
		}
		return r.Body.Outcome
	}
	if r := pair(blue, blue, 0.7); r.Status != "IDFCTR_0000" || *r.Compare.Result.Normalized != 1 || *r.Compare.Result.Original < 0.999 || r.Compare.Result.Box2 == nil {
		t.Errorf("the same: %+v", r.Compare)
	}
	if r := pair(blue, red, 0.7); r.Status != "IDFCTR_0001" || r.Compare.Status != "F11_0000" || *r.Compare.Result.Normalized != 0 {
		t.Errorf("others: %+v", r.Compare)
	}
	if r := pair(blue, red, 0); r.Status != "IDFCTR_0001" {
		t.Errorf("others, for a caller who asks for no likeness: %+v", r.Compare)
	}
	if r := pair(blue, white, 0.7); r.Compare.Status != "F11_0300" || r.Compare.Result != nil {
		t.Errorf("nobody: %+v", r.Compare)
	}
}

// TestIDenFaceRefuses: each cause has its code.
func TestIDenFaceRefuses(t *testing.T) {
	bearer := token(t, "*", "idenface-*")
	ask := func(image []byte, parameter object) object {
		return object{"user_id": "u-2", "image_info": urlBase64(image), "parameter": parameter, "meta": object{"cropped": 1}}
	}
	for name, x := range map[string]struct {
		path   string
		body   object
		status int
		code   string
	}{
		"nobody in the picture":     {"self_card_enroll", ask(white, nil), 200, "F11_0300"},
		"no picture":                {"self_card_enroll", ask([]byte("no picture"), nil), 200, "F11_0200"},
		"no base64":                 {"self_card_enroll", object{"user_id": "u", "image_info": "%%"}, 200, "F11_0205"},
		"no user":                   {"self_card_enroll", object{"image_info": urlBase64(blue)}, 422, "F11_0204"},
		"the left angle":            {"self_card_enroll", ask(blue, object{"face_left_angle_range": []int{50, 58}}), 200, "F11_0307"},
		"the right angle":           {"self_card_enroll", ask(blue, object{"face_right_angle_range": []int{50, 58}}), 200, "F11_0308"},
		"the difference":            {"self_card_enroll", ask(blue, object{"face_angle_difference": -1}), 200, "F11_0309"},
		"a range of one end":        {"self_card_enroll", ask(blue, object{"face_left_angle_range": []int{50}}), 422, "F11_0204"},
		"a selfie that is small":    {"self_self_enroll", ask(blue, nil), 200, "F11_0302"},
		"a photograph that is so":   {"photo_detect", ask(blue, nil), 200, "F11_0302"},
		"a calibration of no kind":  {"photo_detect", ask(blue, object{"liveness": true, "liveness_calibration": "NICE"}), 422, "F11_0204"},
		"one image of two":          {"photo_compare", object{"image_info1": object{"data": []string{urlBase64(blue)}}}, 422, "F11_0204"},
		"an image that is not here": {"find_image", object{"image_id": 159}, 404, "F11_0204"},
		"encrypted images":          {"retrieve_pubky", object{}, 422, "F11_0204"},
		"a token for nobody":        {"generate_token", object{"enableFace11": true}, 422, "F11_0204"},
	} {
		t.Run(name, func(t *testing.T) {
			r := idenfaceAsk(t, bearer, x.path, x.body, x.status).Body
			code := ""
			for _, part := range []*idenface.Part{r.Extract, r.Detect, r.Verify, r.Compare} {
				if part != nil {
					code = part.Status
				}
			}
			if code != x.code || r.Status != "IDFCTR_0001" || r.Message == "" {
				t.Errorf("%s with %q, want %s", code, r.Message, x.code)
			}
		})
	}
	idenfaceAsk(t, "", "generate_token", object{"subject": "x", "enableFace11": true}, 401)
	few := idenfaceAsk(t, token(t, "compare", "idenface-*"), "generate_token", object{"subject": "x", "enableFace11": true}, 200).Body.JWT
	idenfaceAsk(t, few, "self_card_enroll", ask(blue, nil), 403)
}

// TestIDenFaceLimits: whoever makes tokens for other subjects with a token is still one caller, whose limits all of them share.
func TestIDenFaceLimits(t *testing.T) {
	own := token(t, "*", "idenface-*")
	made := idenfaceAsk(t, own, "generate_token", object{"subject": "x", "enableFace11": true}, 200).Body.JWT
	again := idenfaceAsk(t, made, "generate_token", object{"subject": "y", "enableFace11": true}, 200).Body.JWT
	for name, bearer := range map[string]string{"its own": own, "one that was made": made, "one that was made with that": again} {
		var caller struct{ Name string }
		a := ask(t, http.MethodGet, system.first+"/v1/caller", nil, "Authorization", "Bearer "+bearer)
		if err := json.Unmarshal(a.body, &caller); err != nil || caller.Name != "facestream "+t.Name() {
			t.Errorf("%s counts for %q: %d %v", name, caller.Name, a.status, err)
		}
	}
}

// TestIDenFaceDocuments: what only the examples of the documents show. An enrolled selfie has a part of another name than an enrolled card,
// and the snippets that compare and validate call find_image.
func TestIDenFaceDocuments(t *testing.T) {
	bearer, one := token(t, "*", "idenface-*"), urlBase64(blue)
	if r := idenfaceAsk(t, bearer, "self_self_enroll", object{"user_id": "u-3", "image_info": one}, 200).Body; r.Detect == nil || r.Extract != nil {
		t.Errorf("a selfie: %+v", r)
	}
	pair := object{"image_info1": object{"data": []string{one}}, "image_info2": object{"data": []string{one}}}
	if r := idenfaceAsk(t, bearer, "find_image", pair, 200).Body; r.Compare == nil || r.Compare.Status != "F11_0000" {
		t.Errorf("two images: %+v", r)
	}
	if r := idenfaceAsk(t, bearer, "find_image", object{"image_info": one}, 200).Body; r.Detect == nil || r.Detect.Status != "F11_0302" {
		t.Errorf("an image: %+v", r)
	}
}
