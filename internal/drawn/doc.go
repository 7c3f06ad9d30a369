// Package drawn draws people who do not exist. Tests and the demo use them to
// detect, enrol and recognise faces without any photograph.
//
// A [Person] is everything that stays the same: the shape of the head, skin,
// eyes, hair, glasses. A [Shot] is everything that changes between two pictures
// of a person: pose, light, background, expression, camera. Each is made from a
// random seed alone. [Render] builds the head as meshes, rotates and rasterises
// them and shades every pixel. It needs no GPU and no assets.
//
// The drawings are made for face networks, not to look beautiful. Their
// proportions follow human anthropometry, but only an embedding network can say
// who resembles whom. [Cast] is therefore chosen by measurement from many drawn
// people.
//
// Head coordinates, used throughout: origin at the centre of the head, x to the
// right of the picture, y down, z towards the camera; the unit is half the height
// of a head, about 115 mm. Eyes lie near y = -0.03, the chin near y = 0.95.
package drawn
