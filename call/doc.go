// Package call holds the nouns every other package speaks: calls, their
// transcripts and recordings, the state of each part, pages of a vendor's
// list, checkpoints, queries and error kinds. It imports the standard library
// only and does no I/O.
package call
