package drawn

// Enrolled is how many of the Cast the demo enrols; the rest are strangers.
const Enrolled = 24

// Cast returns the 36 people of the demo: the first [Enrolled] are enrolled, the
// others are strangers. Shots 0, 1 and 2 of each work, see [Person.Shot].
//
// The cast is hand-picked by networks and proves nothing about their accuracy.
// Drawn people are more alike than living ones, and among people drawn at random
// many a pair would match. So the command castgen drew many, had the starter and
// the open pack embed shots 0 to 2 of them, and searched for 36 whom both packs
// tell apart at their own thresholds with a margin on both sides; a test beside
// castgen measures that margin. The thresholds were measured on photographs and
// are not touched. Other packs may take two of these people for one.
func Cast() []Person {
	people := make([]Person, len(castSeeds))
	for i, seed := range castSeeds {
		people[i] = New(seed)
	}
	return people
}
