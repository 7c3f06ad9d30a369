package document

import "math"

// A Direction is which way something on a straightened document is upright: by how many degrees clockwise it is turned from upright
// there, and how much that counts.
type Direction struct{ Degrees, Weight float64 }

// Upright is by how many quarters of a turn clockwise a straightened document must be turned so that what is on it stands upright: the
// one to which its faces and its lines of text agree most. It is 0 without any.
func Upright(directions []Direction) int {
	var best int
	most := 0.0
	for quarters := range 4 {
		sum := 0.0
		for _, d := range directions {
			sum += d.Weight * math.Cos((d.Degrees+90*float64(quarters))*math.Pi/180)
		}
		if sum > most+1e-9 {
			best, most = quarters, sum
		}
	}
	return best
}

// Turn is o, whose Straight is turned by so many quarters clockwise to stand upright, and whose corners begin with that which then is top left.
func (o Outline) Turn(quarters int) Outline {
	// Clockwise turning brings the corner at the bottom left to the top left.
	o.Corners = quadOf(o.Corners).turned((4 - quarters%4) % 4).corners()
	return o
}
