package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// story is a history in the making.
type story struct {
	t     *testing.T
	lines []map[string]any
	now   int64
	n     int
}

const second = int64(time.Second)

func (s *story) at(kind string, body map[string]any) map[string]any {
	s.now += second / 10
	s.lines = append(s.lines, map[string]any{"kind": kind, "t": s.now, "body": body})
	return body
}

// face is a unit vector at an angle in degrees.
func face(degrees float64) []float32 {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	return []float32{float32(cos), float32(sin)}
}

func packed(v []float32) string {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

var square = map[string]any{"top_left": map[string]any{"x": 1, "y": 2}, "bottom_right": map[string]any{"x": 3, "y": 4}}

// image notes a picture of a face, and returns its reference.
func (s *story) image(degrees float64) map[string]any {
	s.n++
	r := map[string]any{"bucket": "b", "key": "picture " + string(rune('0'+s.n/100)) + string(rune('0'+s.n/10%10)) + string(rune('0'+s.n%10)), "version": "1"}
	s.at("picture", map[string]any{"ref": r, "vectors": [][]float32{face(degrees)}})
	return r
}

// send notes a request and its acknowledgement.
func (s *story) send(id, operation string, request, expect map[string]any) map[string]any {
	s.n++
	r := map[string]any{"id": id, "operation": operation}
	for k, v := range request {
		r[k] = v
	}
	if expect == nil {
		expect = map[string]any{}
	}
	s.at("send", map[string]any{"n": s.n, "via": "request", "request": r, "expect": expect})
	s.at("ack", map[string]any{"n": s.n})
	return r
}

func (s *story) analysis(id string, degrees float64) {
	s.at("analysis", map[string]any{"data": map[string]any{"id": id, "probes": []any{map[string]any{"model": "m", "vector": packed(face(degrees))}},
		"faces": []any{map[string]any{"geometry": map[string]any{"bounding_box": square}}}}})
}

// result notes the result of r; more has what the operation adds.
func (s *story) result(r map[string]any, reason string, more map[string]any) map[string]any {
	code := 0
	if reason != "" && !slices.Contains(findings, reason) {
		code = -5
	}
	data := map[string]any{"call_status": map[string]any{"reason": reason, "return_code": code}, "request_id": r["id"], "operation": r["operation"], "timings_ms": map[string]any{"gallery": s.now}}
	for _, k := range []string{"collection", "external_id", "images"} {
		if r[k] != nil {
			data[k] = r[k]
		}
	}
	for k, v := range more {
		data[k] = v
	}
	return s.at("result", map[string]any{"event": "event of " + r["id"].(string), "data": data})
}

func about(name string, image map[string]any) map[string]any {
	r := map[string]any{"collection": "c", "external_id": name}
	if image != nil {
		r["images"] = []any{image}
	}
	return r
}

func enrolledAs(guid, puid string) map[string]any {
	ids := map[string]any{"guid": guid, "puid": puid}
	return map[string]any{"faces": []any{map[string]any{"ids": ids}}, "enroll": map[string]any{"enroll_performed": true, "api_response": ids}}
}

func (s *story) enroll(id, name, guid string, degrees float64) map[string]any {
	r := s.send(id, "enroll", about(name, s.image(degrees)), nil)
	r["consent"] = map[string]any{"given": true, "reference": "form " + id}
	s.analysis(id, degrees)
	s.result(r, "", enrolledAs(guid, "puid of "+name))
	return r
}

type hit struct {
	guid, name string
	score      float64
	level      int
}

func listed(hits ...hit) map[string]any {
	var list []any
	for _, h := range hits {
		list = append(list, map[string]any{"guid": h.guid, "puid": "puid of " + h.name, "external_id": h.name, "score": h.score, "enroll_level": h.level})
	}
	response := map[string]any{"PI_list": list, "face_thresholds": []float64{0.4, 0.6, 0.8}}
	more := map[string]any{"predict": map[string]any{"api_response": response}}
	if len(hits) > 0 && hits[0].level == 3 {
		ids := map[string]any{"guid": hits[0].guid, "puid": "puid of " + hits[0].name}
		response["guid"], response["puid"], response["score"] = ids["guid"], ids["puid"], hits[0].score
		more["faces"] = []any{map[string]any{"ids": ids}}
	}
	return more
}

func (s *story) predict(id string, degrees float64, hits ...hit) map[string]any {
	r := s.send(id, "predict", map[string]any{"collection": "c", "images": []any{s.image(degrees)}, "config": map[string]any{"neighbors": 5}}, nil)
	s.analysis(id, degrees)
	reason := "no_match"
	if len(hits) > 0 && hits[0].level == 3 {
		reason = ""
	}
	s.result(r, reason, listed(hits...))
	return r
}

func cos(degrees float64) float64 { return math.Cos(degrees * math.Pi / 180) }

// began is when the stories begin.
var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (s *story) row(enrolment map[string]any, guid string, degrees float64, created int64) map[string]any {
	name := enrolment["external_id"].(string)
	return s.at("row", map[string]any{
		"collection": "c", "model": "m", "id": guid, "puid": "puid of " + name, "external_id": name, "consent": enrolment["consent"],
		"created": began.Add(time.Duration(created)), "vector": face(degrees),
		"source": map[string]any{"image": enrolment["images"].([]any)[0], "box": square},
	})
}

// told is a story in which nothing is wrong, with the parts that tests change.
type told struct {
	*story
	alice, bob, deletion, search, verify, stranger, validation, rows []map[string]any
}

func tell(t *testing.T) *told {
	s := &told{story: &story{t: t}}
	s.at("run", map[string]any{"began": began, "deadline": 60 * second})
	first := s.enroll("e1", "alice", "a1", 0)
	s.alice = append(s.alice, s.lines[len(s.lines)-1])
	bobs := s.enroll("e2", "bob", "b1", 50)
	s.bob = append(s.bob, s.lines[len(s.lines)-1])
	created := s.now
	s.predict("p1", 5, hit{"a1", "alice", cos(5), 3}, hit{"b1", "bob", cos(45), 2})
	s.search = append(s.search, s.lines[len(s.lines)-1])
	v := s.send("v1", "verify", about("alice", s.image(20)), nil)
	s.analysis("v1", 20)
	s.verify = append(s.verify, s.result(v, "", map[string]any{"verify": map[string]any{"is_match": true, "similarity_score": cos(20), "guid": "a1", "puid": "puid of alice", "face_thresholds": []float64{0.4, 0.6, 0.8}}}))
	_ = first
	d := s.send("d1", "user_delete", about("alice", nil), nil)
	s.result(d, "", map[string]any{"user_delete": map[string]any{"uuid_count": 1}})
	s.deletion = append(s.deletion, s.lines[len(s.lines)-1])
	s.predict("p2", 5, hit{"b1", "bob", cos(45), 2})
	who := s.send("s1", "predict", map[string]any{"collection": "c", "images": []any{s.image(180)}, "config": map[string]any{"neighbors": 5}}, map[string]any{"stranger": true, "reasons": []string{"no_match"}})
	s.analysis("s1", 180)
	s.stranger = append(s.stranger, s.result(who, "no_match", listed()))
	own := s.send("o1", "validate", map[string]any{"images": []any{s.image(0)}, "result_object": true}, map[string]any{"reasons": []string{""}})
	s.validation = append(s.validation, s.result(own, "", nil))
	s.n++
	s.at("send", map[string]any{"n": s.n, "via": "record", "value": "nonsense", "expect": map[string]any{"dead": "unparsable"}})
	s.at("dead", map[string]any{"origin": "requests", "reason": "unparsable", "value": "nonsense"})
	s.at("commit", map[string]any{"group": "g", "topic": "t", "partition": 0, "offset": 7})
	s.at("memory", map[string]any{"process": "worker", "peak": 5, "most": 10})
	s.at("object", map[string]any{"request": "o1", "data": s.validation[0]["data"]})
	s.rows = append(s.rows, s.row(bobs, "b1", 50, created))
	s.at("counts", map[string]any{"looked": 3})
	return s
}

func (s *story) check() *verdict {
	s.t.Helper()
	var b bytes.Buffer
	for _, l := range s.lines {
		data, err := json.Marshal(l)
		if err != nil {
			s.t.Fatal(err)
		}
		b.Write(append(data, '\n'))
	}
	h, err := read(&b)
	if err != nil {
		s.t.Fatal(err)
	}
	v := check(h)
	var out strings.Builder
	if report(&out, h, v) != (len(v.problems) == 0) {
		s.t.Errorf("the report does not say what was found: %s", out.String())
	}
	return v
}

// drop removes a line.
func (s *story) drop(kind string, is func(map[string]any) bool) {
	before := len(s.lines)
	s.lines = slices.DeleteFunc(s.lines, func(l map[string]any) bool { return l["kind"] == kind && is(l["body"].(map[string]any)) })
	if len(s.lines) == before {
		s.t.Fatalf("there is no such %s", kind)
	}
}

// again repeats a line at the end.
func (s *story) again(l map[string]any) map[string]any {
	s.now += second
	var body map[string]any
	data, err := json.Marshal(l["body"])
	if err == nil {
		err = json.Unmarshal(data, &body)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.lines = append(s.lines, map[string]any{"kind": l["kind"], "t": s.now, "body": body})
	return body
}

func data(result map[string]any) map[string]any { return result["data"].(map[string]any) }

func body(line map[string]any) map[string]any { return line["body"].(map[string]any) }

func candidates(line map[string]any) []any {
	return data(body(line))["predict"].(map[string]any)["api_response"].(map[string]any)["PI_list"].([]any)
}

func TestNothingIsWrong(t *testing.T) {
	if v := tell(t).check(); len(v.problems) > 0 {
		t.Errorf("in a story in which all is well: %v", v.problems)
	}
}

// TestWhatIsWrongIsFound changes the story in every way that the check is there for.
func TestWhatIsWrongIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		kind   string
		change func(*told)
	}{
		"result dropped": {lost, func(s *told) {
			s.drop("result", func(b map[string]any) bool { return data(b)["request_id"] == "o1" })
		}},
		"outcome after the deadline": {late, func(s *told) {
			s.lines[len(s.lines)-12]["t"] = 100 * second
			s.lines[0]["body"].(map[string]any)["deadline"] = second / 100
		}},
		"result of nobody":           {unasked, func(s *told) { data(s.again(s.alice[0]))["request_id"] = "e9" }},
		"every result twice":         {uncaused, func(s *told) { s.again(s.alice[0]) }},
		"two results of one request": {two, func(s *told) { s.again(s.alice[0])["event"] = "another" }},
		"a second, other result": {two, func(s *told) {
			data(s.again(s.alice[0]))["enroll"].(map[string]any)["api_response"].(map[string]any)["guid"] = "a9"
		}},
		"wrong reason":        {wrong, func(s *told) { data(s.validation[0])["call_status"].(map[string]any)["reason"] = "no_face" }},
		"another operation":   {other, func(s *told) { data(s.validation[0])["operation"] = "compare" }},
		"another image":       {other, func(s *told) { data(s.validation[0])["images"] = []any{s.image(7)} }},
		"dead letter dropped": {unburied, func(s *told) { s.drop("dead", func(map[string]any) bool { return true }) }},
		"unexpected dead letter": {buried, func(s *told) {
			s.at("dead", map[string]any{"origin": "jobs", "reason": "internal_error", "value": "{}"})
		}},
		"wrong score":       {score, func(s *told) { candidates(s.search[0])[0].(map[string]any)["score"] = 0.9 }},
		"ranks exchanged":   {score, func(s *told) { slices.Reverse(candidates(s.search[0])) }},
		"candidate too low": {score, func(s *told) { candidates(s.search[0])[1].(map[string]any)["score"] = 0.3 }},
		"candidate missing": {unordered, func(s *told) {
			r := data(body(s.search[0]))["predict"].(map[string]any)["api_response"].(map[string]any)
			r["PI_list"] = r["PI_list"].([]any)[:1]
		}},
		"stranger found": {stranger, func(s *told) {
			for k, v := range listed(hit{"b1", "bob", cos(130), 3}) {
				data(s.stranger[0])[k] = v
			}
			data(s.stranger[0])["call_status"].(map[string]any)["reason"] = ""
		}},
		"another embedding": {embedding, func(s *told) {
			for _, l := range s.lines {
				if l["kind"] == "analysis" && data(body(l))["id"] == "e1" {
					data(body(l))["probes"].([]any)[0].(map[string]any)["vector"] = packed(face(3))
				}
			}
		}},
		"consent not stored": {rows, func(s *told) { s.rows[0]["consent"] = nil }},
		"date not stored":    {rows, func(s *told) { s.rows[0]["created"] = time.Time{} }},
		"source not stored":  {rows, func(s *told) { s.rows[0]["source"] = nil }},
		"model not stored":   {rows, func(s *told) { s.rows[0]["model"] = "" }},
		"name not stored":    {rows, func(s *told) { s.rows[0]["external_id"] = "alice" }},
		"vector damaged":     {rows, func(s *told) { s.rows[0]["vector"] = face(51) }},
		"row of nobody":      {rows, func(s *told) { s.rows[0]["id"] = "b9" }},
		"row twice":          {doubled, func(s *told) { s.at("row", s.rows[0]) }},
		"row lost":           {unordered, func(s *told) { s.drop("row", func(map[string]any) bool { return true }) }},
		"deleted row stays":  {unordered, func(s *told) { data(body(s.deletion[0]))["user_delete"].(map[string]any)["uuid_count"] = 2 }},
		"deletion without effect": {unordered, func(s *told) {
			s.predict("p3", 5, hit{"a1", "alice", cos(5), 3}, hit{"b1", "bob", cos(45), 2})
		}},
		"enrolled and not found": {unordered, func(s *told) {
			s.enroll("e3", "carol", "c1", 180)
			s.predict("p3", 180)
			s.row(map[string]any{"external_id": "carol", "images": []any{map[string]any{}}}, "c1", 180, s.now)
		}},
		"verified after the deletion": {unordered, func(s *told) {
			v := s.send("v2", "verify", about("alice", s.image(20)), nil)
			s.analysis("v2", 20)
			s.result(v, "", map[string]any{"verify": data(s.verify[0])["verify"]})
		}},
		"refused without a deletion": {wrong, func(s *told) {
			r := s.send("e3", "enroll", about("bob", s.image(50)), nil)
			s.analysis("e3", 50)
			s.result(r, "deleted_meanwhile", nil)
		}},
		"another puid": {identity, func(s *told) {
			r := s.send("e3", "enroll", about("bob", s.image(50)), nil)
			s.analysis("e3", 50)
			s.result(r, "", enrolledAs("b2", "puid of somebody"))
		}},
		"result object of another": {object, func(s *told) {
			s.drop("object", func(map[string]any) bool { return true })
			s.at("object", map[string]any{"request": "o1", "data": data(s.verify[0])})
		}},
		"result object lost": {object, func(s *told) { s.drop("object", func(map[string]any) bool { return true }) }},
		"offset back": {backwards, func(s *told) {
			s.at("commit", map[string]any{"group": "g", "topic": "t", "partition": 0, "offset": 6})
		}},
		"too much memory": {heavy, func(s *told) { s.at("memory", map[string]any{"process": "worker", "peak": 11, "most": 10}) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			c.change(s)
			if v := s.check(); len(v.problems[c.kind]) == 0 {
				t.Errorf("not found; what was found: %v", v.problems)
			}
		})
	}
}

