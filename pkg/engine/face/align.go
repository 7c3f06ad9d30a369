package face

import (
	"errors"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// AlignedSide is the width and height in pixels of an aligned face.
const AlignedSide = 112

// template has the places of the five points in an aligned face: ArcFace's (Deng, Guo, Xue, Zafeiriou: "ArcFace: Additive
// Angular Margin Loss for Deep Face Recognition", CVPR 2019), with the coordinates of InsightFace,
// python-package/insightface/utils/face_align.py, arcface_dst.
var template = [5]schema.PointF{
	{X: 38.2946, Y: 51.6963}, {X: 73.5318, Y: 51.5014}, {X: 56.0252, Y: 71.7366}, {X: 41.5493, Y: 92.3655}, {X: 70.7299, Y: 92.2041},
}

// Align cuts a face out of img. It turns, scales and shifts the face so that its points lie on ArcFace's template. The
// result has AlignedSide × AlignedSide pixels and is black outside img. Align fails if the points coincide.
func Align(img *imaging.Image, points [5]schema.PointF) (*imaging.Image, error) {
	s, err := similarity(points, template)
	if err != nil {
		return nil, schema.Permanent("face.align", schema.ReasonFaceRejected, err)
	}
	return img.WarpSimilarity(s, AlignedSide, AlignedSide), nil
}

// similarity returns the similarity without reflection that moves from closest to to, by least squares: Umeyama,
// "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4), 1991. In the plane
// his singular value decomposition has a closed form: with p and q the centred points, A = Σ p·q / Σ p·p and
// B = Σ p×q / Σ p·p.
func similarity(from, to [5]schema.PointF) (imaging.Similarity, error) {
	var fx, fy, tx, ty float64
	for i := range from {
		fx, fy = fx+float64(from[i].X)/5, fy+float64(from[i].Y)/5
		tx, ty = tx+float64(to[i].X)/5, ty+float64(to[i].Y)/5
	}
	var dot, cross, square float64
	for i := range from {
		px, py := float64(from[i].X)-fx, float64(from[i].Y)-fy
		qx, qy := float64(to[i].X)-tx, float64(to[i].Y)-ty
		dot += px*qx + py*qy
		cross += px*qy - py*qx
		square += px*px + py*py
	}
	// Below a hundredth of a pixel the points say nothing about scale or direction.
	if !(square > 1e-4) || dot == 0 && cross == 0 {
		return imaging.Similarity{}, errors.New("the five points coincide")
	}
	s := imaging.Similarity{A: dot / square, B: cross / square}
	s.Tx, s.Ty = tx-(s.A*fx-s.B*fy), ty-(s.B*fx+s.A*fy)
	return s, nil
}
