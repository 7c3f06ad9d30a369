package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"sync"

	"facestream/internal/drawn"
)

// picture is a file to upload. vectors are what the simulated engine finds in it; nil where networks look at it.
type picture struct {
	data    []byte
	vectors [][]float32
}

// album has the pictures of the people: shot 0 and 1 of each.
type album interface {
	picture(person, shot int) picture
	// hostile is a file from which no face can be had.
	hostile(r *rand.Rand) picture
}

// drawnAlbum has drawn people, for the networks.
type drawnAlbum struct {
	people []drawn.Person

	mu   sync.Mutex
	made map[[2]int]picture
}

// side is the width of a drawn picture in pixels. Small ones are quick, and the first two shots of everybody are told apart at this
// size.
const side = 224

func (a *drawnAlbum) picture(person, shot int) picture {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := [2]int{person, shot}
	if _, ok := a.made[at]; !ok {
		data, err := drawn.JPEG(a.people[person], shot, side, jpeg.DefaultQuality)
		if err != nil {
			panic(err) // an encoder that writes to memory and fails is a bug
		}
		a.made[at] = picture{data: data}
	}
	return a.made[at]
}

func (a *drawnAlbum) hostile(r *rand.Rand) picture { return hostile(r, a.picture(0, 0).data) }

// simulatedAlbum has pictures whose pixels are the embeddings of their faces.
type simulatedAlbum struct{}

// dimension is the number of components of a simulated embedding.
const dimension = 128

// picture is that of a person. The people of a collection are of two families, whose faces have a cosine of about 0.45 to each
// other: that makes them candidates of a search, and never one person. The shots of one person have about 0.9.
func (simulatedAlbum) picture(person, shot int) picture {
	v := mix(gaussian(1, uint64(person/collections%2)), 0.9, gaussian(2, uint64(person)), 1)
	v = mix(v, 1, gaussian(3, uint64(person*2+shot)), 0.33)
	return picture{encode(v), [][]float32{v}}
}

func (a simulatedAlbum) hostile(r *rand.Rand) picture {
	if r.IntN(4) == 0 {
		return picture{emptyPNG(), [][]float32{}}
	}
	return hostile(r, a.picture(0, 0).data)
}

// hostile breaks a good picture, or is none.
func hostile(r *rand.Rand, good []byte) picture {
	data := bytes.Clone(good)
	switch r.IntN(4) {
	case 0: // cut off before its pixels
		data = data[:20+r.IntN(10)]
	case 1:
		data = []byte("no picture at all")
	case 2: // a PNG that claims 2 thousand million pixels and has none
		data = hugePNG()
	case 3:
		data = make([]byte, 1+r.IntN(4096))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		data[0] = 0
	}
	return picture{data: data, vectors: [][]float32{}}
}

// hugePNG is the header of a picture of 45000 x 45000 pixels.
func hugePNG() []byte {
	data := emptyPNG()
	binary.BigEndian.PutUint32(data[16:], 45000)
	binary.BigEndian.PutUint32(data[20:], 45000)
	return data
}

func emptyPNG() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, wide, high))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// gaussian is a direction that follows from two numbers.
func gaussian(kind, n uint64) []float32 {
	r := rand.New(rand.NewPCG(kind, n))
	v := make([]float32, dimension)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return unit(v)
}

func mix(a []float32, x float32, b []float32, y float32) []float32 {
	v := make([]float32, len(a))
	for i := range v {
		v[i] = x*a[i] + y*b[i]
	}
	return unit(v)
}

func unit(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(sum))
	}
	return v
}

// magic is the first row of a simulated picture.
const magic = "simulated face 1"

// A simulated picture has a row of magic and rows for the four bytes of each component.
const (
	wide = len(magic)
	high = 1 + 4*dimension/wide
)

// encode writes v into the pixels of a picture, which loses nothing.
func encode(v []float32) []byte {
	m := image.NewGray(image.Rect(0, 0, wide, high))
	copy(m.Pix, magic)
	for i, x := range v {
		binary.LittleEndian.PutUint32(m.Pix[wide+4*i:], math.Float32bits(x))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// decode reads what encode writes, from the red of 3 bytes a pixel; false where it is something else.
func decode(rgb []byte) ([]float32, bool) {
	if len(rgb) != 3*wide*high {
		return nil, false
	}
	grey := make([]byte, len(rgb)/3)
	for i := range grey {
		grey[i] = rgb[3*i]
	}
	if string(grey[:wide]) != magic {
		return nil, false
	}
	v := make([]float32, dimension)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(grey[wide+4*i:]))
	}
	return v, true
}
