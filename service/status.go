package service

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
	callsync "callsyncd/sync"
)

// Status tells where every source stands. It is green only when completeness
// is proved: a clean walk over the whole list, nothing pending, nothing lost
// without acknowledgement, and everything in the index.
func (a *Archive) Status(ctx context.Context) (call.StatusReport, error) {
	report := call.StatusReport{
		Version: a.version, StartedAt: a.started, Now: a.clock.Now().UTC(),
		Problems: []string{}, Sources: []call.SourceStatus{},
	}
	for _, s := range a.sources {
		st, err := a.sourceStatus(ctx, s, report.Now)
		if err != nil {
			return report, err
		}
		for _, p := range st.Problems {
			report.Problems = append(report.Problems, string(st.Name)+": "+p)
		}
		report.Sources = append(report.Sources, st)
	}
	report.Index = a.index.Status() // last, so that it never seems to hold all of what was counted later
	if report.Index.State != "ready" {
		report.Problems = append(report.Problems, "index: "+report.Index.State+" "+report.Index.Message)
	}
	report.Green = len(report.Problems) == 0
	return report, nil
}

func (a *Archive) sourceStatus(ctx context.Context, s *source, now time.Time) (call.SourceStatus, error) {
	c := s.engine.Checkpoint()
	counts, err := a.store.Counts(ctx, s.config.Name)
	if err != nil {
		return call.SourceStatus{}, err
	}
	info := s.provider.Info()
	st := call.SourceStatus{
		Name: s.config.Name, Provider: info.Name, BaseURL: info.BaseURL,
		State: "idle", LastHead: c.Head, LastTrailing: c.Trailing, LastSweep: c.Sweep,
		BackfillDone: !c.CompletedAt.IsZero(), LastCompleteWalk: known(c.CompletedAt),
		VendorTotal: c.Total, Counts: counts, Budget: s.budget.Status(),
		ClockAheadSeconds: s.engine.Skew().Seconds(),
		Requests:          c.Requests, LookupRequests: c.LookupRequests, Watermark: known(c.Watermark), Order: c.Order,
	}
	done, changed, busy := s.rounds.state()
	st.Round, st.RoundChanged = done, changed
	switch {
	case c.Refused != nil:
		st.State = "refused"
	case busy || s.engine.Active():
		st.State = "syncing"
	}
	loss, ok, err := a.store.NextLoss(ctx, s.config.Name)
	if err != nil {
		return st, err
	}
	if ok {
		minutes := loss.Sub(now).Minutes()
		st.MinutesToNextLoss = &minutes
	}
	if st.Overdue, err = a.overdue(ctx, s.config.Name, counts); err != nil {
		return st, err
	}
	st.Problems = a.problems(s, &c, &st, now)
	if err := s.engine.Unsaved(); err != nil {
		st.Problems = slices.Insert(st.Problems, 0, "what was found could not be stored, the next walk tries again: "+strings.TrimPrefix(err.Error(), "save source "+string(s.config.Name)+": "))
	}
	if err := a.store.Unreadable(s.config.Name); err != nil {
		st.Problems = slices.Insert(st.Problems, 0, err.Error())
	}
	st.Notes = notes(s)
	st.Green = len(st.Problems) == 0
	return st, nil
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// overdue counts the pending parts that are past the late horizon.
func (a *Archive) overdue(ctx context.Context, source call.SourceID, counts call.Counts) (map[call.PartName]int, error) {
	overdue := make(map[call.PartName]int)
	for part, pending := range counts.Pending {
		if pending == 0 {
			continue
		}
		n, err := a.store.Overdue(ctx, source, part)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			overdue[part] = n
		}
	}
	return overdue, nil
}

// notes says in words what is worth knowing of a source all the same.
func notes(s *source) []string {
	notes := []string{}
	if s.engine.RestlessMarks() {
		notes = append(notes, "the addresses of recordings change while the recordings do not: a recording that is replaced there is not noticed by its address; give its identity in the description")
	}
	return notes
}

