// Package index is the full-text index of the archive: a cache of the store,
// built on Bleve's scorch engine. It follows the store's change feed, answers
// searches with snippets taken from the store, and is built anew from the
// store at any doubt. It stores no text, only words and where they occur.
//
// The folder it owns looks like this:
//
//	CURRENT       the name of the generation that is served, such as "gen-3"
//	gen-3/        a finished generation: stamp.json, and scorch's files in data/
//	new-4/        a generation being built; removed when found at opening
//	bad-<time>/   the last generation that could not be opened
//
// The position of the change feed is written in the batch of the calls it
// covers, so that whatever survives a crash says itself how far it reaches.
package index
