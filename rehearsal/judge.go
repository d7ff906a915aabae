package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/simulator"
)

// reader is what the judge asks about the archive, as any reader of the API
// could.
type reader interface {
	AllCalls(ctx context.Context, o client.ListOptions, fn func(client.Call) error) error
	Statements(ctx context.Context, sources []call.SourceID, limit int) (client.Response[client.Statements], error)
	Status(ctx context.Context) (client.Response[call.StatusReport], error)
}

// judge compares the archive with what the vendor of a source knows.
func (a *actor) judge(ctx context.Context, archive reader) (Figures, error) {
	held := map[call.ID]client.Call{}
	o := client.ListOptions{ListQuery: call.ListQuery{Filter: call.Filter{Source: []call.SourceID{a.source.Name}}, Limit: 200},
		Show: client.Show{Fields: "full", Include: []string{"parts", "recordings"}}}
	if err := archive.AllCalls(ctx, o, func(c client.Call) error { held[c.ID] = c; return nil }); err != nil {
		return Figures{}, err
	}
	told, err := a.told(ctx, archive)
	if err != nil {
		return Figures{}, err
	}
	v := &verdict{source: a.source.Name, recordings: a.source.Recordings}
	v.RecordingsWaiting, v.RecordingsLost, v.Findings = map[string]int{}, map[string]int{}, []Finding{}
	for _, truth := range a.truth() {
		v.AtVendor++
		if truth.Parts.Recording == call.Stored && v.recordings {
			v.RecordingsExpected++
		}
		got, ok := held[truth.Call.ID]
		delete(held, truth.Call.ID)
		switch {
		case ok:
			v.Held++
			v.recordingsKept += len(stored(&got))
			v.compare(&truth, &got)
		case told(truth.Call.ID):
			v.Reported++
		default:
			v.Silent++
			v.find(truth.Call.ID, "is at the vendor, not in the archive, and nobody is told")
		}
	}
	v.Deleted = len(held)
	for _, c := range held {
		v.recordingsKept += len(stored(&c))
	}
	return v.Figures, nil
}

// truth is what the vendor knows since the configured beginning.
func (a *actor) truth() []simulator.Truth {
	return slices.DeleteFunc(a.sim.Truth(a.vendor.Name), func(t simulator.Truth) bool {
		return t.Call.CreatedAt != nil && t.Call.CreatedAt.Before(a.source.Since)
	})
}

// told reports which missing calls the user is told of: those a statement names,
// and all while status doubts that the list was read whole.
func (a *actor) told(ctx context.Context, archive reader) (func(call.ID) bool, error) {
	statements, err := archive.Statements(ctx, []call.SourceID{a.source.Name}, 1)
	if err != nil {
		return nil, err
	}
	status, err := archive.Status(ctx)
	if err != nil {
		return nil, err
	}
	named := map[call.ID]bool{}
	for _, st := range statements.Value.Data {
		for _, id := range st.Missing {
			named[id] = true
		}
	}
	doubted := false
	for _, s := range status.Value.Sources {
		doubted = doubted || s.Name == a.source.Name && slices.ContainsFunc(s.Problems, func(p string) bool {
			return !strings.Contains(p, "`callsyncd gaps`")
		})
	}
	return func(id call.ID) bool { return doubted || named[id] }, nil
}

// verdict collects the figures of one source.
type verdict struct {
	Figures
	source     call.SourceID
	recordings bool
}

func (v *verdict) find(id call.ID, what string) {
	if len(v.Findings) < maxFindings {
		v.Findings = append(v.Findings, Finding{call.Key{Source: v.source, ID: id}, what})
	}
}

