package cli

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"facestream/pkg/schema"
)

// verdict is what a result means for whoever asked.
type verdict int

const (
	positive verdict = iota // done; where the operation asks a question, the answer is yes
	negative                // done; the answer is no
	notDone                 // refused, or not possible
)

// exit is the exit code of a command whose outcome is v; nil for 0. What there is to say was printed.
func (v verdict) exit() error {
	switch v {
	case negative:
		return &exitError{code: exitNo}
	case notDone:
		return &exitError{code: exitOutcome}
	}
	return nil
}

// summary is a result as a person wants to read it: what was decided, why, and what to do.
type summary struct {
	verdict verdict
	line    string   // all of it in one line
	details []detail // in the order of their weight
}

type detail struct{ label, text string }

func (s *summary) add(label, format string, args ...any) {
	s.details = append(s.details, detail{label, fmt.Sprintf(format, args...)})
}

// The most that a summary lists of one kind; the JSON has all.
const mostListed = 8

// notDoneAs says what did not happen.
var notDoneAs = map[schema.Operation]string{
	schema.OpValidate: "not validated", schema.OpEnroll: "not enrolled", schema.OpPredict: "not searched", schema.OpCompare: "not compared",
	schema.OpVerify: "not verified", schema.OpEstimateAge: "no age estimated", schema.OpFaceISO: "no portrait made", schema.OpDocScanFace: "document not scanned",
	schema.OpAntiSpoofing: "liveness not checked", schema.OpChallenge: "no challenge issued", schema.OpUserDelete: "nobody deleted",
	schema.OpVoiceCompare: "voices not compared", schema.OpVoiceEnroll: "not enrolled", schema.OpVoicePredict: "not searched", schema.OpVoiceVerify: "not verified",
	schema.OpPersonCreate: "nobody created", schema.OpUserUpdate: "nobody changed", schema.OpUserList: "nobody listed",
	schema.OpGroupCreate: "no group created", schema.OpGroupUpdate: "no group changed", schema.OpGroupDelete: "no group deleted", schema.OpGroupList: "no groups listed",
}

// summarize reads r for a person.
func summarize(r *schema.Result) summary {
	var s summary
	switch reason := r.CallStatus.Reason; {
	case reason == schema.ReasonChallengeFailed:
		s.verdict, s.line = negative, "not shown to be live: "+inWords(r.CallStatus.ReturnMessage)
	case reason != "" && reason != schema.ReasonNoMatch:
		s.verdict = notDone
		s.line = notDoneLine(r.Operation) + ": " + inWords(cmp.Or(r.CallStatus.ReturnMessage, string(reason)))
	default:
		s.decide(r)
	}
	s.faces(r)
	if r.Voices != nil {
		s.recordings(r.Voices.Recordings)
	}
	s.recordings(r.Recordings)
	for _, d := range r.DamagedImages {
		s.add("damaged", "image %d was read in spite of this: %s", d.Image+1, d.Message)
	}
	if advice := cmp.Or(r.Feedback, remedy(r.CallStatus.Reason)); advice != "" {
		label := "to do"
		if s.verdict != notDone {
			label = "advice" // for a better picture next time
		}
		s.add(label, "%s", advice)
	}
	if s.verdict == notDone && r.CallStatus.Reason != "" {
		s.add("reason", "%s", r.CallStatus.Reason)
	}
	s.add("request", "%s", r.RequestID)
	if tag := r.CallStatus.OperationTag; tag != "" {
		s.add("tag", "%s", tag)
	}
	return s
}

// traitName is a face trait as messages name it.
var traitName = regexp.MustCompile(`FT_[A-Z_]+`)

// traitWords are the traits whose names say too little.
var traitWords = map[string]string{
	"FT_FACE_RIGHT": "face too far right", "FT_FACE_LEFT": "face too far left", "FT_FACE_UP": "face too high", "FT_FACE_DOWN": "face too low",
	"FT_IMAGE_BLURR": "image blurred", "FT_FACE_WITH_GLASS": "glasses", "FT_FACE_WITH_MASK": "mask", "FT_LOOKING_HIGH": "looking up",
	"FT_FACE_LOW_VAL_CONF": "face partly hidden", "FT_EYE_BLINK": "eyes closed", "FT_MOUTH_OPENED": "mouth open",
	"FT_FACE_ROTATED_RIGHT": "head tilted right", "FT_FACE_ROTATED_LEFT": "head tilted left",
}

// imageIndex is an image of the request as messages name it.
var imageIndex = regexp.MustCompile(`images\[(\d+)\]`)