// problems says in words what keeps a source from being green.
func (a *Archive) problems(s *source, c *call.Checkpoint, st *call.SourceStatus, now time.Time) []string {
	counts := st.Counts
	problems := []string{}
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if c.Refused != nil {
		add("the vendor refuses the credentials since %s; %s", c.Refused.Format(time.RFC3339), s.remedy())
		if waiting := counts.Open() - lostParts(counts); waiting > 0 && st.MinutesToNextLoss != nil {
			add("%d parts wait for the credentials, the first would be lost in %.0f minutes", waiting, max(0, *st.MinutesToNextLoss))
		}
	}
	switch {
	case c.CompletedAt.IsZero():
		add("the whole list has not been read yet")
	case callsync.Unproved(c, now):
		add("the last complete walk is dated %s, in the future: this machine's clock was set back; run `callsyncd sync --full`", c.CompletedAt.Format(time.RFC3339))
	case s.config.Schedule.Sweep.Overdue(c.CompletedAt, now.Add(-overdueGrace)):
		add("the last complete walk is from %s; run `callsyncd sync --full`", c.CompletedAt.Format(time.RFC3339))
	}
	if began := a.loops.Load(); began != nil && c.Refused == nil {
		if since := later(lastLook(c), *began); s.config.Schedule.Head.Overdue(since, now.Add(-overdueGrace)) {
			add("new calls were last asked for without fault before %s, although schedule.head is %s", since.Format(time.RFC3339), s.config.Schedule.Head)
		}
	}
	if c.Refused == nil { // else it says why
		for _, text := range unclean(c) {
			add("%s", text)
		}
	}
	for _, text := range c.Drift {
		add("%s", text)
	}
	for _, text := range c.AnswerDrift {
		add("%s; the calls that lack it are read again once it is back", text)
	}
	if c.Total != nil && *c.Total > counts.Calls && s.config.Since.IsZero() {
		add("the vendor counts %d calls, the archive holds %d", *c.Total, counts.Calls)
	}
	for _, open := range []struct {
		what  string
		parts map[call.PartName]int
		more  string
	}{
		{"lost", counts.Lost, ""}, {"pending", counts.Pending, ""},
		{"of these overdue", st.Overdue, " for why they could not be had before the late horizon; they are still tried, accept them with `callsyncd gaps ack`"},
	} {
		if text := counted(open.parts); text != "" {
			add("%s: %s; see `callsyncd gaps`%s", open.what, text, open.more)
		}
	}
	return problems
}

// partWords name a part, for one and for many.
var partWords = map[call.PartName][2]string{
	call.PartRecord: {"record", "records"}, call.PartTranscript: {"transcript", "transcripts"},
	call.PartSummary: {"summary", "summaries"}, call.PartRecording: {"recording", "recordings"},
}

// counted lists numbers of parts in words; empty when there are none.
func counted(parts map[call.PartName]int) string {
	var list []string
	for _, name := range call.PartNames {
		switch n := parts[name]; n {
		case 0:
		case 1:
			list = append(list, "1 "+partWords[name][0])
		default:
			list = append(list, fmt.Sprintf("%d %s", n, partWords[name][1]))
		}
	}
	return strings.Join(list, ", ")
}

// remedy says where new credentials belong, and when they are seen.
func (s *source) remedy() string {
	var places []string
	restart := false
	for _, name := range slices.Sorted(maps.Keys(s.config.Credentials)) {
		ref := string(s.config.Credentials[name])
		places = append(places, name+" in "+ref)
		restart = restart || !strings.HasPrefix(ref, "file:") && !strings.HasPrefix(ref, "keyring:")
	}
	then := "they are read again within a minute while the service runs"
	if restart {
		then = "then restart the service"
	}
	return "put new ones where the configuration points (" + strings.Join(places, ", ") + "); " + then
}

func lostParts(c call.Counts) (n int) {
	for _, lost := range c.Lost {
		n += lost
	}
	return n
}

// overdueGrace is how long a walk may take beyond its second missed time before
// that is a problem.
const overdueGrace = time.Hour

// lastLook is when new calls were last asked for without fault.
func lastLook(c *call.Checkpoint) (at time.Time) {
	for _, w := range []*call.Walk{c.Head, c.Trailing, c.Sweep} {
		if w != nil && w.Clean {
			at = later(at, w.FinishedAt)
		}
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// unclean tells of the walks that ended with a doubt which no later clean walk
// of the same or a wider kind has lifted.
func unclean(c *call.Checkpoint) (texts []string) {
	walks := []struct {
		name string
		*call.Walk
	}{{"sweep", c.Sweep}, {"trailing walk", c.Trailing}, {"head walk", c.Head}} // widest first
	lifted := c.CompletedAt
	for _, w := range walks {
		switch {
		case w.Walk == nil:
		case w.Clean && w.FinishedAt.After(lifted):
			lifted = w.FinishedAt
		case !w.Clean && w.FinishedAt.After(lifted):
			texts = append(texts, fmt.Sprintf("the last %s was not clean: %s", w.name, w.Error))
		}
	}
	return texts
}
