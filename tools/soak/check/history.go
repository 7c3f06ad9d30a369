package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// line is one line of a history: what happened, t nanoseconds after its beginning. The kinds, with their bodies:
//
//	run        {began, deadline, listed}: the time of day of the beginning; nanoseconds within which each request must have its
//	           outcome, and after which a listing can find an upload before its notification is handled
//	picture    {ref, vectors}: an object was uploaded; the embeddings of the faces in it, null where that is not known
//	send       {n, via, request, value, expect, object}: a record is about to be written to the topic of requests
//	upload     the same for an upload that a route covers; begun is when the upload began
//	ack        {n}: the broker took it
//	analysis   {data}: a value of the topic of analyses was read
//	result     {event, data}: a result was read, with its CloudEvents id
//	dead       {origin, reason, value}: a dead letter was read
//	fault      {name, from, whole}: a fault began at from and is over
//	rebalance  {at}: a service joined or left its group
//	commit     {group, topic, partition, offset}: a group has committed this offset
//	object     {request, data | error}: the result object of a request, at the end
//	row        a row of the gallery, at the end
//	memory     {process, peak, most}: bytes that a service had at most, and may have
//	counts     {looked}: how often the committed offsets were read
type line struct {
	Kind string          `json:"kind"`
	T    int64           `json:"t"`
	Body json.RawMessage `json:"body"`
}

type ref struct {
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	Version string `json:"version"`
	ETag    string `json:"etag"`
}

type consent struct {
	Given     bool       `json:"given"`
	Reference string     `json:"reference"`
	At        *time.Time `json:"at"`
}

func (c *consent) same(d *consent) bool {
	if c == nil || d == nil {
		return c == d
	}
	return c.Given == d.Given && c.Reference == d.Reference && (c.At == nil) == (d.At == nil) && (c.At == nil || c.At.Equal(*d.At))
}

// request is what was asked.
type request struct {
	ID           string          `json:"id"`
	Operation    string          `json:"operation"`
	Collection   string          `json:"collection"`
	ExternalID   string          `json:"external_id"`
	Images       []ref           `json:"images"`
	Consent      *consent        `json:"consent"`
	Tag          string          `json:"operation_tag"`
	Config       json.RawMessage `json:"config"`
	ResultObject bool            `json:"result_object"`
}

// person is somebody in a collection.
type person struct{ collection, name string }

func (r *request) person() person { return person{r.Collection, r.ExternalID} }

// sending is one record or upload.
type sending struct {
	N       int64    `json:"n"`
	Via     string   `json:"via"`
	Request *request `json:"request"`
	Value   string   `json:"value"`
	Begun   int64    `json:"begun"`
	Expect  struct {
		Reasons  []string `json:"reasons"`
		Dead     string   `json:"dead"`
		Repeat   bool     `json:"repeat"`
		Stranger bool     `json:"stranger"`
	} `json:"expect"`

	acked int64 // -1: never
}

// result is the part of a result that is judged field by field.
type result struct {
	CallStatus struct {
		ReturnCode int    `json:"return_code"`
		Reason     string `json:"reason"`
		Tag        string `json:"operation_tag"`
	} `json:"call_status"`
	Faces []struct {
		IDs *struct {
			PUID string `json:"puid"`
			GUID string `json:"guid"`
		} `json:"ids"`
	} `json:"faces"`
	Compare *struct {
		Similarity float64 `json:"similarity_score"`
		IsMatch    bool    `json:"is_match"`
	} `json:"compare"`
	Verify *struct {
		IsMatch    bool      `json:"is_match"`
		Similarity float64   `json:"similarity_score"`
		PUID       string    `json:"puid"`
		GUID       string    `json:"guid"`
		Thresholds []float64 `json:"face_thresholds"`
	} `json:"verify"`
	Enroll *struct {
		Performed bool `json:"enroll_performed"`
		Response  *struct {
			GUID string `json:"guid"`
			PUID string `json:"puid"`
		} `json:"api_response"`
	} `json:"enroll"`
	Predict *struct {
		Response *struct {
			GUID       string      `json:"guid"`
			PUID       string      `json:"puid"`
			Score      float64     `json:"score"`
			List       []candidate `json:"PI_list"`
			Thresholds []float64   `json:"face_thresholds"`
		} `json:"api_response"`
	} `json:"predict"`
	UserDelete *struct {
		Count int `json:"uuid_count"`
	} `json:"user_delete"`
	RequestID  string `json:"request_id"`
	Operation  string `json:"operation"`
	Collection string `json:"collection"`
	ExternalID string `json:"external_id"`
	Images     []ref  `json:"images"`
}