// inWords replaces in message what programs read: the names of traits, and the indices of images.
func inWords(message string) string {
	message = traitName.ReplaceAllStringFunc(message, func(name string) string {
		return cmp.Or(traitWords[name], strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "FT_"), "_", " ")))
	})
	return imageIndex.ReplaceAllStringFunc(message, func(index string) string {
		n, _ := strconv.Atoi(imageIndex.FindStringSubmatch(index)[1])
		return fmt.Sprintf("image %d", n+1)
	})
}

// remedy is what the reason's reader can do; "" where there is nothing.
func remedy(reason schema.Reason) string {
	for _, i := range schema.Reasons() {
		if i.Reason == reason && i.Remedy != "None." {
			return i.Remedy
		}
	}
	return ""
}

// decide says what the operation decided.
func (s *summary) decide(r *schema.Result) {
	where := ""
	if r.Collection != "" {
		where = " in " + string(r.Collection)
	}
	switch {
	case r.Operation.Enrolls() && r.Enroll != nil && r.Enroll.EnrollPerformed && r.Enroll.Response != nil:
		s.line = "enrolled as " + string(r.Enroll.Response.PUID) + where
		if r.ExternalID != "" {
			s.add("person", "%s", string(r.ExternalID))
		}
	case r.Predict != nil && r.Predict.Response != nil:
		s.predict(r.Predict.Response, where)
	case r.Verify != nil:
		v := r.Verify
		s.line = "this is not "
		s.verdict = negative
		if v.IsMatch {
			s.line, s.verdict = "this is ", positive
		}
		s.line += cmp.Or(string(r.ExternalID), string(v.PUID), "the person") + where + similarity(v.Similarity, slices.Concat(v.FaceThresholds, v.VoiceThresholds), matches)
		s.add("puid", "%s", string(v.PUID))
	case r.Operation == schema.OpCompare && r.Compare != nil:
		s.compare(r)
	case r.Operation == schema.OpChallenge && r.Challenge != nil:
		s.challenge(r.Challenge)
	case r.Answer != nil && r.Answer.Met:
		s.line = "live: the challenge was met"
	case r.Operation == schema.OpAntiSpoofing:
		s.liveness(r.Faces)
	case r.Operation == schema.OpEstimateAge:
		s.line = "no age estimated"
		s.verdict = notDone
		var ages []string
		for _, f := range r.Faces {
			if f.Age != nil {
				ages = append(ages, fmt.Sprintf("%.0f", f.Age.Estimated))
			}
		}
		if ages != nil {
			s.line, s.verdict = "about "+strings.Join(ages, ", ")+" years old", positive
		}
	case r.Operation == schema.OpFaceISO && r.ISOImage != nil && r.ISOImage.Image != nil:
		i := r.ISOImage.Image
		s.line = "portrait made: " + address(i.Object)
		s.add("size", "%d × %d px", i.Info.Width, i.Info.Height)
	case r.Document.Found != nil:
		d := r.Document.Found.Detected
		s.line = fmt.Sprintf("a document, confidence %.2f, with %s", d.Confidence, plural(len(r.Faces), "face"))
		s.add("document", "type %s, corners %v, %v, %v, %v", d.Type, d.Box.TopLeft, d.Box.TopRight, d.Box.BottomRight, d.Box.BottomLeft)
	case r.Operation == schema.OpUserDelete && r.UserDelete != nil:
		s.line = "deleted from " + string(r.Collection) + ": " + plural(r.UserDelete.Count, "image")
		if r.ExternalID != "" {
			s.line += " of " + string(r.ExternalID)
		}
	case r.Voices != nil && r.Voices.Score != nil && r.Voices.Threshold != nil:
		s.line, s.verdict = "different voices", negative
		if r.Voices.IsMatch {
			s.line, s.verdict = "the same voice", positive
		}
		s.line += " (similarity " + against(*r.Voices.Score, *r.Voices.Threshold) + ")"
	case r.Person != nil:
		s.line = r.Person.Message + ": " + cmp.Or(string(r.ExternalID), string(r.Person.PUID)) + where
		s.add("puid", "%s", string(r.Person.PUID))
	case r.Group != nil:
		s.line = r.Group.Message + ": group " + string(r.Group.ID) + where
	case r.Persons != nil:
		s.persons(r.Persons, where)
	case r.Groups != nil:
		s.line = plural(len(r.Groups.Groups), "group") + where + more(r.Groups.Next)
		for _, g := range r.Groups.Groups[:min(mostListed, len(r.Groups.Groups))] {
			s.add("group", "%s %s", string(g.ID), string(g.Name))
		}
	case r.Operation == schema.OpValidate:
		s.line = plural(len(r.Faces), "face")
		if len(r.Faces) == 1 {
			if live := liveness(r.Faces[0]); live != "" {
				s.line += ", " + live
			}
		}
	default: // a result that says neither what was done nor why it was not
		s.line, s.verdict = notDoneLine(r.Operation), notDone
	}
}

