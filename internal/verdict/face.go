package verdict

import (
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// Face returns o as a face of the result, with its traits and its liveness. image is the index of the job's image,
// several the number of its faces. Networks can return anything for hostile pixels, so Face leaves out values that are
// not finite.
func (c *Case) Face(o *face.Observation, image, several int) schema.FaceResult {
	r := schema.FaceResult{
		Geometry: schema.FaceGeometry{
			BoundingBox: o.Box, EyeLeft: o.Points[0], EyeRight: o.Points[1], Landmarks: o.Points[:], Confidence: o.Confidence, Turned: o.Turned,
		},
		Image: image, Ghost: o.Ghost,
	}
	if o.Turned != 0 {
		box := o.Original()
		r.Geometry.OriginalBox = &box
	}
	if o.Photographed != nil {
		r.Geometry.OriginalBox = o.Photographed
	}
	scores := c.scores(o)
	r.Traits = c.traits(o, scores)
	r.TraitNames = schema.TraitNames(r.Traits)
	if several <= schema.MaxDetailedFaces {
		r.Scores = scores
		if c.config.Quality.GroupNames() != nil { // the background alone can have been asked for
			r.Quality = o.Quality
		}
		if !slices.ContainsFunc(o.Landmarks, func(p schema.PointF) bool { return !finite(p.X, p.Y) }) {
			r.Geometry.Outline = o.Landmarks
		}
	}
	if p := o.Pose; p != nil && finite(p.Yaw, p.Pitch, p.Roll) {
		r.Pose = &schema.PoseAngles{Yaw: p.Yaw, Pitch: p.Pitch, Roll: p.Roll}
	}
	r.SpoofStatus, r.Liveness = c.liveness(o)
	if a := o.Age; a != nil && finite(a.Years, a.Deviation, a.Confidence) {
		r.Age = &schema.AgeData{Confidence: a.Confidence, Estimated: a.Years, Deviation: a.Deviation}
		if c.config.Quality.LowerAge {
			r.Age.Estimated = max(a.Years-a.Deviation, 0)
		}
	}
	return r
}

// finite reports whether JSON can carry all of xs.
func finite(xs ...float32) bool {
	return !slices.ContainsFunc(xs, func(x float32) bool { return x-x != 0 })
}
