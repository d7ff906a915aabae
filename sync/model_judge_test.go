package callsync

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"callsyncd/call"
)

// heldCall is what the archive has of a call.
type heldCall struct {
	record     call.Record
	row        string // the list document
	text       string
	versions   int
	recording  string // the file's content
	transcript bool
}

// glance is how things stood when a piece of work began.
type glance struct {
	at         time.Time
	mutations  int
	vanished   int
	appeared   int
	single     int
	checkpoint call.Checkpoint
}

func (r *modelRun) glance() glance {
	r.vendor.mu.Lock()
	defer r.vendor.mu.Unlock()
	clear(r.vendor.returned)
	return glance{time.Now(), r.vendor.mutations, r.vendor.vanished, r.vendor.appeared, r.vendor.single, r.engine.Checkpoint()}
}

// look reads the archive. Nothing it had may be gone, and no call may have more
// versions than contents.
func (r *modelRun) look() {
	ctx := context.Background()
	now := make(map[call.ID]heldCall)
	err := r.store.Keys(ctx, "crm", func(key call.Key) error {
		h, err := r.read(ctx, key)
		now[key.ID] = h
		return err
	})
	if err != nil {
		r.wrong("read the archive: %v", err)
		return
	}
	for id, had := range r.held {
		has, ok := now[id]
		switch {
		case !ok:
			r.wrong("call %s is gone from the archive", id)
		case had.transcript && !has.transcript:
			r.wrong("call %s had a transcript: %+v", id, has.record.Parts.Transcript)
		case had.recording != "" && (has.recording == "" || has.record.Call.Recording == nil || has.record.Call.Recording.File == nil):
			r.wrong("call %s had a recording: %+v", id, has.record.Parts.Recording)
		case has.versions < had.versions:
			r.wrong("call %s had %d versions, has %d", id, had.versions, has.versions)
		}
	}
	for _, c := range r.vendor.calls {
		if h, ok := now[call.ID(c.ID)]; ok && h.versions > c.versions {
			r.wrong("call %s has %d versions of %d contents", c.ID, h.versions, c.versions)
		}
	}
	r.held = now
}

func (r *modelRun) read(ctx context.Context, key call.Key) (h heldCall, err error) {
	if h.record, err = r.store.Load(ctx, key); err != nil {
		return h, err
	}
	versions, err := r.store.Versions(ctx, key)
	if err != nil {
		return h, err
	}
	docs, err := r.store.Documents(ctx, key)
	h.versions, h.row = len(versions), string(docs[call.DocumentList].Body)
	if turns := h.record.Call.Transcript; len(turns) > 0 {
		h.transcript, h.text = true, turns[0].Text
	}
	if stored := h.record.Parts.Recording.State == call.Stored; stored {
		h.recording = r.media.stored[key]
	}
	return h, err
}

// judgeWatermark: it moves over nothing that the vendor listed all the while
// and that is not held.
func (r *modelRun) judgeWatermark(before glance) {
	from, to := before.checkpoint.Watermark, r.engine.Checkpoint().Watermark
	if to.Before(from) {
		r.wrong("the watermark moved back from %s to %s", from, to)
	}
	if !r.steady(before) {
		return
	}
	for _, c := range r.vendor.calls {
		if _, held := r.held[call.ID(c.ID)]; !held && c.listed && c.shown <= before.mutations && c.Created.After(from) && !c.Created.After(to) {
			r.missed("the watermark moved from %s to %s over call %s of %s, which is not held", from, to, c.ID, c.Created)
		}
	}
}

// steady reports whether no row moved unseen while pages were read. One that
// vanishes draws the rows behind it over a page border. Pages read by offset
// overlap, so that it shows, if they have more than one row; elsewhere the count of
// the list shows it, if there is one and no other row appears meanwhile. In a list
// read from its end a row that appears among the older ones does the same. This is
// a limitation: only the next walk finds the hidden row.
func (r *modelRun) steady(before glance) bool {
	vanished, appeared := r.vendor.vanished > before.vanished, r.vendor.appeared > before.appeared
	forward := r.plan.Vendor.Order != call.OrderOldestFirst
	switch {
	case r.plan.Vendor.Paging == call.PagingOffset && forward && r.vendor.single == before.single:
		return true
	case r.plan.Vendor.Total == "":
		return !vanished && (forward || !appeared)
	}
	return !vanished || !appeared
}

