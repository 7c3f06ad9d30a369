package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"facestream/internal/gateway/regula"
	"facestream/pkg/schema"
)

// regulaAsk sends JSON as Regula's clients do, and reads the answer where it has the status.
func regulaAsk(t *testing.T, bearer, method, path string, body any, status int, into any) string {
	t.Helper()
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, system.first+path, content)
	if err != nil {
		t.Fatal(err)
	}
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	req.Header.Set("X-RequestID", "a-label")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, data, status)
	}
	if label := res.Header.Get("X-RequestID"); status < 300 && label != "a-label" {
		t.Errorf("%s %s: the label came back as %q", method, path, label)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
	}
	return string(data)
}

type object = map[string]any

// TestRegulaMatch: each pair of faces has its likeness, and an image without a face says so.
func TestRegulaMatch(t *testing.T) {
	bearer := token(t, "*", "regula")
	var r regula.MatchResponse
	regulaAsk(t, bearer, "POST", "/api/match", object{"tag": "s", "images": []object{{"index": 5, "type": 3, "data": blue}, {"type": 1, "data": blue}, {"index": 7, "data": red, "detectAll": true}, {"index": 8, "data": white}}}, 200, &r)
	if r.Code != regula.OK || len(r.Detections) != 4 || len(r.Results) != 3 {
		t.Fatalf("%+v", r)
	}
	if d := r.Detections[0]; d.ImageIndex != 5 || d.Status != regula.OK || len(d.Faces) != 1 || d.Faces[0].ROI != [4]int{16, 16, 32, 32} || d.Faces[0].Landmarks[2] != [2]int{32, 34} {
		t.Errorf("detection: %+v", d)
	}
	if d := r.Detections[3]; d.ImageIndex != 8 || d.Status != regula.FaceNotDetected || len(d.Faces) != 0 {
		t.Errorf("detection of nobody: %+v", d)
	}
	if m := r.Results[0]; m.FirstIndex != 5 || m.SecondIndex != 1 || m.First != 3 || m.Second != 1 || m.Similarity != 1 || m.Score > 1e-5 {
		t.Errorf("the same: %+v", m)
	}
	if m := r.Results[1]; m.SecondIndex != 7 || m.Similarity != 0 || m.Score < 1 {
		t.Errorf("others: %+v", m)
	}
	for name, x := range map[string]struct {
		images []object
		code   regula.Code
	}{
		"one image":  {[]object{{"data": blue}}, regula.LessThanTwoImages},
		"too many":   {slices.Repeat([]object{{"data": blue}}, 9), regula.TooManyImages},
		"no picture": {[]object{{"data": blue}, {"data": []byte("no picture")}}, regula.ImageDecodeError},
		"no bytes":   {[]object{{"data": blue}, {"data": ""}}, regula.ImageEmpty},
		"nobody":     {[]object{{"data": white}, {"data": white}}, regula.FaceNotDetected},
	} {
		regulaAsk(t, bearer, "POST", "/api/match", object{"images": x.images}, 200, &r)
		if r.Code != x.code {
			t.Errorf("%s: code %d, want %d", name, r.Code, x.code)
		}
	}
}

// TestRegulaDetect: faces with their portraits, attributes and quality, as the scenario or the lists say.
func TestRegulaDetect(t *testing.T) {
	bearer := token(t, "*", "regula")
	detect := func(image []byte, process object) (r regula.DetectResponse) {
		t.Helper()
		regulaAsk(t, bearer, "POST", "/api/detect", object{"image": image, "processParam": process}, 200, &r)
		return r
	}
	r := detect(blue, object{"onlyCentralFace": true, "outputImageParams": object{"crop": object{"type": 1}}})
	if r.Code != regula.OK || len(r.Results.Detections) != 1 || r.Results.Detections[0].ROI != [4]int{16, 16, 32, 32} || r.Results.Detections[0].Quality != nil {
		t.Errorf("%+v", r)
	}
	if r = detect(blue, object{"scenario": "QualityICAO"}); r.Results.Scenario != "QualityICAO" || len(r.Results.Detections[0].Quality.Details) != 48 || len(r.Results.Detections[0].Quality.Groups) != 8 {
		t.Errorf("all characteristics: %+v", r.Results.Detections[0].Quality)
	}
	if r = detect(blue, object{"scenario": "AttributesAll"}); len(r.Results.Detections[0].Attributes.Details) != 13 {
		t.Errorf("all attributes: %+v", r.Results.Detections[0].Attributes)
	}
	if r = detect(white, nil); r.Code != regula.FaceNotDetected || len(r.Results.Detections) != 0 {
		t.Errorf("nobody: %+v", r)
	}
	if r = detect([]byte("no picture"), nil); r.Code != regula.ImageDecodeError {
		t.Errorf("no picture: %+v", r)
	}
	if r = detect(nil, nil); r.Code != regula.ImageEmpty {
		t.Errorf("no bytes: %+v", r)
	}
	if r = detect(blue, object{"scenario": "Nice"}); r.Code != regula.ConfigError {
		t.Errorf("an unknown scenario: %+v", r)
	}
	if r = detect(blue, object{"quality": object{"config": []object{{"name": "Nice"}}}}); r.Code != regula.ConfigError {
		t.Errorf("an unknown characteristic: %+v", r)
	}
}

// TestRegulaTakes: what has no effect is taken, and an end may be a moment.
func TestRegulaTakes(t *testing.T) {
	bearer := token(t, "*", "regula")
	var r regula.DetectResponse
	regulaAsk(t, bearer, "POST", "/api/detect", object{"image": blue, "thumbnails": true, "tenant": "a", "env": "b", "processParam": object{
		"outputImageParams": object{"backgroundColor": []int{1, 2, 3}, "crop": object{"padColor": []int{1, 2, 3}, "returnOriginalRect": true}},
		"quality":           object{"backgroundMatchColor": []int{1, 2, 3}, "config": []object{{"name": "BackgroundColorMatch"}}}}}, 200, &r)
	if d := r.Results.Detections; len(d) != 1 || len(d[0].Quality.Details) != 1 || d[0].Quality.Details[0].Status != 2 {
		t.Errorf("%+v", d)
	}
	var p regula.Person
	regulaAsk(t, bearer, "POST", "/api/persons", object{"name": "Eve", "expireAt": time.Now().Add(time.Hour)}, 201, &p)
	if p.TTL == nil || *p.TTL < 3000 || *p.TTL > 3600 {
		t.Errorf("%v seconds are left of an hour", p.TTL)
	}
	regulaAsk(t, bearer, "POST", "/api/persons/"+string(p.ID)+"/images", object{"threshold": 0.9, "limit": 3, "image": object{"content": picture(5, 250, 250), "resizeOptions": object{"width": 10}}}, 200, nil)
	regulaAsk(t, bearer, "DELETE", "/api/persons/"+string(p.ID), nil, 204, nil)
	regulaAsk(t, bearer, "POST", "/api/persons", object{"name": "Eve", "expireAt": time.Now().Add(-time.Hour)}, 400, nil)
}

