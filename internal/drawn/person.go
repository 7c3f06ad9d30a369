package drawn

// Person is one drawn person: everything that stays the same from shot to shot.
// The zero value is not a person; use [New] or [Cast].
type Person struct {
	seed  uint64
	skull skull
	eyes  eyes
	brows brows
	nose  nose
	mouth mouth
	skin  skin
	hair  hair
	beard beard
	wear  wear
}

// Seed returns the seed that New made the person from.
func (p Person) Seed() uint64 { return p.seed }

// Lengths are in head units (see the package comment), masks and strengths 0..1,
// colours linear RGB.
type (
	skull struct {
		cranium, cheek, jaw, chin float64 // half widths at four heights
		bottom                    float64 // y of the chin's lowest point
		square                    float64 // exponent of the chin's outline: 4 pointed .. 12 square
		flat                      float64 // exponent of the cross-section: 0.65 flat face .. 1 round
		forehead, chinOut         float64 // depth added there
		cheekbone, cheekFat       float64 // relief
		neck                      float64 // half width
		earHeight, earFlare       float64
		tilt                      float64 // asymmetry: y shift per x
		cleft, hollow             float64 // of the chin, of the cheeks
	}
	eyes struct {
		x, y          float64 // centre of the right-hand one
		width         float64 // half width of the opening
		upper, lower  float64 // heights of the lids' arcs
		peak          float64 // where the upper arc is highest, -1 inner .. 1 outer corner
		slant         float64 // rise of the outer corner per unit of half width
		crease        float64 // distance of the lid's crease, 0 for none
		fold, hood    float64 // inner, outer corner covered
		droop         float64 // upper lid lower on one side: + right, - left
		ring          float64 // dark rim of the iris
		socket, bag   float64 // depth of the socket, size of the bag
		iris          vec
		irisRadius    float64
		lash          float64
		shadow        vec
		shadowOpacity float64
	}
	brows struct {
		rise, thick, length float64 // height above the eye, half thickness, half length
		arch, slope         float64
		uneven              float64 // the right one lower
		ridge               float64 // bone
		density             float64
		bridge              float64 // hair between them
		colour              vec
	}
	nose struct {
		length, out      float64 // y of the base below the eyes, projection of the tip
		root, ridge, tip float64 // half widths
		wings            float64 // half width at the nostrils
		hump, turn       float64 // bump of the bridge, tip turned up (+) or down (-)
		nostril          float64
		bend             float64 // sideways
		philtrum         float64
	}
	mouth struct {
		y, width     float64
		upper, lower float64
		bow, corner  float64 // depth of cupid's bow, corners up (-) or down (+)
		out          float64
		lip          vec
		gloss        float64
		part         float64 // lips apart, the upper teeth show
	}
	skin struct {
		base, flush           vec
		flushCheek, flushNose float64
		mottle, shine         float64
		freckles              float64
		pits                  float64 // scars of acne
		rings                 float64 // dark skin round the eyes
		moles                 []mole
		scar                  float64
		patches, patchAt      float64 // opacity, and the noise level above which they show
		patchColour           vec
		age                   float64 // 0 young .. 1 old: folds, lines, bags
	}
	mole struct {
		x, y, r float64
	}
)

// New returns the person of a seed. The same seed gives the same person as long
// as this package's drawing code does not change.
func New(seed uint64) Person {
	p := Person{seed: seed}
	// Hidden traits correlate the visible ones, so that people look like people and not like averages.
	d := roll(seed, buildGene)
	strong, heavy, age := d.in(0, 1), d.in(0, 1), d.in(-0.35, 1) // strong: heavy bones, brows, beard
	d = roll(seed, skinGene)
	melanin := d.in(0, 1)
	p.skin = d.skin(melanin, age)

	p.skull = roll(seed, skullGene).skull(strong, heavy)
	p.eyes = roll(seed, eyesGene).eyes(strong, melanin, age)
	p.nose = roll(seed, noseGene).nose(melanin)
	p.mouth = roll(seed, mouthGene).mouth(strong, melanin, p.skin.base)
	// The mouth lies a third of the way from the nose to the chin.
	base := p.eyes.y + p.nose.length
	p.mouth.y = base + (p.skull.bottom-base)*p.mouth.y

	p.hair = roll(seed, hairGene).hair(strong, melanin, age)
	p.brows = roll(seed, browsGene).brows(strong, p.hair)
	if strong > 0.45 {
		p.beard = roll(seed, beardGene).beard(p.hair)
	}
	p.wear = roll(seed, wearGene).wear(p.eyes)
	return p
}

