package worker

import (
	"facestream/internal/traits"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

// qualityOf is report as it goes into a result; nil where nobody asked.
func qualityOf(report *quality.Report) *schema.FaceQuality {
	if report == nil {
		return nil
	}
	out := &schema.FaceQuality{Measures: []schema.QualityMeasure{}, Groups: []schema.QualityGroup{}}
	for _, m := range report.Measures {
		measure := schema.QualityMeasure{Check: string(m.Check), Message: m.Why}
		if m.Assessed && traits.Finite(m.Native) && traits.Finite(m.Scalar) {
			measure.Native, measure.Scalar = &m.Native, &m.Scalar
		}
		out.Measures = append(out.Measures, measure)
	}
	for _, g := range report.Groups {
		group := schema.QualityGroup{Group: g.Group, Status: schema.QualityStatus(g.Status), Requirements: []schema.Requirement{}}
		for _, r := range g.Rows {
			group.Requirements = append(group.Requirements, schema.Requirement{
				Check: string(r.Check), Status: schema.QualityStatus(r.Status), Min: r.Allowed.Min, Max: r.Allowed.Max,
			})
		}
		out.Groups = append(out.Groups, group)
	}
	return out
}