type candidate struct {
	GUID       string  `json:"guid"`
	PUID       string  `json:"puid"`
	ExternalID string  `json:"external_id"`
	Score      float64 `json:"score"`
	Level      int     `json:"enroll_level"`
}

// copied is one publication of a result.
type copied struct {
	t     int64
	event string
	whole string // everything but the timings
	result
}

// asked is everything about one request id.
type asked struct {
	*sending            // the first
	all      []*sending // with the repeats
	copies   []copied   // in the order in which they were read
	probe    []float32  // what the workers found in its image; nil where nothing was
	box      [4]float64 // of the face
	model    string     // that made probe
	objects  []string   // its result object without its timings, or why there is none
}

// row is one row of the gallery.
type row struct {
	Collection string    `json:"collection"`
	Model      string    `json:"model"`
	ID         string    `json:"id"`
	PUID       string    `json:"puid"`
	ExternalID string    `json:"external_id"`
	Consent    *consent  `json:"consent"`
	Created    time.Time `json:"created"`
	Vector     []float32 `json:"vector"`
	Source     *struct {
		Image ref `json:"image"`
		Box   box `json:"box"`
	} `json:"source"`
}

type box struct {
	TopLeft     struct{ X, Y float64 } `json:"top_left"`
	BottomRight struct{ X, Y float64 } `json:"bottom_right"`
}

func (b box) sides() [4]float64 {
	return [4]float64{b.TopLeft.X, b.TopLeft.Y, b.BottomRight.X, b.BottomRight.Y}
}

// span is the time of a fault.
type span struct{ from, to int64 }

type dead struct {
	T                     int64
	Origin, Reason, Value string
}

type memory struct {
	Process    string
	Peak, Most int64
}

// history is everything, by what it is about.
type history struct {
	began    time.Time
	deadline time.Duration
	listed   time.Duration
	end      int64
	pictures map[ref][][]float32
	requests map[string]*asked
	order    []string   // ids of the requests as they were sent
	records  []*sending // that must become dead letters
	dead     []dead
	faults   map[string]int
	causes   []span   // faults and rebalances
	commits  []string // that went back
	looked   int
	rows     []row
	memories []memory
	broken   []string // what a service wrote and nobody can read
}