// persons lists people, or the images of one.
func (s *summary) persons(l *schema.PersonList, where string) {
	s.line = plural(len(l.Persons), "person") + where
	if len(l.Images) > 0 {
		s.line += ", " + plural(len(l.Images), "image")
	}
	s.line += more(l.Next)
	for _, p := range l.Persons[:min(mostListed, len(l.Persons))] {
		s.add("person", "%s", strings.TrimSpace(cmp.Or(string(p.ExternalID), string(p.PUID))+" "+string(p.Name))+", "+plural(p.Images, "image"))
	}
}

// more says that a list goes on.
func more(next string) string {
	if next == "" {
		return ""
	}
	return ", and more"
}

func (s *summary) challenge(c *schema.Challenge) {
	var actions []string
	for _, a := range c.Actions {
		actions = append(actions, strings.ReplaceAll(string(a), "_", " "))
	}
	s.line = "look straight into the camera, then " + strings.Join(actions, ", then ")
	s.add("until", "%s", c.ExpiresAt.UTC().Format("15:04:05 UTC"))
	s.add("answer", "facestream submit -o anti_spoofing --id %s --challenge %s FRAME... --wait", c.RequestID, c.Token)
}

func notDoneLine(op schema.Operation) string { return cmp.Or(notDoneAs[op], "not done") }

func (s *summary) predict(p *schema.PredictResponse, where string) {
	thresholds := slices.Concat(p.FaceThresholds, p.VoiceThresholds) // one of them is empty
	if p.PUID == "" || len(p.List) == 0 {
		s.line, s.verdict = "nobody recognised"+where, negative
	} else {
		best := p.List[0]
		s.line = "recognised as " + cmp.Or(string(best.ExternalID), string(best.PUID)) + where + similarity(best.Score, thresholds, identifies)
	}
	for i, c := range p.List {
		if i == mostListed {
			s.add("", "and %d more; --json lists all", len(p.List)-i)
			break
		}
		name := string(c.PUID)
		if c.ExternalID != "" {
			name = string(c.ExternalID) + ", " + name
		}
		s.add("candidate", "%s%s", name, similarity(c.Score, thresholds, identifies))
	}
	if len(p.List) == 0 && len(thresholds) == 3 {
		s.add("candidate", "none with a similarity of %.2f", thresholds[0])
	}
}

func (s *summary) compare(r *schema.Result) {
	c := r.Compare
	s.line = "different people"
	s.verdict = negative
	if c.IsMatch {
		s.line, s.verdict = "the same person", positive
	}
	s.line += similarity(c.Similarity, c.FaceThresholds, matches)
	if len(r.Images) > 2 {
		s.line = "images 1 and 2: " + s.line
	}
	if len(c.Pairs) < 2 {
		return
	}
	for i, p := range c.Pairs {
		if i == mostListed {
			s.add("", "and %d more pairs; --json lists all", len(c.Pairs)-i)
			break
		}
		same := "different"
		if p.IsMatch {
			same = "the same"
		}
		s.add("pair", "face %d of image %d, face %d of image %d: %s%s", p.FaceA+1, p.ImageA+1, p.FaceB+1, p.ImageB+1, same, similarity(p.Similarity, c.FaceThresholds, matches))
	}
}

// The one of the three thresholds that decides: of two images, and of one among many.
const (
	matches    = 1
	identifies = 2
)

// similarity is a score beside the threshold that decides.
func similarity(score float32, thresholds []float32, decides int) string {
	if len(thresholds) != 3 {
		return fmt.Sprintf(" (similarity %.2f)", score)
	}
	return " (similarity " + against(score, thresholds[decides]) + ")"
}

// against compares a score with a threshold, with as many digits as it takes to see the difference.
func against(score, threshold float32) string {
	sign := "≥"
	if score < threshold {
		sign = "<"
	}
	for digits := 2; ; digits++ {
		a, b := fmt.Sprintf("%.*f", digits, score), fmt.Sprintf("%.*f", digits, threshold)
		if a != b || score == threshold || digits == 6 {
			return a + " " + sign + " " + b
		}
	}
}

// liveness decides for all faces: one that is not live counts most, then one that could not be assessed.
func (s *summary) liveness(faces []schema.FaceResult) {
	s.verdict, s.line = notDone, "liveness not checked"
	for _, f := range faces {
		v := notDone
		switch f.SpoofStatus {
		case schema.SpoofNone:
			v = positive
		case schema.SpoofDetected:
			v = negative
		}
		if s.line == "liveness not checked" || v == negative && s.verdict != negative || v == notDone && s.verdict == positive {
			s.verdict, s.line = v, cmp.Or(liveness(f), s.line)
		}
	}
}

