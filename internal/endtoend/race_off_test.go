//go:build !race

package endtoend

// underRace: the race detector is not in this binary.
const underRace = false
