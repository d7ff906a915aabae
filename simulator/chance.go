package simulator

import (
	"fmt"
	"math/rand/v2"
)

// mix hashes a seed, a label and a number into 64 evenly spread bits.
func mix(seed uint64, label string, n uint64) uint64 {
	h := seed ^ 0x9e3779b97f4a7c15
	for i := range len(label) {
		h = (h ^ uint64(label[i])) * 0x100000001b3
	}
	h += n * 0xbf58476d1ce4e5b9
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// chance is mix as a number in [0, 1).
func chance(seed uint64, label string, n uint64) float64 {
	return float64(mix(seed, label, n)>>11) / (1 << 53)
}

// source is a random generator that depends on its arguments only.
func source(seed uint64, label string, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix(seed, label, n), mix(seed, label+"'", n)))
}

// uuid makes an identifier in the form of a random UUID.
func uuid(seed uint64, label string, n uint64) string {
	a, b := mix(seed, label, n), mix(seed, label+"'", n)
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&0xffffffffffff)
}

// pick returns one of a list.
func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }
