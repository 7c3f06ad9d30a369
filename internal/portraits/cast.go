package portraits

// Enrolled is how many of the Cast the demo enrols; the rest are strangers.
const Enrolled = 24

// Cast returns the 36 people of the demo: the first [Enrolled] are enrolled, the
// others are strangers. Shots 0, 1 and 2 of each work, see [Person.Shot].
func Cast() []Person {
	people := make([]Person, len(castSeeds))
	for i, seed := range castSeeds {
		people[i] = New(seed)
	}
	return people
}
