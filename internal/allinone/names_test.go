package allinone_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"facestream/internal/gallery"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// TestNames follows names through the whole stream: two spellings of one name, a person whom an earlier version stored
// under the other spelling, an ETag as clients return it, a file with the name of an output, and refused consent.
func TestNames(t *testing.T) {
	s := useStream(t)
	c := schema.Collection(unique("names"))
	const composed, decomposed = schema.ExternalID("Zo\u00eb"), schema.ExternalID("Zoe\u0308")
	ref := s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)

	quoted := ref
	quoted.Version, quoted.ETag = "", `"`+ref.ETag+`"`
	if r := s.send(t, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{quoted}}); r.CallStatus.Reason != "" || r.Images[0].ETag != ref.ETag {
		t.Errorf("an ETag in quotes: %+v", r.CallStatus)
	}

	byEvent := s.send(t, schema.Request{Operation: schema.OpEnroll, Collection: c, ExternalID: composed, Images: []schema.ObjectRef{ref}})
	byKey := s.outcome(t, schema.ObjectRequestID(s.put(t, "enroll/"+string(c)+"/"+string(decomposed)+"/a.jpg", portrait(t, 0, 1), nil)))
	byMetadata := s.outcome(t, schema.ObjectRequestID(s.put(t, namedByMetadata+"enroll/"+string(c)+"/a.jpg", portrait(t, 0, 2), map[string]string{"facestream-external-id": string(composed)})))
	for door, r := range map[string]schema.Result{"event": byEvent, "key": byKey, "metadata": byMetadata} {
		if r.Enroll == nil || r.Enroll.Response.PUID != byEvent.Enroll.Response.PUID {
			t.Errorf("the name in the %s makes another person: %+v", door, r.CallStatus)
		}
	}

	// A gallery of before: the puid came from the bytes of the name.
	old := schema.Request{Collection: c, ExternalID: "Ange\u0301lica"}
	var face schema.Embedding
	for _, r := range s.values(t, events.Analyses) {
		var a schema.Analysis
		if err := json.Unmarshal(r.Event.Data, &a); err != nil {
			t.Fatal(err)
		}
		if a.ID == byEvent.RequestID {
			face = a.Probes[0]
		}
	}
	row := gallery.Row{ID: unique("row"), PUID: old.Persons()[0], ExternalID: old.ExternalID, Embedding: face, Created: time.Now()}
	if err := s.gallery.Upsert(t.Context(), c, []gallery.Row{row})[0]; err != nil {
		t.Fatal(err)
	}
	other := schema.ExternalID("Ang\u00e9lica")
	if r := s.send(t, schema.Request{Operation: schema.OpVerify, Collection: c, ExternalID: other, Images: []schema.ObjectRef{ref}}); r.Verify == nil || !r.Verify.VerifyPerformed {
		t.Errorf("the stored person is not found under the other spelling: %+v", r.CallStatus)
	}
	for name, want := range map[schema.ExternalID]int{other: 1, decomposed: 3} {
		if r := s.send(t, schema.Request{Operation: schema.OpUserDelete, Collection: c, ExternalID: name}); r.UserDelete == nil || r.UserDelete.Count != want {
			t.Errorf("the deletion of %d rows: %+v, %+v", want, r.UserDelete, r.CallStatus)
		}
	}

	named := s.put(t, "validate/"+string(c)+"/x/photo.portrait.png", portrait(t, 0, 0), nil)
	if r := s.outcome(t, schema.ObjectRequestID(named)); r.CallStatus.Reason != "" {
		t.Errorf("a photo called portrait: %+v", r.CallStatus)
	}
	// Its result object and its portraits lie where uploads do, and are none.
	routed := "validate/" + string(c) + "/x/"
	wrote := s.put(t, routed+"group.jpg", portrait(t, 1, 0), map[string]string{"facestream-result-object": "true", "facestream-config": `{"crop_faces":true,"portrait_background":"keep"}`})
	r := s.outcome(t, schema.ObjectRequestID(wrote))
	if len(r.Faces) != 1 || r.Faces[0].Crop == nil {
		t.Fatalf("no portrait of the face: %+v", r.CallStatus)
	}
	for _, key := range []string{r.Faces[0].Crop.Object.Key, wrote.Key + ".result.json"} {
		if !strings.HasPrefix(key, routed) {
			t.Errorf("%s is not where the image is", key)
		}
		if _, err := s.objects.Stat(t.Context(), schema.ObjectRef{Bucket: wrote.Bucket, Key: key}); err != nil {
			t.Error(err)
		}
	}
	s.idle(t)
	for _, r := range s.values(t, events.Results) {
		var result schema.Result
		if err := json.Unmarshal(r.Event.Data, &result); err != nil {
			t.Fatal(err)
		}
		for _, image := range result.Images {
			if strings.HasPrefix(image.Key, routed) && image.Key != wrote.Key && image.Key != named.Key {
				t.Errorf("%s was taken for an upload", image.Key)
			}
		}
	}

	if r := s.send(t, schema.Request{Operation: schema.OpEnroll, Collection: c, Images: []schema.ObjectRef{ref}, Consent: &schema.Consent{}}); r.CallStatus.Reason != schema.ReasonConsentMissing {
		t.Errorf("refused consent: %+v", r.CallStatus)
	}
}
