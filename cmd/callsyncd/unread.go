package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
)

// unreadWait is how long an answer that is already there waits to learn how
// much of the vendors' lists it speaks for.
const unreadWait = 500 * time.Millisecond

// warnUnread says on stderr when calls may be missing because a source was
// never read to its end. Where that cannot be learned at once it says nothing.
func (a *app) warnUnread(ctx context.Context, r *archive, chosen []call.SourceID) {
	if a.quiet {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, unreadWait)
	defer cancel()
	if now, err := r.Status(ctx); err == nil {
		a.noteUnread(unread(&now.Value, chosen))
	}
}

func (a *app) noteUnread(names []string) {
	switch len(names) {
	case 0:
	case 1:
		a.note("1 source has not been read completely yet (%s): answers may miss calls", safe(names[0]))
	default:
		a.note("%d sources have not been read completely yet (%s): answers may miss calls", len(names), safe(strings.Join(names, ", ")))
	}
}

// unread are the chosen sources, all when none is, that were never read to
// their end.
func unread(now *call.StatusReport, chosen []call.SourceID) []string {
	var names []string
	for i := range now.Sources {
		s := &now.Sources[i]
		if !s.BackfillDone && (len(chosen) == 0 || slices.Contains(chosen, s.Name)) {
			names = append(names, string(s.Name))
		}
	}
	slices.Sort(names)
	return names
}
