package regula

import (
	"encoding/json"
	"net/http"
	"time"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// PersonFields are what a request says of a person. In an update, what is absent stays as it is.
type PersonFields struct {
	Name       *schema.Personal  `json:"name"`
	ExternalID schema.ExternalID `json:"externalId"`
	Metadata   schema.Metadata   `json:"metadata"`
	Groups     []schema.GroupID  `json:"groups"`
	TTL        *int64            `json:"ttl"`      // seconds
	ExpireAt   *time.Time        `json:"expireAt"` // what later versions have instead
}

// Person is one person.
type Person struct {
	ID         schema.PUID       `json:"id"`
	Name       schema.Personal   `json:"name"`
	ExternalID schema.ExternalID `json:"externalId"`
	Metadata   json.RawMessage   `json:"metadata"`
	Groups     []schema.GroupID  `json:"groups"`
	TTL        *int64            `json:"ttl"` // seconds that are left; null without an end
	CreatedAt  string            `json:"createdAt"`
	UpdatedAt  string            `json:"updatedAt"`
}

// Persons is a page of persons.
type Persons struct {
	Items []Person `json:"items"`
	Page
}

func personOf(p schema.Person) Person {
	out := Person{ID: p.PUID, Name: p.Name, ExternalID: p.ExternalID, Metadata: object(p.Metadata), Groups: p.Groups, CreatedAt: stamp(p.Created), UpdatedAt: stamp(p.Updated)}
	if out.Groups == nil {
		out.Groups = []schema.GroupID{}
	}
	if p.Expires != nil {
		left := int64(max(time.Until(*p.Expires), 0) / time.Second)
		out.TTL = &left
	}
	return out
}

// object is metadata as answers have it, {} where there is none.
func object(m schema.Metadata) json.RawMessage {
	if len(m) == 0 {
		return json.RawMessage("{}")
	}
	return json.RawMessage(m)
}

// fields are those of the stream's requests.
func (f PersonFields) fields() (*schema.PersonFields, *api.Problem) {
	out := &schema.PersonFields{Name: f.Name, Metadata: f.Metadata, Groups: f.Groups, TTL: f.TTL}
	if string(f.Metadata) == "null" {
		out.Metadata = nil
	}
	if f.ExpireAt != nil {
		left := int64(time.Until(*f.ExpireAt) / time.Second)
		if left < 1 {
			return nil, invalid("expireAt has passed")
		}
		out.TTL = &left
	}
	return out, nil
}

// defaultGroup is where persons are who are created without a group.
const defaultGroup schema.GroupID = "d0e7f5a4-3b1c-5c69-9a5e-6f1c2b7d8e90"

func createPerson(c *api.Call) *api.Problem {
	var f PersonFields
	if refusal := c.JSON(&f); refusal != nil {
		return refusal
	}
	if f.Name == nil || *f.Name == "" {
		return invalid("name is missing")
	}
	fields, refusal := f.fields()
	if refusal != nil {
		return refusal
	}
	if len(fields.Groups) == 0 {
		fields.Groups = []schema.GroupID{defaultGroup}
	}
	req := schema.Request{Operation: schema.OpPersonCreate, Collection: Collection, ExternalID: f.ExternalID, Fields: fields}
	r, refusal := c.Do(req)
	if refusal == nil && r.CallStatus.Reason == schema.ReasonUnknownGroup && len(f.Groups) == 0 { // the first person of all
		name := schema.Personal("Default")
		if _, refusal = ask(c, schema.Request{Operation: schema.OpGroupCreate, Collection: Collection, Group: &schema.GroupFields{ID: defaultGroup, Name: &name}}); refusal == nil {
			r, refusal = c.Do(req)
		}
	}
	if refusal == nil {
		refusal = refused(r)
	}
	if refusal != nil {
		return refusal
	}
	p, refusal := person(c, r.Person.PUID)
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusCreated, personOf(*p))
}

// person is that with the id. There is none is a problem.
func person(c *api.Call, id schema.PUID) (*schema.Person, *api.Problem) {
	r, refusal := ask(c, schema.Request{Operation: schema.OpUserList, Collection: Collection, PUID: id, Page: &schema.PageQuery{Limit: 1}})
	if refusal != nil {
		return nil, refusal
	}
	if r.Persons == nil || len(r.Persons.Persons) == 0 {
		return nil, noPerson()
	}
	return &r.Persons.Persons[0], nil
}

func noPerson() *api.Problem {
	return api.Refuse(api.Cause(schema.ReasonUnknownPUID), "there is no person with this id")
}

func personID(c *api.Call) schema.PUID { return schema.PUID(c.Request.PathValue("person")) }

func getPerson(c *api.Call) *api.Problem {
	p, refusal := person(c, personID(c))
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, personOf(*p))
}

func updatePerson(c *api.Call) *api.Problem {
	var f PersonFields
	if refusal := c.JSON(&f); refusal != nil {
		return refusal
	}
	p, refusal := person(c, personID(c))
	if refusal != nil {
		return refusal
	}
	if f.ExternalID != "" && f.ExternalID != p.ExternalID {
		return invalid("externalId is chosen when a person is created, and stays")
	}
	fields, refusal := f.fields()
	if refusal != nil {
		return refusal
	}
	if _, refusal := ask(c, schema.Request{Operation: schema.OpUserUpdate, Collection: Collection, PUID: p.PUID, Fields: fields}); refusal != nil {
		return refusal
	}
	return nothing(c)
}

