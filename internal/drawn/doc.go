// Package drawn draws people who do not exist, so that tests and the demo
// have faces to detect, enrol and recognise and no photograph of anyone.
//
// A [Person] is everything that stays: the shape of the head, skin, eyes, hair,
// glasses. A [Shot] is everything that changes between two pictures of a person:
// pose, light, background, expression, camera. Both come from a seed alone.
// [Render] builds the head as meshes, rotates and rasterises them and shades
// every pixel, without a GPU and without any asset.
//
// The drawings are made for face networks rather than for an art gallery: their
// proportions follow human anthropometry, but who resembles whom is for an
// embedding network to say. [Cast] is therefore a measured choice among many
// drawn people, see there.
//
// Head coordinates, used throughout: origin at the centre of the head, x to the
// right of the picture, y down, z towards the camera; the unit is half the height
// of a head, about 115 mm. Eyes lie near y = -0.03, the chin near y = 0.95.
package drawn
