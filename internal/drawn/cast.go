package drawn

// Enrolled is the number of people of the Cast that the demo enrols; the rest are strangers.
const Enrolled = 24

// Cast returns the 36 people of the demo: the first [Enrolled] are enrolled, the
// others are strangers. Shots 0, 1 and 2 of each work, see [Person.Shot].
//
// Networks selected the cast, so it proves nothing about their accuracy. Drawn people are more alike than real ones,
// and many pairs of people drawn at random would match. So the command castgen drew many people, embedded shots 0 to 2
// of each with the starter and the open pack, and with the starter's detector before the open pack's embedding, and
// selected 36 whom all of them distinguish at their own thresholds, with a margin on both sides. A test beside castgen measures that margin. The thresholds were measured on photographs and
// were not changed. Other packs may take two of these people for one.
func Cast() []Person {
	people := make([]Person, len(castSeeds))
	for i, seed := range castSeeds {
		people[i] = New(seed)
	}
	return people
}
