package regula

import (
	"encoding/json"
	"net/http"
	"slices"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Group is one group of persons.
type Group struct {
	ID        schema.GroupID  `json:"id"`
	Name      schema.Personal `json:"name"`
	Metadata  json.RawMessage `json:"metadata"`
	CreatedAt string          `json:"createdAt"`
}

// Groups is a page of groups.
type Groups struct {
	Items []Group `json:"items"`
	Page
}

func groupOf(g schema.Group) Group {
	return Group{g.ID, g.Name, object(g.Metadata), stamp(g.Created)}
}

// someGroups reads a piece of all groups.
func someGroups(c *api.Call, page *schema.PageQuery) ([]Group, string, *api.Problem) {
	r, refusal := c.Do(schema.Request{Operation: schema.OpGroupList, Collection: Collection, Page: page})
	if refusal == nil && r.CallStatus.Reason != schema.ReasonUnknownCollection { // nobody was ever enrolled
		refusal = refused(r)
	}
	if refusal != nil || r.Groups == nil {
		return nil, "", refusal
	}
	var out []Group
	for _, g := range r.Groups.Groups {
		out = append(out, groupOf(g))
	}
	return out, r.Groups.Next, nil
}

func listGroups(c *api.Call) *api.Problem {
	items, page, refusal := paged(c, func(page *schema.PageQuery) ([]Group, string, *api.Problem) { return someGroups(c, page) })
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, Groups{items, page})
}

func groupsOfPerson(c *api.Call) *api.Problem {
	p, refusal := person(c, personID(c))
	if refusal != nil {
		return refusal
	}
	items, page, refusal := paged(c, func(page *schema.PageQuery) (own []Group, next string, refusal *api.Problem) {
		all, next, refusal := someGroups(c, page)
		for _, g := range all {
			if slices.Contains(p.Groups, g.ID) {
				own = append(own, g)
			}
		}
		return own, next, refusal
	})
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, Groups{items, page})
}

// group is that with the id. There is none is a problem.
func group(c *api.Call, id schema.GroupID) (Group, *api.Problem) {
	for page := (&schema.PageQuery{Limit: limit}); ; {
		all, next, refusal := someGroups(c, page)
		if refusal != nil {
			return Group{}, refusal
		}
		for _, g := range all {
			if g.ID == id {
				return g, nil
			}
		}
		if page = (&schema.PageQuery{Limit: limit, After: next}); next == "" {
			p := api.Refuse(api.Cause(schema.ReasonUnknownGroup), "there is no group with this id")
			p.Status = http.StatusNotFound
			return Group{}, p
		}
	}
}

func groupID(c *api.Call) schema.GroupID { return schema.GroupID(c.Request.PathValue("group")) }

// write carries out an operation on a group with what the body says.
func write(c *api.Call, op schema.Operation, id schema.GroupID) (schema.GroupID, *api.Problem) {
	var f struct {
		Tag      string           `json:"tag"`
		Name     *schema.Personal `json:"name"`
		Metadata schema.Metadata  `json:"metadata"`
	}
	if refusal := c.JSON(&f); refusal != nil {
		return "", refusal
	}
	if f.Name == nil || *f.Name == "" {
		return "", invalid("name is missing")
	}
	if string(f.Metadata) == "null" {
		f.Metadata = nil
	}
	r, refusal := ask(c, schema.Request{Operation: op, Collection: Collection, Tag: f.Tag, Group: &schema.GroupFields{ID: id, Name: f.Name, Metadata: f.Metadata}})
	if refusal != nil {
		return "", refusal
	}
	return r.Group.ID, nil
}

func createGroup(c *api.Call) *api.Problem {
	id, refusal := write(c, schema.OpGroupCreate, "")
	if refusal != nil {
		return refusal
	}
	g, refusal := group(c, id)
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusCreated, g)
}

func getGroup(c *api.Call) *api.Problem {
	g, refusal := group(c, groupID(c))
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, g)
}

func updateGroup(c *api.Call) *api.Problem {
	if _, refusal := write(c, schema.OpGroupUpdate, groupID(c)); refusal != nil {
		return refusal
	}
	return nothing(c)
}

func deleteGroup(c *api.Call) *api.Problem {
	if _, refusal := ask(c, schema.Request{Operation: schema.OpGroupDelete, Collection: Collection, Group: &schema.GroupFields{ID: groupID(c)}}); refusal != nil {
		return refusal
	}
	return nothing(c)
}

func personsOfGroup(c *api.Call) *api.Problem {
	id := groupID(c)
	if _, refusal := group(c, id); refusal != nil {
		return refusal
	}
	items, page, refusal := paged(c, func(page *schema.PageQuery) ([]Person, string, *api.Problem) {
		return persons(c, &schema.PersonFilter{Groups: []schema.GroupID{id}}, page)
	})
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, Persons{items, page})
}

// persons reads a piece of those whom the filter chooses.
func persons(c *api.Call, filter *schema.PersonFilter, page *schema.PageQuery) ([]Person, string, *api.Problem) {
	r, refusal := c.Do(schema.Request{Operation: schema.OpUserList, Collection: Collection, Filter: filter, Page: page})
	if refusal == nil && r.CallStatus.Reason != schema.ReasonUnknownCollection {
		refusal = refused(r)
	}
	if refusal != nil || r.Persons == nil {
		return nil, "", refusal
	}
	var out []Person
	for _, p := range r.Persons.Persons {
		out = append(out, personOf(p))
	}
	return out, r.Persons.Next, nil
}

// moveInGroup puts persons into a group and takes others out. Each is a change of its own: two calls about one person at the same moment may
// overwrite each other, as two updates may.
func moveInGroup(c *api.Call) *api.Problem {
	var req struct {
		Add    []schema.PUID `json:"addItems"`
		Remove []schema.PUID `json:"removeItems"`
	}
	if refusal := c.JSON(&req); refusal != nil {
		return refusal
	}
	id := groupID(c)
	if _, refusal := group(c, id); refusal != nil {
		return refusal
	}
	move := func(puid schema.PUID, change func(groups []schema.GroupID) []schema.GroupID) *api.Problem {
		p, refusal := person(c, puid)
		if refusal == nil {
			_, refusal = ask(c, schema.Request{Operation: schema.OpUserUpdate, Collection: Collection, PUID: puid, Fields: &schema.PersonFields{Groups: change(p.Groups)}})
		}
		return refusal
	}
	for _, puid := range req.Add {
		if refusal := move(puid, func(groups []schema.GroupID) []schema.GroupID {
			if slices.Contains(groups, id) {
				return groups
			}
			return append(groups, id)
		}); refusal != nil {
			return refusal
		}
	}
	for _, puid := range req.Remove {
		if refusal := move(puid, func(groups []schema.GroupID) []schema.GroupID {
			return slices.DeleteFunc(append([]schema.GroupID{}, groups...), func(g schema.GroupID) bool { return g == id })
		}); refusal != nil {
			return refusal
		}
	}
	return nothing(c)
}