// compare holds one call against the truth.
func (v *verdict) compare(truth *simulator.Truth, got *client.Call) {
	open := map[call.PartName]bool{}
	wanted, have := states(truth.Parts), states(got.Parts)
	for _, name := range call.PartNames {
		if name == call.PartRecording && !v.recordings {
			continue
		}
		switch state := have[name]; {
		case state == call.Pending || state == call.Lost:
			open[name] = true
			v.OpenParts++
		case state == call.None && wanted[name] == call.Stored:
			open[name] = true
			v.SilentParts++
			v.find(truth.Call.ID, "the archive says there is no "+string(name)+" ("+reason(got, name)+"), the vendor has one")
		}
	}
	if v.recordings && wanted[call.PartRecording] == call.Stored {
		v.compareRecording(truth, got)
	}
	if fields := differing(truth, got, open); len(fields) > 0 {
		v.Differing++
		v.find(truth.Call.ID, "differs from the vendor's in "+strings.Join(fields, ", "))
	}
}

func (v *verdict) compareRecording(truth *simulator.Truth, got *client.Call) {
	switch got.Parts.Recording {
	case call.Pending:
		v.RecordingsWaiting[reason(got, call.PartRecording)]++
	case call.Lost:
		v.RecordingsLost[reason(got, call.PartRecording)]++
	case call.Stored:
		v.RecordingsArchived++
		if !sameSound(truth, got) {
			v.WrongBytes++
			v.find(truth.Call.ID, "the recording is stored, and is not the vendor's")
		}
	}
}

// stored are the hashes of the recordings that are current, by label.
func stored(c *client.Call) map[string]string {
	sums := map[string]string{}
	if r := c.Recording; r != nil && r.SHA256 != nil {
		sums["main"] = *r.SHA256
	}
	for _, r := range c.Recordings {
		if r.Current && r.Label != "main" && r.SHA256 != nil {
			sums[r.Label] = *r.SHA256
		}
	}
	return sums
}

// sameSound compares all recordings of a call by their hashes.
func sameSound(truth *simulator.Truth, got *client.Call) bool {
	want := map[string]string{"main": *truth.Call.Recording.SHA256}
	for label, r := range truth.Further {
		want[label] = *r.SHA256
	}
	return maps.Equal(stored(got), want)
}

func reason(c *client.Call, part call.PartName) string {
	if d := c.Details[part]; d.Reason != nil {
		return *d.Reason
	}
	return "no reason given"
}

func states(p call.PartStates) map[call.PartName]call.State {
	return map[call.PartName]call.State{call.PartRecord: p.Record, call.PartTranscript: p.Transcript, call.PartSummary: p.Summary, call.PartRecording: p.Recording}
}

// ours are the fields only the archive knows, and those compared otherwise.
var ours = []string{"key", "source", "provider", "parts", "settled", "version", "first_seen_at", "changed_at", "deleted_upstream_at", "metadata", "recording"}

// fieldsOf are the fields a part fills.
var fieldsOf = map[call.PartName][]string{
	call.PartTranscript: {"transcript"},
	call.PartSummary:    {"summary", "topics", "sentiment_label", "sentiment_score"},
}

// differing names the fields in which a call is not as at the vendor. What an
// open part would fill is left out, and all of a call whose record is open.
func differing(truth *simulator.Truth, got *client.Call, open map[call.PartName]bool) []string {
	if open[call.PartRecord] {
		return nil
	}
	left := map[string]bool{}
	for _, name := range ours {
		left[name] = true
	}
	for part := range open {
		for _, name := range fieldsOf[part] {
			left[name] = true
		}
	}
	want, have := fields(&truth.Call), fields(&got.Call)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !left[name] && !bytes.Equal(want[name], have[name]) {
			names = append(names, name)
		}
	}
	return names
}

// fields are the fields of a call as JSON, times in UTC.
func fields(c *call.Call) map[string]json.RawMessage {
	shown := *c
	for _, t := range []**time.Time{&shown.StartedAt, &shown.EndedAt, &shown.CreatedAt, &shown.UpdatedAt} {
		if *t != nil {
			utc := (*t).UTC()
			*t = &utc
		}
	}
	data, err := json.Marshal(shown)
	var all map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		panic("rehearsal: " + err.Error()) // a call always encodes
	}
	return all
}
