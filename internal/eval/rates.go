package eval

import (
	"math"
	"slices"
)

// z95 is the 97.5 % quantile of the normal distribution: 95 % of it lies within ± z95 standard deviations.
const z95 = 1.959963984540054

// Interval is a 95 % confidence interval, in the unit of its figure.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Rate is a share: Count of Of trials. Of is always above 0.
type Rate struct{ Count, Of int }

// Value returns the rate, 0..1.
func (r Rate) Value() float64 { return float64(r.Count) / float64(r.Of) }

// Interval returns Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical
// inference", JASA 22, 1927). It stays inside 0..1 and has a width even if Count is 0 or Of. It assumes independent
// trials.
func (r Rate) Interval() Interval {
	n, p := float64(r.Of), r.Value()
	centre := p + z95*z95/(2*n)
	half := z95 * math.Sqrt(p*(1-p)/n+z95*z95/(4*n*n))
	scale := 1 + z95*z95/n
	return Interval{max((centre-half)/scale, 0), min((centre+half)/scale, 1)}
}

// perUnit returns the mean count of events per unit with the score interval of a Poisson count. This is Wilson's
// interval for events that may happen more than once per unit: (k + z²/2 ± z·√(k + z²/4)) / units.
func perUnit(events, units int) (float64, Interval) {
	k, n := float64(events), float64(units)
	half := z95 * math.Sqrt(k+z95*z95/4)
	return k / n, Interval{max((k+z95*z95/2-half)/n, 0), (k + z95*z95/2 + half) / n}
}

// mean returns the mean of values and its standard error: the sample's standard deviation divided by √n, 0 for a single
// value. values must not be empty.
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

// median returns the median of values, which must not be empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
