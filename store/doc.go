// Package store keeps the truth of the archive: one bbolt file with every
// call, its versions as the vendor sent them, the change feed, checkpoints,
// queues and counters.
//
// What belongs together is written together: Save commits the calls of a page,
// the checkpoint that says they were read, and their change-feed entries in
// one transaction. Everything else in the file (time index, queues, gaps,
// counters) is derived from the calls in that same transaction, and Check
// proves that it agrees with them.
//
// Readers never hold a transaction while somebody else's code runs: rows are
// copied out in short transactions, because an open read transaction makes the
// file grow with every commit.
package store