// judgeStatement is called when a statement says that all is proved: then every
// call that was listed before its walk began is held.
func (r *modelRun) judgeStatement(st *call.Statement) {
	v := r.vendor
	v.tally.add(&v.tally.said, 1)
	v.mu.Lock()
	defer v.mu.Unlock()
	if !r.steady(r.before) || st.ListReadAt.Before(r.before.at) {
		return // of a renewed one, nobody knows any more how the vendor was during its walk
	}
	var ids []call.ID
	for _, c := range v.calls {
		if c.listed && c.shownAt.Before(st.StartedAt) {
			ids = append(ids, call.ID(c.ID))
		}
	}
	known, err := r.store.Known(context.Background(), "crm", ids)
	if err != nil {
		r.wrong("look for %d calls: %v", len(ids), err)
	}
	for _, id := range ids {
		if _, held := known[id]; !held {
			r.missed("a statement says that all is proved, but call %s is not held", id)
		}
	}
}

// judgeComplete: whoever says so holds every call the vendor listed, and
// everything promised of it.
func (r *modelRun) judgeComplete(before glance, full bool) {
	r.vendor.tally.add(&r.vendor.tally.said, 1)
	for id := range r.vendor.returned {
		if _, held := r.held[id]; !held {
			r.missed("complete, but call %s was listed and is not held", id)
		}
	}
	if !r.steady(before) {
		return
	}
	for _, c := range r.vendor.calls {
		if !c.listed || c.shown > before.mutations || c.changed > before.mutations {
			continue
		}
		h, held := r.held[call.ID(c.ID)]
		switch {
		case !full && c.Created.Before(before.at.Add(-modelHorizon)):
			continue // only a sweep reads so far back
		case !held:
			r.missed("complete, but call %s is not held", c.ID)
		case h.row != string(c.row()):
			r.wrong("complete, but call %s is held as %s, the vendor shows %s", c.ID, h.row, c.row())
		case c.Flag && !h.transcript:
			r.wrong("complete, but the transcript of call %s is missing: %+v", c.ID, h.record.Parts.Transcript)
		case (c.Audio == "link" || c.Audio == "promised") && h.recording == "":
			r.wrong("complete, but the recording of call %s is missing: %+v", c.ID, h.record.Parts.Recording)
		}
	}
}

// judgeArchive compares the archive with the model once all trouble is long over.
func (r *modelRun) judgeArchive(report *call.SourceReport) {
	unmarked, held := 0, 0
	for _, c := range r.vendor.calls {
		h, ok := r.held[call.ID(c.ID)]
		marked := h.record.Call.DeletedUpstreamAt != nil
		if ok && (c.listed || !marked) {
			held++
		}
		if ok && !c.listed && !marked {
			unmarked++
		}
		if c.listed && !ok {
			r.missed("call %s is not held", c.ID)
		} else if ok {
			r.judgeCall(c, h)
		}
	}
	braked := unmarked > max(1, held/10) || r.nothingListed() && held > 0
	counted := r.plan.Vendor.Total != "high" // whoever counts more than it lists is never believed
	if counted && unmarked > 0 && !braked {
		r.wrong("%d calls the vendor no longer lists are not marked, of %d held", unmarked, held)
	}
	for _, c := range r.vendor.calls {
		if h := r.held[call.ID(c.ID)]; c.listed && !braked && (h.record.Call.DeletedUpstreamAt != nil || h.record.MissedSweeps > 0) {
			r.wrong("call %s is listed and counts as missing", c.ID)
		}
	}
	open := report.Counts.Open()
	if !counted && report.Complete {
		r.wrong("complete although the vendor counts more calls than it lists")
	}
	if counted && !braked && (report.Err != nil || report.Complete != (open == 0)) {
		r.wrong("complete %t with %d open parts: %v", report.Complete, open, report.Err)
	}
	if braked && report.Complete {
		r.wrong("complete although %d of %d calls vanished at once", unmarked, held)
	}
	r.judgeGaps(open)
}

