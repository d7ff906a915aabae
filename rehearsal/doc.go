// Package rehearsal lets a user's own configuration live through chosen faults:
// simulated vendors in place of the real ones, days of vendor life in about a
// minute, and at the end a comparison of the archive with what the vendors know.
//
// Nothing waits. One clock is shared by the vendors and the program; between
// rounds it is moved forward, within a round it stands still, and whoever waits
// for a moment within a round lets it jump there. What a rehearsal finds follows
// from the configuration and the seed.
package rehearsal
