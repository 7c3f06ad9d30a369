package verdict

import (
	"fmt"

	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// liveness decides whether a face is live. A face that cannot be assessed never counts as live. A face on a document is
// a spoof, whatever the liveness networks say.
func (c *Case) liveness(o *face.Observation) (schema.SpoofStatus, *schema.Liveness) {
	found := o.Liveness
	switch {
	case o.Document != nil:
		return schema.SpoofDetected, &schema.Liveness{Message: fmt.Sprintf("the face is on an identity document (confidence %.2f)", o.Document.Confidence)}
	case found == nil:
		return schema.SpoofNotPerformed, nil
	case found.Unassessable != "":
		return schema.SpoofInvalidFace, &schema.Liveness{Unassessable: found.Unassessable, Message: found.Why}
	case !finite(found.Score):
		return schema.SpoofGenericError, &schema.Liveness{Message: "the liveness networks returned no number"}
	}
	threshold := c.pack.Liveness.threshold(c.config.Liveness)
	status := schema.SpoofNone
	if found.Score < threshold {
		status = schema.SpoofDetected
	}
	return status, &schema.Liveness{Score: &found.Score, Threshold: &threshold}
}
