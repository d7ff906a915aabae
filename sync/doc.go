// Package callsync (folder sync, so named because the standard library owns
// the word) keeps one source's calls in step with its vendor: the walks over
// the vendor's list, the settling of each call's parts, recordings before
// their links expire, and the request budget all of them share.
//
// It knows no vendor: what differs between vendors is a Provider's business.
package callsync