// read reads the lines of a history.
func read(in io.Reader) (*history, error) {
	h := &history{pictures: map[ref][][]float32{}, requests: map[string]*asked{}, faults: map[string]int{}}
	sendings := map[int64]*sending{}
	committed := map[string]int64{}
	r := bufio.NewReaderSize(in, 1<<20)
	for number := 1; ; number++ {
		data, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(data) == 0 {
			break
		}
		var l line
		if err == nil {
			err = json.Unmarshal(data, &l)
		}
		if err == nil {
			err = h.take(l, sendings, committed)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		h.end = max(h.end, l.T)
	}
	if h.deadline == 0 {
		return nil, errors.New("it says nothing about its run")
	}
	return h, nil
}

func (h *history) take(l line, sendings map[int64]*sending, committed map[string]int64) error {
	switch l.Kind {
	case "run":
		var b struct {
			Began            time.Time
			Deadline, Listed time.Duration
		}
		err := json.Unmarshal(l.Body, &b)
		h.began, h.deadline, h.listed = b.Began, b.Deadline, b.Listed
		return err
	case "picture":
		var b struct {
			Ref     ref
			Vectors [][]float32
		}
		err := json.Unmarshal(l.Body, &b)
		h.pictures[b.Ref] = b.Vectors
		return err
	case "send", "upload":
		s := &sending{acked: -1}
		if err := json.Unmarshal(l.Body, s); err != nil {
			return err
		}
		if l.Kind == "send" {
			s.Begun = l.T
		}
		sendings[s.N] = s
		if s.Request == nil {
			h.records = append(h.records, s)
			return nil
		}
		a := h.asked(s.Request.ID)
		if a.all = append(a.all, s); a.sending == nil {
			a.sending = s
			h.order = append(h.order, s.Request.ID)
		}
	case "ack":
		var b struct{ N int64 }
		if err := json.Unmarshal(l.Body, &b); err != nil {
			return err
		}
		if s := sendings[b.N]; s != nil {
			s.acked = l.T
		}
	case "analysis":
		var b struct {
			Data struct {
				ID     string `json:"id"`
				Probes []struct {
					Model  string `json:"model"`
					Vector string `json:"vector"`
				} `json:"probes"`
				Faces []struct {
					Geometry struct {
						Box      box  `json:"bounding_box"`
						Original *box `json:"original_box"`
					} `json:"geometry"`
				} `json:"faces"`
			}
		}
		if err := json.Unmarshal(l.Body, &b); err != nil {
			return err
		}
		if len(b.Data.Probes) != 1 || len(b.Data.Faces) != 1 {
			return nil
		}
		v, err := vector(b.Data.Probes[0].Vector)
		if err != nil {
			return err
		}
		a := h.asked(b.Data.ID)
		if a.probe != nil && !slices.Equal(a.probe, v) {
			h.broken = append(h.broken, fmt.Sprintf("request %s: two analyses found different faces", b.Data.ID))
		}
		a.probe, a.model = v, b.Data.Probes[0].Model
		a.box = b.Data.Faces[0].Geometry.Box.sides()
		if o := b.Data.Faces[0].Geometry.Original; o != nil {
			a.box = o.sides()
		}
	case "result":
		var b struct {
			Event string
			Data  json.RawMessage
		}
		if err := json.Unmarshal(l.Body, &b); err != nil {
			return err
		}
		c := copied{t: l.T, event: b.Event}
		var err error
		if err = json.Unmarshal(b.Data, &c.result); err == nil {
			c.whole, err = withoutTimings(b.Data)
		}
		if err != nil {
			return err
		}
		a := h.asked(c.RequestID)
		a.copies = append(a.copies, c)
	case "dead":
		d := dead{T: l.T}
		err := json.Unmarshal(l.Body, &d)
		h.dead = append(h.dead, d)
		return err
	case "fault":
		var b struct {
			Name string
			From int64
		}
		err := json.Unmarshal(l.Body, &b)
		h.faults[b.Name]++
		h.causes = append(h.causes, span{b.From, l.T})
		return err
	case "rebalance":
		var b struct{ At int64 }
		err := json.Unmarshal(l.Body, &b)
		h.causes = append(h.causes, span{b.At, b.At})
		return err
	case "commit":
		var b struct {
			Group, Topic string
			Partition    int
			Offset       int64
		}
		if err := json.Unmarshal(l.Body, &b); err != nil {
			return err
		}
		at := fmt.Sprintf("%s, partition %d of %s", b.Group, b.Partition, b.Topic)
		if before := committed[at]; b.Offset < before {
			h.commits = append(h.commits, fmt.Sprintf("%s: the committed offset went back from %d to %d", at, before, b.Offset))
		}
		committed[at] = b.Offset
	case "object":
		var b struct {
			Request, Error string
			Data           json.RawMessage
		}
		err := json.Unmarshal(l.Body, &b)
		whole := "error: " + b.Error
		if err == nil && b.Error == "" {
			whole, err = withoutTimings(b.Data)
		}
		a := h.asked(b.Request)
		a.objects = append(a.objects, whole)
		return err
	case "row":
		var r row
		err := json.Unmarshal(l.Body, &r)
		h.rows = append(h.rows, r)
		return err
	case "memory":
		var m memory
		err := json.Unmarshal(l.Body, &m)
		h.memories = append(h.memories, m)
		return err
	case "counts":
		var b struct{ Looked int }
		err := json.Unmarshal(l.Body, &b)
		h.looked = b.Looked
		return err
	default:
		return fmt.Errorf("there is no kind %q", l.Kind)
	}
	return nil
}

func (h *history) asked(id string) *asked {
	a := h.requests[id]
	if a == nil {
		a = &asked{}
		h.requests[id] = a
	}
	return a
}

// withoutTimings is a result in one spelling and without its measurements.
func withoutTimings(data []byte) (string, error) {
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		return "", err
	}
	delete(m, "timings_ms")
	out, err := json.Marshal(m)
	return string(out), err
}

// vector reads base64 of little-endian float32.
func vector(text string) ([]float32, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return nil, fmt.Errorf("%d bytes are no vector: %w", len(raw), err)
	}
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v, nil
}

// cosine of two vectors of any length but 0.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var dot, x, y float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		x += float64(a[i]) * float64(a[i])
		y += float64(b[i]) * float64(b[i])
	}
	return dot / math.Sqrt(x*y)
}
