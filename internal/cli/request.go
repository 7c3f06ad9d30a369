package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"facestream/pkg/schema"
)

// requestFlags are what submit and upload can both say of a request: submit in the request itself, upload in the metadata
// of the object.
type requestFlags struct {
	config       string
	consentGiven bool
	consent      string // where the declaration can be found
	tag          string
	resultObject bool
	deadline     time.Duration
}

func (f *requestFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.config, "operation-config", "", "settings of this request as JSON (docs/operation-config.md)")
	fs.BoolVar(&f.consentGiven, "consent-given", false, "the person agreed; kept with the enrolment")
	fs.StringVar(&f.consent, "consent", "", "the person agreed, and this says where the declaration can be found")
	fs.StringVar(&f.tag, "tag", "", "a text that comes back in the result")
	fs.BoolVar(&f.resultObject, "result-object", false, "also write the result as JSON beside the first image")
	fs.DurationVar(&f.deadline, "deadline", 0, "answer expired if the work has not begun after this time")
}

// apply sets the fields of req that the flags are about.
func (f *requestFlags) apply(req *schema.Request) {
	req.Tag, req.ResultObject = f.tag, f.resultObject
	if f.config != "" {
		req.Config = json.RawMessage(f.config)
	}
	if f.consentGiven || f.consent != "" {
		req.Consent = &schema.Consent{Given: true, Reference: f.consent}
	}
	if f.deadline > 0 {
		at := time.Now().Add(f.deadline).UTC()
		req.Deadline = &at
	}
}

// flagProblems names each problem of a request by the flag that it came from: flags has those that differ from command to
// command.
func flagProblems(problems schema.Problems, flags map[string]string) error {
	var out []error
	for _, p := range problems {
		field, rest, _ := strings.Cut(p.Field, ".")
		switch flag := flags[field]; {
		case field == "config" && rest != "":
			out = append(out, fmt.Errorf("--operation-config: %s %s", rest, p.Message))
		case field == "config":
			out = append(out, fmt.Errorf("--operation-config: %s", p.Message))
		case field == "consent":
			out = append(out, fmt.Errorf("--consent: %s", p.Message))
		case field == "operation_tag":
			out = append(out, fmt.Errorf("--tag: %s", p.Message))
		case flag != "":
			out = append(out, fmt.Errorf("%s: %s", flag, p.Message))
		default:
			out = append(out, fmt.Errorf("%s: %s", p.Field, p.Message))
		}
	}
	return &exitError{exitUsage, errors.Join(out...)}
}
