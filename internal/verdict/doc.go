// Package verdict decides what follows from an image: from what the engine observed, the request's configuration and the
// model pack's operating points it makes the traits of a face, whether it is live, why it is refused, what the person should
// do, and the answer. All of it is pure: no I/O, no clock, and the same input gives the same verdict.
//
// A [Case] is one job with the pack that it is judged by. It says what to ask of the engine ([Case.Params]), turns what the
// engine found into the faces of a result ([Case.Face]), and answers the job where no gallery is needed ([Case.Answer]).
package verdict
