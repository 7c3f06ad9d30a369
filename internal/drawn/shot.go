package drawn

import (
	"math"
	"math/rand/v2"
)

// Shot is one picture of a person: everything that changes from picture to
// picture. Angles are radians, colours are linear factors, lengths are
// fractions of the picture's size.
type Shot struct {
	// Yaw > 0 turns the face to the picture's right, Pitch > 0 raises it,
	// Roll > 0 turns it clockwise.
	Yaw, Pitch, Roll float64
	// X and Y are the head's centre, origin at the upper left; Scale is half the
	// height of the head.
	X, Y, Scale float64

	Expression Expression
	Light      Light
	Backdrop   Backdrop
	// Cloth is the colour of the clothes.
	Cloth [3]float64
	// VNeck opens the collar.
	VNeck bool

	// Noise is the amplitude of the sensor's noise, 0..1 of full scale, and Blur
	// the weight of the neighbouring pixels, 0 sharp .. 1 soft.
	Noise, Blur float64
	// Seed fixes the noise.
	Seed uint64
}

// Expression is what the face does; all values 0..1 but GazeX and GazeY, which
// move the irises, -1..1.
type Expression struct {
	Smile, Squint float64
	GazeX, GazeY  float64
}

// Light is one lamp and an even rest.
type Light struct {
	// Direction points from the face to the lamp: right, down, to the camera.
	Direction [3]float64
	// Key and Ambient are the colours of the lamp and of the rest.
	Key, Ambient [3]float64
}

// Backdrop is what is behind the person.
type Backdrop struct {
	// Kind is 0 for an even wall, 1 for a wall with a bright spot, 2 for blurred
	// lights, 3 for panels.
	Kind int
	// Near and Far are its two colours.
	Near, Far [3]float64
}

// NewShot returns the shot of a seed: a nearly frontal picture in moderate
// light, yaw within 8 degrees, pitch within 5, roll within 6.
func NewShot(seed uint64) Shot {
	d := dice{rand.New(rand.NewPCG(seed, 0x5407))}
	const degree = math.Pi / 180
	tone := func(lo, hi float64) [3]float64 {
		v, warm, green := d.in(lo, hi), d.in(-0.18, 0.18), d.in(-0.08, 0.08)
		return [3]float64{v * (1 + warm), v * (1 + green), v * (1 - warm)}
	}
	lamp := d.in(-0.08, 0.08) // warm or cold
	key, ambient := d.in(0.75, 1.0), d.in(0.28, 0.42)
	return Shot{
		Yaw: d.in(-8, 8) * degree, Pitch: d.in(-5, 5) * degree, Roll: d.in(-6, 6) * degree,
		X: d.in(0.45, 0.55), Y: d.in(0.44, 0.50), Scale: d.in(0.31, 0.37),
		Expression: Expression{
			Smile: max(0, d.in(-0.4, 0.5)), Squint: d.in(0, 0.2),
			GazeX: d.in(-0.25, 0.25), GazeY: d.in(-0.2, 0.2),
		},
		Light: Light{
			Direction: [3]float64{d.in(-0.45, 0.45), d.in(-0.7, -0.25), 1},
			Key:       [3]float64{key * (1 + lamp), key, key * (1 - lamp)},
			Ambient:   [3]float64{ambient * (1 - lamp), ambient, ambient * (1 + lamp)},
		},
		Backdrop: Backdrop{Kind: d.n(4), Near: tone(0.15, 0.75), Far: tone(0.08, 0.6)},
		Cloth:    tone(0.02, 0.7),
		VNeck:    d.chance(0.4),
		Noise:    d.in(0.004, 0.022),
		Blur:     d.in(0.25, 0.7),
		Seed:     seed,
	}
}

// Shot returns the person's n-th picture, 0, 1, 2, .... The same n gives the same picture, and no two people share one.
func (p Person) Shot(n int) Shot {
	return NewShot(p.seed*0x9E3779B97F4A7C15 + uint64(n) + 1)
}