func liveness(f schema.FaceResult) string {
	l := f.Liveness
	if l == nil {
		l = &schema.Liveness{}
	}
	why := l.Message
	if l.Score != nil && l.Threshold != nil {
		why = against(*l.Score, *l.Threshold)
	}
	if why != "" {
		why = " (" + why + ")"
	}
	switch f.SpoofStatus {
	case schema.SpoofNone:
		return "live" + why
	case schema.SpoofDetected:
		return "not live" + why
	case schema.SpoofNotPerformed:
		return ""
	}
	return "liveness unknown" + why
}

// recordings lists what was measured of each recording.
func (s *summary) recordings(heard []schema.VoiceRecording) {
	for _, r := range heard {
		text := fmt.Sprintf("%.1f s of speech in %.1f s", r.Speech, r.Seconds)
		if r.Level != nil {
			text += fmt.Sprintf(", %.0f dB of full scale", *r.Level)
		}
		if r.SNR != nil {
			text += fmt.Sprintf(", %.0f dB above the noise", *r.SNR)
		}
		if r.Clipped > 0 {
			text += fmt.Sprintf(", %.2f %% clipped", 100*r.Clipped)
		}
		s.add(fmt.Sprint("voice ", r.Image+1), "%s", text)
	}
}

// faces lists the faces: where each is, and what was found of it.
func (s *summary) faces(r *schema.Result) {
	for i, f := range r.Faces {
		if i == mostListed {
			s.add("", "and %d more faces; --json lists all", len(r.Faces)-i)
			break
		}
		label := "face"
		if len(r.Faces) > 1 {
			label = fmt.Sprintf("face %d", i+1)
		}
		box := f.Geometry.InPicture()
		text := fmt.Sprintf("%.0f × %.0f px at %.0f,%.0f", box.BottomRight.X-box.TopLeft.X, box.BottomRight.Y-box.TopLeft.Y, box.TopLeft.X, box.TopLeft.Y)
		if len(r.Images) > 1 {
			text += fmt.Sprintf(" of image %d", f.Image+1)
		}
		text += fmt.Sprintf(", confidence %.2f", f.Geometry.Confidence)
		if f.Geometry.Turned != 0 {
			text += fmt.Sprintf(", the image turned by %d° clockwise", f.Geometry.Turned)
		}
		if live := liveness(f); live != "" {
			text += ", " + live
		}
		if f.Age != nil {
			text += fmt.Sprintf(", about %.0f years old (confidence %.2f)", f.Age.Estimated, f.Age.Confidence)
		}
		s.add(label, "%s", text)
		if len(f.TraitNames) > 0 {
			s.add("traits", "%s", strings.Join(f.TraitNames, ", "))
		}
		if f.Quality != nil {
			for _, g := range f.Quality.Groups {
				s.add("quality", "%s", qualityOf(g))
			}
		}
		if f.Crop != nil {
			s.add("portrait", "%s", address(f.Crop.Object))
		}
	}
}

// qualityOf is a group of requirements with those that it fails by.
func qualityOf(g schema.QualityGroup) string {
	text := g.Group + ": " + string(g.Status)
	var failed []string
	for _, r := range g.Requirements {
		if r.Status == "fail" {
			failed = append(failed, r.Check)
		}
	}
	if failed != nil {
		text += " (" + strings.Join(failed, ", ") + ")"
	}
	return text
}

// address names an object as submit --image takes it.
func address(o schema.ObjectRef) string { return "s3://" + o.Bucket + "/" + o.Key }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printLine writes s, which is of r, published at a time, in one line.
func (s summary) printLine(out screen, at time.Time, r *schema.Result) {
	fmt.Fprintf(out, "%s  %-13s  %s  %s\n", at.Local().Format("15:04:05.000"), plain(string(r.Operation)), out.paint(s.colour(), plain(s.line)), out.paint(dim, plain(string(r.RequestID))))
}

func (s summary) colour() string {
	return map[verdict]string{positive: green, negative: yellow, notDone: red}[s.verdict]
}

// print writes s to out: the decision, then the details under their labels.
func (s summary) print(out screen) error {
	var b strings.Builder
	b.WriteString(out.paint(s.colour(), out.wrap(0, plain(s.line))) + "\n")
	const indent = 2 + len("candidate") + 2
	for _, d := range s.details {
		b.WriteString("  " + out.paint(dim, fmt.Sprintf("%-*s", indent-2, d.label)) + out.wrap(indent, plain(d.text)) + "\n")
	}
	_, err := out.Write([]byte(b.String()))
	return err
}
