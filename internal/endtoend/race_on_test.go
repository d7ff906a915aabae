//go:build race

package endtoend

// underRace: the race detector is in this binary. Its own memory and slowness
// are not what is measured.
const underRace = true