// TestFaultsExplainCopies: a copy of a result is no violation if a fault can have led to it.
func TestFaultsExplainCopies(t *testing.T) {
	s := tell(t)
	s.at("fault", map[string]any{"name": "SIGKILL", "from": s.now})
	s.again(s.alice[0])
	if v := s.check(); len(v.problems) > 0 || v.copies != 1 {
		t.Errorf("%d copies: %v", v.copies, v.problems)
	}
}

// TestSlowUploadsMayBeListed: an upload that waits for its outcome for long may be taken up a second time.
func TestSlowUploadsMayBeListed(t *testing.T) {
	s := tell(t)
	for _, l := range s.lines {
		if l["kind"] == "send" && l["body"].(map[string]any)["request"] != nil && body(l)["request"].(map[string]any)["id"] == "e2" {
			body(l)["via"] = "upload"
		}
	}
	s.again(s.bob[0])
	body(s.lines[0])["listed"] = 2 * second
	if v := s.check(); len(v.problems[uncaused]) != 1 {
		t.Errorf("a copy of a quick upload: %v", v.problems)
	}
	body(s.lines[0])["listed"] = second + second/10 // the store's date of the upload may be a second early
	if v := s.check(); len(v.problems) > 0 {
		t.Error(v.problems)
	}
}