// TestRegulaDirectory: groups and persons are created, read, changed, paged through, searched for and deleted.
func TestRegulaDirectory(t *testing.T) {
	bearer := token(t, "*", "regula")
	var night, day regula.Group
	regulaAsk(t, bearer, "POST", "/api/groups", object{"name": "night", "metadata": object{"floor": 2}}, 201, &night)
	regulaAsk(t, bearer, "POST", "/api/groups", object{"name": "day", "metadata": object{}}, 201, &day)
	regulaAsk(t, bearer, "PUT", "/api/groups/"+string(night.ID), object{"name": "late", "metadata": object{"floor": 3}}, 204, nil)
	var g regula.Group
	if regulaAsk(t, bearer, "GET", "/api/groups/"+string(night.ID), nil, 200, &g); g.Name != "late" || string(g.Metadata) != `{"floor":3}` || g.CreatedAt == "" {
		t.Errorf("group: %+v", g)
	}
	var anna, ben regula.Person
	regulaAsk(t, bearer, "POST", "/api/persons", object{"name": "Anna", "externalId": "a-1", "metadata": object{"team": "x"}, "groups": []schema.GroupID{night.ID}, "ttl": 3600}, 201, &anna)
	if anna.Name != "Anna" || anna.ExternalID != "a-1" || string(anna.Metadata) != `{"team":"x"}` || anna.TTL == nil || *anna.TTL < 3000 || !slices.Equal(anna.Groups, []schema.GroupID{night.ID}) {
		t.Errorf("person: %+v", anna)
	}
	regulaAsk(t, bearer, "POST", "/api/persons", object{"name": "Ben", "metadata": object{}}, 201, &ben)
	if len(ben.Groups) != 1 || ben.TTL != nil {
		t.Errorf("a person without a group: %+v", ben)
	}
	if regulaAsk(t, bearer, "GET", "/api/groups/"+string(ben.Groups[0]), nil, 200, &g); g.Name != "Default" {
		t.Errorf("the default group: %+v", g)
	}
	at := func(p regula.Person) string { return "/api/persons/" + string(p.ID) }
	regulaAsk(t, bearer, "PUT", at(ben), object{"name": "Benno"}, 204, nil)
	if regulaAsk(t, bearer, "GET", at(ben), nil, 200, &ben); ben.Name != "Benno" || len(ben.Groups) != 1 {
		t.Errorf("after the update: %+v", ben)
	}
	var image regula.Image
	regulaAsk(t, bearer, "POST", at(anna)+"/images", object{"image": object{"contentType": "image/png", "content": blue}}, 200, &image)
	regulaAsk(t, bearer, "POST", at(anna)+"/images", object{"image": object{"content": blue}}, 200, nil)
	regulaAsk(t, bearer, "POST", at(ben)+"/images", object{"image": object{"content": red}}, 200, nil)
	var images regula.Images
	if regulaAsk(t, bearer, "GET", at(anna)+"/images?page=1&size=1", nil, 200, &images); len(images.Items) != 1 || images.Page.Page != 1 || images.TotalPages != 2 {
		t.Errorf("images: %+v", images)
	}
	if content := regulaAsk(t, bearer, "GET", image.URL, nil, 200, nil); content != string(blue) {
		t.Errorf("the image has %d bytes, want those that were sent", len(content))
	}

	var found regula.SearchResponse
	search := func(body object, query string) []regula.SearchPerson {
		t.Helper()
		regulaAsk(t, bearer, "POST", "/api/search"+query, body, 200, &found)
		return found.Persons
	}
	probe := object{"content": blue}
	if p := search(object{"image": probe, "limit": 10}, ""); len(p) != 1 || p[0].ID != anna.ID || p[0].Name != "Anna" || *p[0].Images[0].Similarity != 1 || *p[0].Images[0].Distance > 1e-5 || p[0].Detection.ROI != [4]int{16, 16, 32, 32} {
		t.Errorf("search: %+v", p)
	}
	if p := search(object{"image": probe}, "?withImages=true"); len(p) != 1 || !bytes.Equal(p[0].Images[0].Content, blue) {
		t.Error("search with images: the image is not that of the person")
	}
	for name, x := range map[string]struct {
		ask  object
		many int
	}{
		"in her group":     {object{"groupIds": []schema.GroupID{night.ID}}, 1},
		"in several":       {object{"groupIds": []schema.GroupID{day.ID, night.ID}}, 1},
		"in another group": {object{"groupIds": []schema.GroupID{day.ID}}, 0},
		"by her name":      {object{"filter": object{"op": "in", "field": "name", "value": []string{"Anna"}}}, 1},
		"not by her name":  {object{"filter": object{"op": "nin", "field": "name", "value": []string{"Anna"}}}, 0},
		"above any":        {object{"threshold": 1.5}, 0},
	} {
		x.ask["image"] = probe
		if p := search(x.ask, ""); len(p) != x.many {
			t.Errorf("search %s: %d persons, want %d", name, len(p), x.many)
		}
	}
	var made regula.SearchPerson
	regulaAsk(t, bearer, "POST", "/api/search", object{"image": object{"content": green}, "createPerson": object{"name": "Gus", "metadata": object{"new": true}}}, 201, &made)
	if p := search(object{"image": object{"content": green}, "createPerson": object{"name": "Gus"}}, ""); made.Name != "Gus" || len(p) != 1 || p[0].ID != made.ID {
		t.Errorf("somebody who was not found: %+v, and then %+v", made, p)
	}
	var both regula.MatchResponse
	regulaAsk(t, bearer, "POST", "/api/match_and_search", object{"images": []object{{"content": blue, "type": 3}, {"content": red, "type": 1}}, "groupIds": []schema.GroupID{night.ID}}, 200, &both)
	if len(both.Detections) != 2 || len(both.Detections[0].Faces[0].Persons) != 1 || both.Detections[0].Faces[0].Persons[0].ID != anna.ID || len(both.Detections[1].Faces[0].Persons) != 0 || len(both.Results) != 1 {
		t.Errorf("match and search: %+v", both)
	}

	regulaAsk(t, bearer, "PUT", "/api/groups/"+string(day.ID)+"/persons", object{"addItems": []schema.PUID{anna.ID, ben.ID}}, 204, nil)
	regulaAsk(t, bearer, "PUT", "/api/groups/"+string(day.ID)+"/persons", object{"removeItems": []schema.PUID{ben.ID}}, 204, nil)
	var members regula.Persons
	if regulaAsk(t, bearer, "GET", "/api/groups/"+string(day.ID)+"/persons", nil, 200, &members); len(members.Items) != 1 || members.Items[0].ID != anna.ID || members.TotalPages != 1 {
		t.Errorf("members: %+v", members)
	}
	var groups regula.Groups
	if regulaAsk(t, bearer, "GET", at(anna)+"/groups", nil, 200, &groups); len(groups.Items) != 2 {
		t.Errorf("her groups: %+v", groups)
	}
	if regulaAsk(t, bearer, "GET", "/api/groups?size=2&page=2", nil, 200, &groups); len(groups.Items) != 1 || groups.Page.Page != 2 || groups.TotalPages != 2 {
		t.Errorf("the second page of groups: %+v", groups)
	}
	regulaAsk(t, bearer, "DELETE", at(anna), nil, 204, nil)
	regulaAsk(t, bearer, "GET", at(anna), nil, 404, nil)
	if p := search(object{"image": probe}, ""); len(p) != 0 {
		t.Errorf("somebody deleted is found: %+v", p)
	}
	regulaAsk(t, bearer, "DELETE", "/api/groups/"+string(day.ID), nil, 204, nil)
	regulaAsk(t, bearer, "GET", "/api/groups/"+string(day.ID), nil, 404, nil)
}

