package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facestream/internal/gateway/perse"
)

// perseAsk sends a form as Perse's clients do: the token without a scheme, files by their field. fields are names and values by turns.
func perseAsk(t *testing.T, bearer, method, path string, fields []string, files map[string][]byte, into any) (status int, body string) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		part, err := w.CreateFormFile(name, "selfie.png")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	req, err := http.NewRequestWithContext(t.Context(), method, system.first+path, &form)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	if bearer != "" {
		req.Header.Set("Authorization", bearer)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil && res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
	}
	return res.StatusCode, string(data)
}

var agreed = []string{"client_declaration_enduser_consent", "true"}

// TestPerse: a person is enrolled, listed, compared with, updated and deleted as Perse's documents say.
func TestPerse(t *testing.T) {
	bearer := token(t, "*", "perse")
	ask := func(method, path string, fields []string, files map[string][]byte, into any) {
		t.Helper()
		if status, body := perseAsk(t, bearer, method, path, append(fields, agreed...), files, into); status != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, status, body)
		}
	}
	var seen perse.Detect
	ask(http.MethodPost, "/v0/face/detect", nil, map[string][]byte{"image_file": blue}, &seen)
	if seen.TotalFaces != 1 || seen.Faces[0].BoundingBox != [4]int{16, 16, 32, 32} || seen.Faces[0].Landmarks["nose"] != [2]int{32, 34} || seen.Thresholds == nil || seen.TimeTaken <= 0 {
		t.Errorf("detect: %+v", seen)
	}
	ask(http.MethodPost, "/v0/face/detect", nil, map[string][]byte{"image_file": white}, &seen)
	if seen.TotalFaces != 0 || seen.Faces == nil {
		t.Errorf("detect nobody: %+v", seen)
	}
	var same, other perse.Compare
	ask(http.MethodPost, "/v0/face/compare", nil, map[string][]byte{"image_file1": blue, "image_file2": blue}, &same)
	ask(http.MethodPost, "/v0/face/compare", nil, map[string][]byte{"image_file1": blue, "image_file2": red}, &other)
	if threshold := same.Thresholds.Similarity; same.Similarity < threshold || other.Similarity >= threshold {
		t.Errorf("similarities %f of the same, %f of others; the threshold is %f", same.Similarity, other.Similarity, threshold)
	}
	var enrolled, updated perse.Enrolment
	ask(http.MethodPost, "/v0/face/enrollment", nil, map[string][]byte{"image_file": blue}, &enrolled)
	token := string(enrolled.UserToken)
	var all perse.Enrolments
	if status, body := perseAsk(t, bearer, http.MethodGet, "/v0/face/enrollment/list", nil, nil, &all); status != http.StatusOK || all.TotalUsers != 1 || all.UserTokens[0] != enrolled.UserToken {
		t.Errorf("list: %d %s, want %s", status, body, token)
	}
	ask(http.MethodPost, "/v0/face/compare", []string{"user_token", token}, map[string][]byte{"image_file": blue}, &same)
	ask(http.MethodPost, "/v0/face/compare", []string{"user_token", token}, map[string][]byte{"image_file": green}, &other)
	if threshold := same.Thresholds.Similarity; same.Similarity < threshold || other.Similarity >= threshold {
		t.Errorf("with an enrolment: similarities %f of the same, %f of others; the threshold is %f", same.Similarity, other.Similarity, threshold)
	}
	ask(http.MethodPut, "/v0/face/enrollment", []string{"user_token", token}, map[string][]byte{"image_file": green}, &updated)
	if updated.UserToken != enrolled.UserToken {
		t.Errorf("the update is of %s, not of %s", updated.UserToken, token)
	}
	ask(http.MethodPost, "/v0/face/compare", []string{"user_token", token}, map[string][]byte{"image_file": green}, &same)
	if same.Similarity < same.Thresholds.Similarity {
		t.Errorf("similarity %f with the updated enrolment", same.Similarity)
	}
	ask(http.MethodDelete, "/v0/face/enrollment/"+token, nil, nil, nil)
	if perseAsk(t, bearer, http.MethodGet, "/v0/face/enrollment/list", nil, nil, &all); all.TotalUsers != 0 {
		t.Errorf("%d enrolments are left", all.TotalUsers)
	}
}

// TestPerseVoices: two recordings are of one speaker or of two, and what is no speech or no recording is refused as Perse's documents say.
func TestPerseVoices(t *testing.T) {
	if _, err := ears(); err != nil {
		t.Skipf("SKIPPED: no voices were compared over Perse's interface: %v; run `make models FACESTREAM_MODELS=open`", err)
	}
	speakers, err := filepath.Glob(filepath.Join(recordings, "*"))
	if err != nil || len(speakers) < 2 {
		t.Skipf("SKIPPED: no voices were compared over Perse's interface: there are no recordings of two speakers in %s: %v", recordings, err)
	}
	recording := func(speaker int, name string) []byte {
		data, err := os.ReadFile(filepath.Join(speakers[speaker], name+".wav"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	bearer := token(t, "voice_compare", "perse")
	for a := range 2 {
		for b := range 2 {
			var c perse.Compare
			if status, body := perseAsk(t, bearer, http.MethodPost, "/v0/voice/compare", agreed, map[string][]byte{"audio_file1": recording(a, "enroll"), "audio_file2": recording(b, "test")}, &c); status != http.StatusOK {
				t.Fatalf("speakers %d and %d: %d %s", a, b, status, body)
			}
			if c.Thresholds == nil || c.Thresholds.Similarity <= 0 || (c.Similarity >= c.Thresholds.Similarity) != (a == b) || c.Similarity > 1 || c.TimeTaken <= 0 {
				t.Errorf("speakers %d and %d: %+v, %+v", a, b, c, c.Thresholds)
			}
		}
	}
	quiet := append([]byte("RIFF\x24\xf4\x01\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x00\xf4\x01\x00"), make([]byte, 2*4*16000)...)
	for name, x := range map[string]struct {
		second []byte
		fields []string
		status int
		code   string
	}{
		"silence":      {quiet, agreed, 422, "no_speech"},
		"no recording": {[]byte("no recording"), agreed, 415, "invalid_file_type"},
		"a picture":    {blue, agreed, 415, "invalid_file_type"},
		"nothing":      {nil, agreed, 400, "form_key_missing"},
		"no consent":   {quiet, nil, 400, "form_key_missing"},
	} {
		status, body := perseAsk(t, bearer, http.MethodPost, "/v0/voice/compare", x.fields, map[string][]byte{"audio_file1": recording(0, "enroll"), "audio_file2": x.second}, nil)
		var said perse.Error
		if err := json.Unmarshal([]byte(body), &said); err != nil || status != x.status || said.Status != status || said.Code != x.code || said.Message == "" {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, x.status, x.code)
		}
	}
}

// TestPerseRefuses: each status that Perse's documents name, with a stable error.
func TestPerseRefuses(t *testing.T) {
	bearer := token(t, "*", "perse")
	picture := map[string][]byte{"image_file": blue}
	for name, x := range map[string]struct {
		bearer, method, path string
		fields               []string
		files                map[string][]byte
		status               int
		code                 string
	}{
		"no token":                  {"", "POST", "/v0/face/detect", agreed, picture, 401, "unauthorized"},
		"another's token":           {"abc.def.ghi", "POST", "/v0/face/detect", agreed, picture, 401, "unauthorized"},
		"a token for others":        {token(t, "predict", "perse"), "POST", "/v0/face/detect", agreed, picture, 401, "unauthorized"},
		"no consent":                {bearer, "POST", "/v0/face/detect", nil, picture, 400, "form_key_missing"},
		"consent refused":           {bearer, "POST", "/v0/face/enrollment", []string{"client_declaration_enduser_consent", "false"}, picture, 400, "form_key_missing"},
		"no image":                  {bearer, "POST", "/v0/face/detect", agreed, nil, 400, "form_key_missing"},
		"one image of two":          {bearer, "POST", "/v0/face/compare", agreed, map[string][]byte{"image_file1": blue}, 400, "form_key_missing"},
		"an unknown field":          {bearer, "POST", "/v0/face/detect", append([]string{"images", "x"}, agreed...), picture, 400, "invalid_request"},
		"no picture":                {bearer, "POST", "/v0/face/detect", agreed, map[string][]byte{"image_file": []byte("no picture")}, 415, "invalid_file_type"},
		"nobody to enrol":           {bearer, "POST", "/v0/face/enrollment", agreed, map[string][]byte{"image_file": white}, 422, "no_face_detected"},
		"nobody to compare":         {bearer, "POST", "/v0/face/compare", agreed, map[string][]byte{"image_file1": white, "image_file2": blue}, 422, "no_face_detected"},
		"an update of nobody":       {bearer, "PUT", "/v0/face/enrollment", append([]string{"user_token", "4f5b9f9e-7e0b-4d8e-9df2-2c1d3c8a0f11"}, agreed...), picture, 400, "unknown_puid"},
		"an update without a token": {bearer, "PUT", "/v0/face/enrollment", agreed, picture, 400, "form_key_missing"},
		"another method":            {bearer, "PATCH", "/v0/face/enrollment", agreed, picture, 400, "method_not_allowed"},
	} {
		status, body := perseAsk(t, x.bearer, x.method, x.path, x.fields, x.files, nil)
		var said perse.Error
		if err := json.Unmarshal([]byte(body), &said); err != nil || status != x.status || said.Status != status || said.Code != x.code || said.Message == "" {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, x.status, x.code)
		}
	}
	req, _ := http.NewRequest(http.MethodPost, system.first+"/v0/face/detect", bytes.NewReader(blue))
	req.Header.Set("Authorization", bearer)
	req.Header.Set("Content-Type", "image/png")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a picture without a form: %d", res.StatusCode)
	}
}

// TestPerseFormIsWhole: a form that was cut off in the header of a part is refused, though all that is needed arrived.
func TestPerseFormIsWhole(t *testing.T) {
	const whole = "--b\r\nContent-Disposition: form-data; name=\"client_declaration_enduser_consent\"\r\n\r\ntrue\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"image_file\"; filename=\"a.png\"\r\n\r\n"
	for end, want := range map[string]int{"\r\n--b--\r\n": http.StatusOK, "\r\n--b\r\nContent-Dispo": http.StatusBadRequest, "\r\n--b\r\n": http.StatusBadRequest, "\r\n--b": http.StatusBadRequest} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, system.first+"/v0/face/detect", strings.NewReader(whole+string(blue)+end))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token(t, "*", "perse"))
		req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("a form that ends with %q: %d, want %d", end, res.StatusCode, want)
		}
	}
}
