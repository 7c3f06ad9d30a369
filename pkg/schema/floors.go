package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Strictness says which values of a configuration key are stricter than others. An operator can set a floor on a key that
// has one.
type Strictness string

// The kinds of strictness.
const (
	Higher  Strictness = "higher"     // a higher number is stricter, and of listed names the later one
	Lower   Strictness = "lower"      // a lower number is stricter
	Exactly Strictness = "exactly"    // the values have no order: a floor allows its own value alone
	Subset  Strictness = "no further" // a set of bits: a floor allows its own bits and no others
)

// Floors are the operator's limits on the configuration of requests: a request may set a key to the value of its floor or
// to a stricter one.
type Floors []floor

type floor struct {
	key   *ConfigKey
	value any
}

// ParseFloors reads floors, a JSON object like a configuration. A key without a [Strictness] is a problem.
func ParseFloors(raw json.RawMessage) (Floors, Problems) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	c := DefaultConfig(OpValidate)
	ps := c.apply("floors", raw, true)
	if len(ps) > 0 {
		return nil, ps
	}
	ps = c.Matching.ordered()
	members, err := objectMembers(raw)
	if err != nil {
		return nil, Problems{{"floors", err.Error(), ReasonInvalidConfiguration}}
	}
	var out Floors
	for _, m := range members {
		k := keyNamed(m.name)
		if k.Strictness == "" {
			ps = append(ps, Problem{"floors." + k.Name, "has no stricter and laxer values, so it cannot have a floor", ReasonInvalidConfiguration})
			continue
		}
		x, _ := k.value(&c)
		out = append(out, floor{k, x})
	}
	return out, ps
}

// allows reports whether x, a value of the key, is at the floor or stricter.
func (f floor) allows(x any) bool {
	switch f.key.Strictness {
	case Higher:
		return f.key.rank(x) >= f.key.rank(f.value)
	case Lower:
		return f.key.rank(x) <= f.key.rank(f.value)
	case Subset:
		return int64(f.key.rank(x))&^int64(f.key.rank(f.value)) == 0
	}
	return x == f.value
}

// says describes what the floor allows.
func (f floor) says() string {
	value, _ := json.Marshal(f.value) // a number, a text or a boolean
	switch f.key.Strictness {
	case Higher:
		return "at least " + string(value)
	case Lower:
		return "at most " + string(value)
	case Subset:
		return "no further bits than " + string(value)
	}
	return string(value)
}

// rank makes the values of an ordered key comparable: a number is its own rank, and a listed name has its place in the list.
func (k *ConfigKey) rank(x any) float64 {
	v := reflect.ValueOf(x)
	switch {
	case v.CanFloat():
		return v.Float()
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	case v.Kind() == reflect.String:
		return float64(slices.IndexFunc(k.Enum, func(e Value) bool { return e.Value == v.String() }))
	}
	return 0
}

// complete adds floors on the keys that could make those of f void: a floor on the score of a live face means nothing if
// the request may switch liveness off, and a floor on the sharpness nothing if it may tolerate blurred faces. They stand at
// the defaults of the keys, unless f has a floor on the key.
func (f Floors) complete() Floors {
	out := slices.Clone(f)
	for _, x := range f {
		for _, name := range x.key.floorNeeds() {
			if !slices.ContainsFunc(out, func(o floor) bool { return o.key.Name == name }) {
				c, k := DefaultConfig(OpValidate), keyNamed(name)
				value, _ := k.value(&c)
				out = append(out, floor{k, value})
			}
		}
	}
	return out
}

// floorNeeds lists the keys that could make a floor on k void.
func (k *ConfigKey) floorNeeds() []string {
	switch k.Group {
	case groupLiveness:
		return []string{"anti_spoofing_mode", "anti_spoofing_threshold", "liveness_calibration", "liveness_not_assessable", "document_images"}
	case groupQuality, groupPose:
		return []string{"face_validations_off", "allowed_face_traits_flags"}
	}
	if k.Name == "landmark_confidence_score_threshold" { // a low one is a trait
		return []string{"face_validations_off", "allowed_face_traits_flags"}
	}
	return nil
}

// matching returns the floors on the three matching thresholds, and nil without any. A threshold without one has that of
// the threshold below it, because it cannot lie below that threshold.
func (f Floors) matching() *Thresholds {
	out := Thresholds{-1, -1, -1}
	found := false
	for _, x := range f {
		at := map[string]*float32{"face_thresholds_min": &out.Min, "face_thresholds_med": &out.Med, "face_thresholds_max": &out.Max}[x.key.Name]
		if at != nil {
			found, *at = true, max(*at, float32(x.key.rank(x.value)))
		}
	}
	if !found {
		return nil
	}
	out.Med = max(out.Med, out.Min)
	out.Max = max(out.Max, out.Med)
	return &out
}

// Hold applies the operator's floors to j, whose request is resolved ([Job.Resolve]). A key that the request sets below its
// floor is a problem. A key that the request does not set takes the floor's value if its default is below that. The floors
// on matching thresholds travel with j, because only the worker knows the thresholds of the model pack.
func (j *Job) Hold(floors Floors) Problems {
	if len(floors) == 0 {
		return nil
	}
	config, ps := j.Configuration()
	if len(ps) > 0 {
		return ps
	}
	asked, err := j.asked()
	if err != nil {
		return Problems{{"config", err.Error(), ReasonInvalidConfiguration}}
	}
	floors = floors.complete()
	for _, f := range floors {
		x, set := f.key.value(&config)
		if !set || f.key.Group == groupMatching && f.key.Default == nil || f.allows(x) {
			continue // what matching thresholds allow depends on fudge_factor and the pack: see below
		}
		if asked[f.key.Name] {
			ps = append(ps, BelowFloor("config."+f.key.Name, f.says()))
			continue
		}
		reflect.ValueOf(f.key.field(&config)).Elem().Set(reflect.ValueOf(f.value))
	}
	if j.Floors = floors.matching(); j.Floors != nil {
		ps = append(ps, config.Matching.Below(*j.Floors)...)
	}
	for _, f := range floors { // two floors may leave nothing between them
		if x, set := f.key.value(&config); set && len(ps) == 0 && f.key.Strictness == Exactly && !f.allows(x) {
			ps = append(ps, BelowFloor("config."+f.key.Name, f.says()))
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return cmp.Compare(a.Field, b.Field) })
	if len(ps) > 0 {
		return slices.Compact(ps)
	}
	if j.ResolvedConfig, err = json.Marshal(config); err != nil {
		return Problems{{"config", err.Error(), ReasonInvalidConfiguration}}
	}
	return nil
}

// asked returns the keys that the request itself sets.
func (j *Job) asked() (map[string]bool, error) {
	out := map[string]bool{}
	if len(bytes.TrimSpace(j.Config)) == 0 {
		return out, nil
	}
	members, err := objectMembers(j.Config)
	for _, m := range members {
		out[m.name] = true
	}
	return out, err
}

// BelowFloor is the problem of a value that is laxer than the operator's floor, which allows only what allowed says.
func BelowFloor(field, allowed string) Problem {
	return Problem{field, "is laxer than the operator allows here; allowed: " + allowed, ReasonBelowFloor}
}

// Below returns a problem for each threshold that c sets and that, multiplied by the fudge factor, lies below its floor.
func (c MatchingConfig) Below(floors Thresholds) (ps Problems) {
	for _, t := range []struct {
		key   string
		asked *float32
		floor float32
	}{{"face_thresholds_min", c.Min, floors.Min}, {"face_thresholds_med", c.Med, floors.Med}, {"face_thresholds_max", c.Max, floors.Max}} {
		if t.asked != nil && max(*t.asked*c.FudgeFactor, -1) < t.floor { // no cosine is below -1
			ps = append(ps, BelowFloor("config."+t.key, fmt.Sprintf("at least %v, after fudge_factor", t.floor)))
		}
	}
	return ps
}
