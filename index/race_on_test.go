//go:build race

package index

// underRace: the race detector is in this binary, which makes it many times
// slower.
const underRace = true