// TestRegulaLiveness: the outcome of a request to anti_spoofing is read by its id. The engine of these tests judges no liveness, which is no
// verdict.
func TestRegulaLiveness(t *testing.T) {
	bearer := token(t, "*", "regula")
	kind, body := form([]string{"operation_tag", "session-1"}, blue)
	a := ask(t, http.MethodPost, system.first+"/v1/anti_spoofing", body, "Content-Type", kind, "Authorization", "Bearer "+bearer)
	var r regula.Transaction
	regulaAsk(t, bearer, "GET", "/api/v2/liveness?transactionId="+string(a.problem.Result.RequestID), nil, 200, &r)
	if r.TransactionID != a.problem.Result.RequestID || r.Tag != "session-1" || r.Type != 1 || r.Code != regula.GeneralError || r.Status != nil {
		t.Errorf("%+v", r)
	}
	if content := regulaAsk(t, bearer, "GET", r.Portrait, nil, 200, nil); content != string(blue) {
		t.Errorf("the portrait has %d bytes", len(content))
	}
	regulaAsk(t, bearer, "GET", "/api/v2/liveness?transactionId=nobody", nil, 404, nil)
}

// TestRegulaRefuses: each with a status and a type.
func TestRegulaRefuses(t *testing.T) {
	bearer := token(t, "*", "regula")
	const nobody = "/api/persons/4f5b9f9e-7e0b-4d8e-9df2-2c1d3c8a0f11"
	for name, x := range map[string]struct {
		bearer, method, path string
		body                 any
		status               int
		kind                 string
	}{
		"no token":                  {"", "POST", "/api/detect", object{"image": blue}, 401, "unauthenticated"},
		"a token for others":        {token(t, "predict", "regula"), "POST", "/api/persons", object{"name": "x"}, 403, "forbidden"},
		"another collection":        {token(t, "*", "default"), "POST", "/api/persons", object{"name": "x"}, 403, "forbidden"},
		"no name":                   {bearer, "POST", "/api/persons", object{"metadata": object{}}, 400, "invalid_request"},
		"no group of that id":       {bearer, "POST", "/api/persons", object{"name": "x", "groups": []string{"4f5b9f9e-7e0b-4d8e-9df2-2c1d3c8a0f11"}}, 404, "unknown_group"},
		"nobody":                    {bearer, "GET", nobody, nil, 404, "unknown_puid"},
		"an update of nobody":       {bearer, "PUT", nobody, object{"name": "x"}, 404, "unknown_puid"},
		"an image of nobody":        {bearer, "POST", nobody + "/images", object{"image": object{"content": blue}}, 404, "unknown_puid"},
		"an image by its address":   {bearer, "POST", nobody + "/images", object{"image": object{"imageUrl": "https://example.org/a.png"}}, 400, "invalid_request"},
		"a search without an image": {bearer, "POST", "/api/search", object{"limit": 1}, 400, "invalid_request"},
		"a page that is none":       {bearer, "GET", "/api/groups?page=0", nil, 400, "invalid_request"},
		"no JSON":                   {bearer, "POST", "/api/detect", []int{1}, 400, "unparsable"},
		"a video of liveness":       {bearer, "GET", "/api/v2/liveness/video?transactionId=x", nil, 400, "operation_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			var said regula.Failure
			regulaAsk(t, x.bearer, x.method, x.path, x.body, x.status, &said)
			if said.StatusCode != x.status || said.Type != x.kind || said.Msg == "" {
				t.Errorf("%+v, want %d %s", said, x.status, x.kind)
			}
		})
	}
	var health regula.Health
	if regulaAsk(t, "", "GET", "/api/healthz", nil, 200, &health); health.App != "facestream" {
		t.Errorf("health: %+v", health)
	}
}