func (r *modelRun) nothingListed() bool {
	return !slices.ContainsFunc(r.vendor.calls, func(c *modelCall) bool { return c.listed })
}

// judgeCall compares one call. What is not held must have been out of reach
// when its waiting was over.
func (r *modelRun) judgeCall(c *modelCall, h heldCall) {
	parts := &h.record.Parts
	over := h.record.Call.FirstSeenAt.Add(modelHorizon)
	if c.listed && h.row != string(c.row()) {
		r.wrong("call %s is held as %s, the vendor shows %s", c.ID, h.row, c.row())
	}
	if h.transcript && !slices.Contains(c.texts, h.text) {
		r.wrong("the transcript of call %s is %q, the vendor only had %q", c.ID, h.text, c.texts)
	}
	if parts.Record.State != call.Stored {
		r.wrong("the record of call %s: %+v", c.ID, parts.Record)
	}
	// Whoever reads a row asks for the text that came with it or before, and is told,
	// unless the call was off the list just then. When it comes back as it was, no
	// answer shows that it had been away, and waiting may be over.
	told := c.listed && c.rowAt >= c.textAt && c.denied < c.rowAt
	// The same holds when it came back only once waiting was over, and went again.
	missed := c.denied > c.textAt && c.shownAt.After(over)
	late := !c.givenAt.Before(over) || !c.givenAt.Before(c.Created.Add(modelHorizon)) && !c.Flag
	switch {
	case !c.listed && (!c.answers || c.goneAt.Before(over) || c.changed > c.hidden || missed): // it may have vanished before anybody asked
	case c.text != "" && r.promised(c, &h) && !h.transcript && (!late || told):
		r.wrong("the transcript of call %s was given at %s: %+v", c.ID, c.givenAt, parts.Transcript)
	case told && c.text != "" && r.vendor.promised(c) && h.text != c.text:
		r.wrong("the transcript of call %s is %q, the vendor's %q", c.ID, h.text, c.text)
	case c.text == "" && c.Flag && c.listed && !h.transcript && parts.Transcript.State != call.Lost:
		r.wrong("the transcript of call %s was promised and never given: %+v", c.ID, parts.Transcript)
	case c.Audio == "link" && h.recording == "" && c.mendedAt.Before(over) && c.goneAt.Before(over):
		r.wrong("the recording of call %s could be had: %+v", c.ID, parts.Recording)
	case c.Audio == "promised" && h.recording == "" && c.listed && parts.Recording.State != call.Lost:
		r.wrong("the recording of call %s was promised and never given: %+v", c.ID, parts.Recording)
	}
}

// promised says whether whoever holds a call had to ask for its transcript. What
// the row of a call came to show after it was read last, and before the call
// vanished from the list, nobody was told.
func (r *modelRun) promised(c *modelCall, h *heldCall) bool {
	if c.listed {
		return r.vendor.promised(c)
	}
	var read modelCall
	return json.Unmarshal([]byte(h.row), &read) == nil && r.vendor.promised(&read)
}

// judgeGaps: the gaps are the parts that are open, no more and no less,
// and nothing waits any more.
func (r *modelRun) judgeGaps(open int) {
	gaps, _, err := r.store.Gaps(context.Background(), "crm", "", 1000)
	if err != nil || len(gaps) != open {
		r.wrong("%d gaps of %d open parts, %v", len(gaps), open, err)
	}
	for _, g := range gaps {
		if g.State == call.Pending {
			r.wrong("call %s still waits for its %s, though all is long over: %s", g.Key.ID, g.Part, *g.Reason)
		}
	}
}
