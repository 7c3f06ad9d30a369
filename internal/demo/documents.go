package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"slices"
	"strings"

	"facestream/internal/drawn"
	"facestream/pkg/mrz"
	"facestream/pkg/schema"
)

const (
	// documentOwners are the people of whom there is a document: a passport of each second one, and a card of the others.
	documentOwners = 4
	// scanPixels is the longer side of a photograph of a document: a character of the machine-readable zone is 15 pixels wide.
	scanPixels = 1000
	// lenient accepts what the drawn photographs may lack: they are aslant, and their faces are drawn.
	lenient = `"doc_validations_off":true,"face_validations_off":true`
)

// documents shows specimen documents of enrolled people. They are found, read, and matched with the selfies of their owners and of others.
// What the model pack cannot do is said by name and left out.
func (r *run) documents(ctx context.Context, owners []person) error {
	pages := map[schema.ExternalID]schema.ObjectRef{}
	for _, p := range owners {
		var err error
		if pages[p.name], err = r.page(ctx, p); err != nil {
			return err
		}
	}
	scan := func(ctx context.Context, p person, config string) (schema.Result, error) {
		return r.send(ctx, schema.Request{Operation: schema.OpDocScanFace, Images: []schema.ObjectRef{pages[p.name]}, Config: json.RawMessage(config)})
	}
	// lacks says what the pack lacks for a configuration, if it does.
	lacks := func(what, config string) (bool, error) {
		result, err := scan(ctx, owners[0], config)
		if result.CallStatus.Reason != schema.ReasonRoleAbsent {
			return false, err
		}
		fmt.Fprintf(r.Out, "  --               %s: %s\n", what, result.CallStatus.ReturnMessage)
		return true, nil
	}
	const plain, reading = "{" + lenient + "}", `{"detect_and_recognize_mrz_code":true,` + lenient + "}"
	if absent, err := lacks("documents", plain); absent || err != nil {
		return err
	}
	if err := r.each(ctx, fmt.Sprintf("%d specimen passports and cards: found, with the portrait", len(owners)), owners, func(ctx context.Context, p person) (bool, error) {
		result, err := scan(ctx, p, plain)
		d := result.Document.Found
		return d != nil && d.Cropped != nil && len(result.Faces) > 0 && result.Faces[0].Crop != nil, err
	}); err != nil {
		return err
	}
	absent, err := lacks("their machine-readable zones", reading)
	if err != nil {
		return err
	}
	if !absent {
		absent, err = r.onlyOCRB(scan(ctx, owners[0], reading))
		if err != nil {
			return err
		}
	}
	if !absent {
		if err := r.each(ctx, "their machine-readable zones read, all check digits right", owners, func(ctx context.Context, p person) (bool, error) {
			result, err := scan(ctx, p, reading)
			d := result.Document.Found
			return d != nil && d.Detected.Zone != nil && d.Detected.Zone.Clean && says(d.Detected.MRZ, p), err
		}); err != nil {
			return err
		}
	}
	verify := func(ctx context.Context, page, selfie person) (schema.Result, error) {
		return r.send(ctx, schema.Request{Operation: schema.OpVerify, Collection: r.collection, ExternalID: selfie.name,
			Images: []schema.ObjectRef{pages[page.name]}, Config: json.RawMessage(`{"document_images":"first","face_validations_off":true}`)})
	}
	if err := r.each(ctx, "each document beside the selfie of its owner: the same person", owners, func(ctx context.Context, p person) (bool, error) {
		result, err := verify(ctx, p, p)
		return result.Verify != nil && result.Verify.IsMatch, err
	}); err != nil {
		return err
	}
	return r.each(ctx, "each document beside the selfie of another: not the same", owners, func(ctx context.Context, p person) (bool, error) {
		result, err := verify(ctx, p, owners[(p.index-owners[0].index+1)%len(owners)])
		return result.Verify != nil && !result.Verify.IsMatch, err
	})
}

// onlyOCRB says so if the networks that gave result are those of the starter pack, which read zones in OCR-B alone: the specimens are
// printed in letters that the program itself has.
func (r *run) onlyOCRB(result schema.Result, err error) (bool, error) {
	if err != nil || !slices.ContainsFunc(result.Models, func(m schema.ModelRun) bool { return strings.HasPrefix(string(m.ID), "starter_mrz") }) {
		return false, err
	}
	fmt.Fprintln(r.Out, "  --               their machine-readable zones: the model pack reads OCR-B alone, in which the specimens are not printed")
	return true, nil
}

// page draws the document of p, photographs and uploads it.
func (r *run) page(ctx context.Context, p person) (schema.ObjectRef, error) {
	zone, err := mrz.Generate(document(p))
	if err != nil {
		return schema.ObjectRef{}, err
	}
	s := drawn.Specimen{Passport: p.index%2 == 0, Title: "IDENTITY CARD", Zone: zone}
	if s.Passport {
		s.Title = "PASSPORT"
		s.Lines = []string{"Utopia", "Name: " + document(p).Name.Primary, "Given names: " + document(p).Name.Secondary, "Drawn, and nobody's"}
	}
	page, err := p.Page(p.Shot(2), s)
	if err != nil {
		return schema.ObjectRef{}, err
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, drawn.Photograph(page, uint64(p.index), scanPixels).Picture, &jpeg.Options{Quality: 92}); err != nil {
		return schema.ObjectRef{}, err
	}
	return r.Objects.Put(ctx, schema.ObjectRef{Bucket: r.Bucket, Key: fmt.Sprintf("demo/%s-document-%d.jpg", r.collection, p.index)}, file.Bytes(), "image/jpeg", nil)
}

// document is what the machine-readable zone of p says. ICAO reserves UTO for specimens.
func document(p person) mrz.Document {
	d := mrz.Document{
		Format: mrz.TD1, Code: "I", Issuer: "UTO", Nationality: "UTO", Number: fmt.Sprintf("SPEC%05d", p.index),
		Name:  mrz.Name{Primary: "SPECIMEN", Secondary: []string{"ADA", "BEN", "CLEO", "DAN", "EVA", "FINN"}[p.index%6]},
		Birth: mrz.Date{Year: 1980 + p.index, Month: 5, Day: 17}, Expiry: mrz.Date{Year: 2035, Month: 1, Day: 31}, Sex: mrz.SexUnspecified,
	}
	if p.index%2 == 0 {
		d.Format, d.Code = mrz.TD3, "P"
	}
	return d
}

// says reports whether lines are those of the document of p.
func says(lines []schema.Personal, p person) bool {
	want, err := mrz.Generate(document(p))
	if err != nil || len(lines) != len(want) {
		return false
	}
	for i, line := range lines {
		if string(line) != want[i] {
			return false
		}
	}
	return true
}
