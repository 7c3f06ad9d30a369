package engine

import "facestream/internal/drawn"

// people are drawn people who stay the same when another cast is chosen.
func people() []drawn.Person {
	var out []drawn.Person
	for _, seed := range []uint64{0x353cb0a47ccd382b, 0xc17b47865a4c0fc, 0x39547f2c0cd4daa4, 0x699d178e88d02f73, 0x42ed5d887306b9fc, 0xf6f4373526becfb2,
		0x29e23e6787d24bf8, 0x4ae6960ff4b35aa7, 0xa87a2616fa75d93d, 0xf65365243bcec019, 0xac4d5811833e8bdd, 0x79924926f0645f1c} {
		out = append(out, drawn.New(seed))
	}
	return out
}