// TestSeveralAtATime has an enrolment, a deletion and searches about one person under way together. Whatever one order explains is
// right.
func TestSeveralAtATime(t *testing.T) {
	begin := func(t *testing.T) (s *told, e, d map[string]any) {
		s = tell(t)
		e = s.send("e3", "enroll", about("dora", s.image(180)), nil)
		d = s.send("d3", "user_delete", about("dora", nil), nil)
		s.analysis("e3", 180)
		return s, e, d
	}
	end := func(s *told, e, d map[string]any, count int) {
		s.result(e, "", enrolledAs("d1", "puid of dora"))
		if count > 0 {
			s.result(d, "", map[string]any{"user_delete": map[string]any{"uuid_count": count}})
		} else {
			s.result(d, "unknown_puid", nil)
		}
	}
	t.Run("deleted", func(t *testing.T) {
		s, e, d := begin(t)
		s.predict("p3", 180, hit{"d1", "dora", 1, 3})
		end(s, e, d, 1)
		s.predict("p4", 180)
		if v := s.check(); len(v.problems) > 0 {
			t.Error(v.problems)
		}
	})
	t.Run("deletion first", func(t *testing.T) {
		s := tell(t)
		d := s.send("d3", "user_delete", about("dora", nil), nil)
		e := s.send("e3", "enroll", about("dora", s.image(180)), nil)
		s.analysis("e3", 180)
		end(s, e, d, 0)
		s.predict("p4", 180, hit{"d1", "dora", 1, 3})
		s.row(e, "d1", 180, s.now)
		if v := s.check(); len(v.problems[unordered]) > 0 {
			t.Error(v.problems)
		}
	})
	t.Run("overtaken, and yet enrolled", func(t *testing.T) {
		s, e, d := begin(t)
		end(s, e, d, 0)
		s.predict("p4", 180, hit{"d1", "dora", 1, 3})
		s.row(e, "d1", 180, s.now)
		if v := s.check(); len(v.problems[unordered]) == 0 {
			t.Error("the broker had the enrolment before the deletion was sent, and the person is back")
		}
	})
	t.Run("spared by a late deletion", func(t *testing.T) {
		s := tell(t)
		d := s.send("d3", "user_delete", about("dora", nil), nil)
		e := s.send("e3", "enroll", about("dora", s.image(180)), nil)
		s.analysis("e3", 180)
		s.result(e, "", enrolledAs("d1", "puid of dora"))
		s.predict("p3", 180, hit{"d1", "dora", 1, 3})
		s.result(d, "unknown_puid", nil)
		s.predict("p4", 180, hit{"d1", "dora", 1, 3})
		if v := s.check(); len(v.problems[unordered]) == 0 {
			t.Error("the row is missing at the end")
		}
		s.row(e, "d1", 180, s.now)
		if v := s.check(); len(v.problems[unordered]) > 0 {
			t.Error(v.problems)
		}
	})
	t.Run("deletion first, and yet gone", func(t *testing.T) {
		s, e, d := begin(t)
		end(s, e, d, 0)
		s.predict("p4", 180)
		if v := s.check(); len(v.problems[unordered]) == 0 {
			t.Error("nobody deleted the person, and yet the search did not find them")
		}
	})
	t.Run("found, then not, then found", func(t *testing.T) {
		s, e, d := begin(t)
		s.predict("p3", 180, hit{"d1", "dora", 1, 3})
		s.predict("p4", 180)
		s.predict("p5", 180, hit{"d1", "dora", 1, 3})
		end(s, e, d, 1)
		if v := s.check(); len(v.problems[unordered]) == 0 {
			t.Error("nobody enrolled the person again")
		}
	})
	t.Run("deleted meanwhile", func(t *testing.T) {
		s, e, d := begin(t)
		s.result(d, "unknown_puid", nil)
		s.result(e, "deleted_meanwhile", nil)
		s.predict("p4", 180)
		if v := s.check(); len(v.problems) > 0 {
			t.Error(v.problems)
		}
	})
}
