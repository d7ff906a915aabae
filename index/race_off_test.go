//go:build !race

package index

// underRace: the race detector is not in this binary.
const underRace = false
