package eval

import (
	"math"
	"slices"
)

// z95 is the 97.5 % quantile of the normal distribution: 95 % of it lie within ± z95 standard deviations.
const z95 = 1.959963984540054

// Interval is a 95 % confidence interval, in the unit of the figure that it belongs to.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Rate is a share: Count of Of trials. Of is above 0 wherever a Rate is made.
type Rate struct{ Count, Of int }

// Value is the rate, 0..1.
func (r Rate) Value() float64 { return float64(r.Count) / float64(r.Of) }

// Interval is Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
// JASA 22, 1927). It stays inside 0..1 and is no point when Count is 0 or Of. It takes the trials for independent.
func (r Rate) Interval() Interval {
	n, p := float64(r.Of), r.Value()
	centre := p + z95*z95/(2*n)
	half := z95 * math.Sqrt(p*(1-p)/n+z95*z95/(4*n*n))
	scale := 1 + z95*z95/n
	return Interval{max((centre-half)/scale, 0), min((centre+half)/scale, 1)}
}

// perUnit is the mean count of events per unit with the score interval of a Poisson count, which is Wilson's for events that
// may happen more than once a unit: k + z²/2 ± z·√(k + z²/4), all over units.
func perUnit(events, units int) (float64, Interval) {
	k, n := float64(events), float64(units)
	half := z95 * math.Sqrt(k+z95*z95/4)
	return k / n, Interval{max((k+z95*z95/2-half)/n, 0), (k + z95*z95/2 + half) / n}
}

// mean is the mean of values, of which there is at least one, and its standard error: the deviation of the sample over √n, 0
// for a single value.
func mean(values []float64) (mean, standardError float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	if len(values) < 2 {
		return mean, 0
	}
	var square float64
	for _, v := range values {
		square += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(square / (n - 1) / n)
}

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