func deletePerson(c *api.Call) *api.Problem {
	p, refusal := person(c, personID(c))
	if refusal == nil {
		_, refusal = ask(c, schema.Request{Operation: schema.OpUserDelete, Collection: Collection, PUID: p.PUID})
	}
	if refusal != nil {
		return refusal
	}
	return nothing(c)
}

// nothing answers without a body.
func nothing(c *api.Call) *api.Problem {
	c.WriteHeader(http.StatusNoContent)
	return nil
}

// Image is one enrolled image of a person, or of a candidate with its likeness.
type Image struct {
	ID          string          `json:"id"`
	Content     []byte          `json:"content,omitempty"`
	ContentType string          `json:"contentType,omitempty"`
	CreatedAt   string          `json:"createdAt,omitempty"`
	UpdatedAt   string          `json:"updatedAt,omitempty"`
	Path        string          `json:"path"`
	URL         string          `json:"url"`
	Metadata    json.RawMessage `json:"metadata"`
	Similarity  *float32        `json:"similarity,omitempty"` // 0..1
	Distance    *float32        `json:"distance,omitempty"`   // 1 - cosine
}

// Images is a page of images.
type Images struct {
	Items []Image `json:"items"`
	Page
}

func imageOf(person schema.PUID, guid string) Image {
	at := "/api/persons/" + string(person) + "/images/" + guid
	return Image{ID: guid, Path: at, URL: at, Metadata: object(nil)}
}

// images reads a piece of a person's.
func images(c *api.Call, id schema.PUID, page *schema.PageQuery) ([]schema.PersonImage, string, *api.Problem) {
	r, refusal := ask(c, schema.Request{Operation: schema.OpUserList, Collection: Collection, PUID: id, Page: page})
	if refusal != nil {
		return nil, "", refusal
	}
	if r.Persons == nil {
		return nil, "", noPerson()
	}
	return r.Persons.Images, r.Persons.Next, nil
}

func listImages(c *api.Call) *api.Problem {
	id := personID(c)
	items, page, refusal := paged(c, func(page *schema.PageQuery) ([]Image, string, *api.Problem) {
		some, next, refusal := images(c, id, page)
		var out []Image
		for _, one := range some {
			image := imageOf(id, one.GUID)
			image.CreatedAt, image.UpdatedAt = stamp(one.Created), stamp(one.Created)
			out = append(out, image)
		}
		return out, next, refusal
	})
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, Images{items, page})
}

func getImage(c *api.Call) *api.Problem {
	content, refusal := imageContent(c, personID(c), c.Request.PathValue("image"))
	if refusal != nil {
		return refusal
	}
	return c.Image(content)
}

// imageContent reads the file that an image of a person was enrolled from.
func imageContent(c *api.Call, id schema.PUID, guid string) ([]byte, *api.Problem) {
	for page := (&schema.PageQuery{Limit: limit}); ; {
		some, next, refusal := images(c, id, page)
		if refusal != nil {
			return nil, refusal
		}
		for _, one := range some {
			if one.GUID == guid && one.Object != nil {
				return c.Object(*one.Object)
			}
		}
		if page = (&schema.PageQuery{Limit: limit, After: next}); next == "" {
			return nil, api.Refuse(api.CauseNotFound, "the person has no such image")
		}
	}
}

// ImageFields are an image in a request. Only Content is read; its type is seen from the bytes.
type ImageFields struct {
	ContentType string          `json:"contentType"`
	Content     []byte          `json:"content"` // base64
	URL         string          `json:"imageUrl"`
	Resize      json.RawMessage `json:"resizeOptions"`
}

// check says what is wrong with an image.
func (f ImageFields) check() *api.Problem {
	switch {
	case len(f.Content) == 0 && f.URL != "":
		return invalid("imageUrl is not fetched; send the image as base64")
	case len(f.Content) == 0:
		return invalid("image.content is missing")
	}
	return nil
}

func addImage(c *api.Call) *api.Problem {
	var req struct {
		Tag   string      `json:"tag"`
		Image ImageFields `json:"image"`
	}
	refusal := c.JSON(&req)
	if refusal == nil {
		refusal = req.Image.check()
	}
	if refusal != nil {
		return refusal
	}
	r, refusal := ask(c, schema.Request{Operation: schema.OpEnroll, Collection: Collection, PUID: personID(c), Tag: req.Tag, Config: config(nil)}, req.Image.Content)
	if refusal != nil {
		return refusal
	}
	if r.Enroll == nil || r.Enroll.Response == nil {
		return api.Refuse(api.Cause(schema.ReasonInternal), "the result has no enrolment")
	}
	image := imageOf(r.Enroll.Response.PUID, r.Enroll.Response.GUID)
	image.ContentType, image.CreatedAt = http.DetectContentType(req.Image.Content), stamp(c.Began)
	return c.Answer(http.StatusOK, image)
}