func (d dice) skull(strong, heavy float64) skull {
	k := skull{
		cranium:  d.in(0.54, 0.80),
		bottom:   d.in(0.82, 1.07),
		square:   d.in(3.5, 12),
		flat:     d.in(0.60, 1.0),
		forehead: d.in(-0.06, 0.07), chinOut: d.in(-0.10, 0.10),
		cheekbone: d.in(0, 1.8), cheekFat: clamp01(heavy*0.8 + d.in(-0.3, 0.3)),
		earHeight: d.in(0.17, 0.27), earFlare: d.in(0.02, 0.14),
		tilt: d.in(-0.04, 0.04), cleft: max(0, d.in(-0.6, 1)), hollow: max(0, d.in(-0.5, 1)),
	}
	k.cheek = k.cranium*d.in(0.84, 1.0) + 0.05*heavy
	k.jaw = k.cheek*lerp(d.in(0.66, 0.84), d.in(0.82, 1.0), strong) + 0.06*heavy
	k.chin = lerp(d.in(0.20, 0.36), d.in(0.30, 0.50), strong)
	k.neck = lerp(0.30, 0.42, strong) + 0.07*heavy
	return k
}

func (d dice) eyes(strong, melanin, age float64) eyes {
	e := eyes{
		x: d.in(0.215, 0.33), y: d.in(-0.10, 0.04),
		width: d.in(0.080, 0.165), upper: d.in(0.024, 0.086), lower: d.in(0.010, 0.052),
		peak: d.in(-0.35, 0.35), slant: d.in(-0.30, 0.36),
		crease: d.in(0.010, 0.06), fold: max(0, d.in(-0.6, 0.6)),
		socket: d.in(0, 0.17), bag: max(0, age*0.7+d.in(-0.4, 0.7)),
		hood: max(0, d.in(-0.8, 1)), droop: d.in(-0.35, 0.35), ring: d.in(0.1, 1),
		irisRadius: d.in(0.040, 0.064), lash: lerp(d.in(0.3, 2.4), d.in(0.1, 0.7), strong),
		iris: d.iris(melanin),
	}
	if d.chance(0.25) {
		e.crease, e.fold = 0, d.in(0.3, 0.9)
	}
	if strong < 0.5 && d.chance(0.5) {
		e.shadow = pick(d, rgb(0.25, 0.2, 0.25), rgb(0.35, 0.3, 0.6), rgb(0.65, 0.3, 0.4), rgb(0.2, 0.45, 0.45), rgb(0.85, 0.75, 0.6))
		e.shadowOpacity = d.in(0.2, 0.85)
	}
	return e
}

func (d dice) brows(strong float64, h hair) brows {
	b := brows{
		rise: d.in(0.080, 0.23), thick: lerp(d.in(0.007, 0.035), d.in(0.016, 0.072), strong),
		length: d.in(0.08, 0.23), arch: d.in(-0.02, 0.11), slope: d.in(-0.42, 0.45), uneven: d.in(-0.03, 0.03),
		ridge: clamp01(strong + d.in(-0.4, 0.4)), density: d.in(0.05, 1),
		colour: h.root.mix(rgb(0.10, 0.07, 0.05), d.in(0, 0.9)),
	}
	if d.chance(0.2) {
		b.bridge = d.in(0.3, 1)
	}
	return b
}

func (d dice) nose(melanin float64) nose {
	return nose{
		length: d.in(0.27, 0.56), out: d.in(0.07, 0.33),
		root: d.in(0.024, 0.072), ridge: d.in(0.028, 0.085), tip: d.in(0.040, 0.115),
		wings: lerp(d.in(0.085, 0.185), d.in(0.115, 0.23), melanin),
		hump:  d.in(-0.08, 0.09), turn: d.in(-0.08, 0.08), nostril: d.in(0.2, 1),
		bend: d.in(-0.06, 0.06), philtrum: d.in(0, 1.3),
	}
}

