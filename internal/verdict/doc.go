// Package verdict makes all decisions about an image. Its input is what the engine observed, the request's
// configuration and the model pack's operating points. Its output is the traits of each face, its liveness, the reason
// of a refusal, advice to the person, and the answer. The functions are pure: they do no I/O and read no clock, and the
// same input gives the same verdict.
//
// A [Case] is one job with its configuration and model pack. [Case.Params] says what to ask of the engine. [Case.Face]
// turns what the engine found into a face of the result. [Case.Answer] answers the job if it does not need the gallery.
package verdict
