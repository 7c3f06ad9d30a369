package schematest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"facestream/pkg/schema"
)

// planted is a value of every private field, and must never be printed.
const planted = "planted"

// plantedComponent makes a vector whose printed form is recognisable.
const plantedComponent = 0.12345

// Private returns a value of each type of pkg/schema that holds what identifies a person, by the type's name. Each private
// field is planted with what [Leaks] finds.
func Private() map[string]any {
	puid, external := schema.PUID(planted+"-puid"), schema.ExternalID(planted+"-external")
	ref := schema.ObjectRef{Bucket: "faces", Key: "a/" + planted + "-key.jpg", Version: "v1"}
	embedding := schema.Embedding{Model: "net@deadbeef", Vector: []float32{plantedComponent, -plantedComponent}}
	request := schema.Request{
		ID: "req-1", Operation: schema.OpEnroll, Collection: "employees", ExternalID: external, PUID: puid, Images: []schema.ObjectRef{ref},
		Config: json.RawMessage(`{"identifier":"` + planted + `-identifier"}`), Tag: planted + "-tag", Consent: &schema.Consent{Given: true, Reference: planted + "-consent"},
	}
	job := schema.Job{Request: request, Digest: "00"}
	face := schema.FaceResult{IDs: &schema.FaceID{PUID: puid, GUID: "row"}}
	enroll := schema.EnrollResponse{PUID: puid, GUID: "row"}
	candidate := schema.Candidate{PUID: puid, GUID: "row", ExternalID: external, Score: 0.5}
	predict := schema.PredictResponse{PUID: puid, List: []schema.Candidate{candidate}}
	result := schema.NewResult(&job, "", "")
	result.Faces, result.Enroll, result.Predict = []schema.FaceResult{face}, &schema.EnrollData{Response: &enroll}, &schema.PredictData{Response: &predict}
	result.ISOImage = &schema.ISOImageResult{Success: true, Image: &schema.OutputImage{Object: ref}}
	document := schema.DocumentResult{Detected: schema.DocumentData{MRZ: []schema.Personal{planted + "<<MRZ"}, Zone: &schema.MRZ{Fields: []schema.MRZField{{Name: "number", Raw: planted, Value: planted}}}, Age: schema.OCRAge{DOB: planted}, Text: &schema.DocumentText{Lines: []schema.TextLine{{Text: planted}}}, Checks: []schema.CrossCheck{{Values: []schema.Personal{planted}}}}, Cropped: &schema.OutputImage{Object: ref}}
	result.Document = schema.DocumentAnswer{Asked: true, Found: &document}
	code := schema.BarcodeResult{Kind: "pdf417", Data: &schema.BarcodeData{Text: planted}}
	result.Barcodes = []schema.BarcodeResult{code}
	name, metadata := schema.Personal(planted), schema.Metadata(`{"n":"`+planted+`"}`)
	person := schema.Person{PUID: puid, ExternalID: external, Name: name, Metadata: metadata}
	enrolled, group := schema.PersonImage{PUID: puid, Object: &ref}, schema.Group{ID: "g", Name: name, Metadata: metadata}
	result.Persons, result.Person = &schema.PersonList{Persons: []schema.Person{person}, Images: []schema.PersonImage{enrolled}}, &schema.PersonChange{PUID: puid}
	result.Groups = &schema.GroupList{Groups: []schema.Group{group}}
	result.Verify = &schema.VerifyResult{PUID: puid, GUID: "row"}
	finding := schema.Finding{Faces: []schema.FaceResult{face}, Probes: []schema.Embedding{embedding}, Answer: result}
	return map[string]any{
		"Finding": finding,
		"PUID":    puid, "ExternalID": external, "ObjectRef": ref, "Embedding": embedding,
		"Request": request, "Job": job, "Analysis": schema.Analysis{Job: job, Faces: []schema.FaceResult{face}, Probes: []schema.Embedding{embedding}, Answer: result, Others: []schema.Finding{finding}}, "Result": *result,
		"FaceID": *face.IDs, "FaceResult": face, "EnrollResponse": enroll, "EnrollData": *result.Enroll,
		"ISOImageResult": *result.ISOImage, "OutputImage": *result.ISOImage.Image,
		"Personal": document.Detected.Age.DOB, "OCRAge": document.Detected.Age, "MRZ": *document.Detected.Zone, "MRZField": document.Detected.Zone.Fields[0], "DocumentData": document.Detected, "DocumentText": *document.Detected.Text, "TextLine": document.Detected.Text.Lines[0], "CrossCheck": document.Detected.Checks[0], "DocumentResult": document, "DocumentAnswer": result.Document,
		"BarcodeResult": code, "BarcodeData": *code.Data,
		"Metadata": metadata, "Person": person, "PersonImage": enrolled, "PersonList": *result.Persons, "PersonChange": *result.Person, "Group": group, "GroupList": *result.Groups,
		"PersonFields": schema.PersonFields{Name: &name, Metadata: metadata}, "GroupFields": schema.GroupFields{Name: &name, Metadata: metadata},
		"PersonFilter": schema.PersonFilter{PUIDs: []schema.PUID{puid}, ExternalIDs: []schema.ExternalID{external}, Metadata: metadata},
		"VerifyResult": *result.Verify, "Candidate": candidate, "PredictResponse": predict, "PredictData": *result.Predict,
	}
}

// Leaks tells whether a text shows a planted value, in any spelling that fmt or JSON gives it.
func Leaks(s string) bool {
	vector := base64.StdEncoding.EncodeToString(schema.EncodeVector([]float32{plantedComponent}))[:5]
	return strings.Contains(s, planted) || strings.Contains(s, fmt.Sprintf("%x", planted)) || strings.Contains(s, fmt.Sprintf("%X", planted)) ||
		strings.Contains(s, "1234") || strings.Contains(s, vector)
}