// mouth gives y as a fraction of the way from the nose to the chin.
func (d dice) mouth(strong, melanin float64, base vec) mouth {
	m := mouth{
		y:     d.in(0.27, 0.43),
		width: d.in(0.12, 0.33), upper: lerp(d.in(0.006, 0.060), d.in(0.02, 0.095), melanin),
		lower: lerp(d.in(0.012, 0.075), d.in(0.03, 0.11), melanin),
		bow:   d.in(0, 0.7), corner: d.in(-0.06, 0.045), out: d.in(0, 1.4), part: max(0, d.in(-0.9, 0.6)),
		lip: base.mix(rgb(0.66, 0.22, 0.24), d.in(0.1, 0.6)), gloss: d.in(0, 0.5),
	}
	if strong < 0.5 && d.chance(0.5) {
		stick := pick(d, rgb(0.75, 0.08, 0.14), rgb(0.55, 0.08, 0.16), rgb(0.80, 0.32, 0.40), rgb(0.42, 0.12, 0.18), rgb(0.78, 0.35, 0.25), rgb(0.30, 0.08, 0.14))
		m.lip = m.lip.mix(stick, d.in(0.4, 1))
		m.gloss = d.in(0.2, 1)
	}
	return m
}

func (d dice) skin(melanin, age float64) skin {
	k := skin{
		age:        age,
		flushCheek: max(0, d.in(-0.2, 1)), flushNose: max(0, d.in(-0.3, 0.9)),
		mottle: d.in(0.2, 2.2), shine: d.in(0, 1.6), pits: max(0, d.in(-1, 1)), rings: max(0, d.in(-0.5, 0.8)),
	}
	k.base, k.flush = d.skinTone(melanin)
	if melanin < 0.55 && d.chance(0.3) {
		k.freckles = d.in(0.3, 1)
	}
	for range d.n(5) {
		k.moles = append(k.moles, mole{d.in(-0.45, 0.45), d.in(-0.3, 0.85), d.in(0.010, 0.026)})
	}
	if d.chance(0.1) {
		k.scar = d.in(-0.45, 0.45)
	}
	if d.chance(0.16) {
		// Pale patches as of vitiligo, dark ones as of melasma, or a port-wine stain.
		k.patchColour = pick(d, rgb(0.93, 0.80, 0.73), k.base.mul(vec{0.45, 0.38, 0.33}), k.base.mul(vec{0.75, 0.25, 0.28}))
		k.patches, k.patchAt = d.in(0.25, 0.75), d.in(0.60, 0.74)
	}
	return k
}

// skinTone follows melanin from pale to dark, with some red and some yellow.
func (d dice) skinTone(melanin float64) (base, flush vec) {
	tones := [5]vec{{0.95, 0.80, 0.72}, {0.90, 0.69, 0.56}, {0.76, 0.54, 0.39}, {0.54, 0.35, 0.24}, {0.33, 0.21, 0.155}}
	at := melanin * float64(len(tones)-1)
	i := min(int(at), len(tones)-2)
	t := tones[i].mix(tones[i+1], at-float64(i))
	warm, red := d.in(-0.03, 0.03), d.in(-0.02, 0.03)
	t = vec{t.x + red, t.y + warm*0.4, t.z - warm}
	base = rgb(t.x, t.y, t.z)
	return base, base.mul(vec{1.05, 0.55, 0.5})
}

func (d dice) iris(melanin float64) vec {
	if melanin > 0.45 || d.chance(0.35) {
		return pick(d, rgb(0.20, 0.11, 0.06), rgb(0.13, 0.08, 0.05), rgb(0.33, 0.20, 0.10))
	}
	return pick(d, rgb(0.35, 0.50, 0.65), rgb(0.45, 0.55, 0.60), rgb(0.35, 0.45, 0.30), rgb(0.45, 0.38, 0.20), rgb(0.50, 0.52, 0.54))
}
