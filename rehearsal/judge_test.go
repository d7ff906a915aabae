package rehearsal

import (
	"context"
	"slices"
	"testing"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/simulator"
)

// sabotaged is an archive whose engine did what a test wants.
type sabotaged struct {
	calls      []client.Call
	statements []call.Statement
	problems   []string
}

func (s *sabotaged) AllCalls(_ context.Context, _ client.ListOptions, fn func(client.Call) error) error {
	for _, c := range s.calls {
		if err := fn(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *sabotaged) Statements(context.Context, []call.SourceID, int) (client.Response[client.Statements], error) {
	return client.Response[client.Statements]{Value: client.Statements{Data: s.statements}}, nil
}

func (s *sabotaged) Status(context.Context) (client.Response[call.StatusReport], error) {
	report := call.StatusReport{Sources: []call.SourceStatus{{Name: "crm", Problems: s.problems}}}
	return client.Response[call.StatusReport]{Value: report}, nil
}

// honest is an archive that holds the truth.
func honest(a *actor) *sabotaged {
	s := &sabotaged{}
	for _, truth := range a.truth() {
		c := client.Call{Call: truth.Call, Details: map[call.PartName]client.PartDetail{}}
		c.Parts = truth.Parts
		s.calls = append(s.calls, c)
	}
	return s
}

func TestJudgeCatchesASabotagedEngine(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 1, Calls: 20, Now: (&clock{at: beginning}).Now})
	a := &actor{source: config.Source{Name: "crm", Recordings: true}, sim: sim, vendor: sim.Vendors()[0]}
	spoken := func(s *sabotaged) *client.Call {
		i := slices.IndexFunc(s.calls, func(c client.Call) bool { return c.Parts.Recording == call.Stored })
		return &s.calls[i]
	}
	drop := func(s *sabotaged) call.ID {
		id := s.calls[0].ID
		s.calls = s.calls[1:]
		return id
	}
	for name, x := range map[string]struct {
		sabotage func(*sabotaged)
		exit     string
		check    func(Figures) bool
	}{
		"nothing":         {func(*sabotaged) {}, "complete", func(f Figures) bool { return f.Held == 20 }},
		"a call is gone":  {func(s *sabotaged) { drop(s) }, "failed", func(f Figures) bool { return f.Silent == 1 && f.Held == 19 }},
		"a call is named": {func(s *sabotaged) { s.statements = []call.Statement{{Missing: []call.ID{drop(s)}}} }, "partial", func(f Figures) bool { return f.Reported == 1 }},
		"a doubt is told": {func(s *sabotaged) { drop(s); s.problems = []string{"the vendor counts 20 calls, the archive holds 19"} }, "partial",
			func(f Figures) bool { return f.Reported == 1 }},
		"gaps are no doubt": {func(s *sabotaged) { drop(s); s.problems = []string{"1 of part summary pending; see `callsyncd gaps`"} }, "failed",
			func(f Figures) bool { return f.Silent == 1 }},
		"wrong bytes": {func(s *sabotaged) {
			other := "00"
			r := *spoken(s).Recording
			r.SHA256 = &other
			spoken(s).Recording = &r
		}, "failed", func(f Figures) bool { return f.WrongBytes == 1 }},
		"a part is denied": {func(s *sabotaged) { c := spoken(s); c.Parts.Transcript, c.Transcript = call.None, nil }, "failed",
			func(f Figures) bool { return f.SilentParts == 1 && f.Differing == 0 }},
		"a part is open": {func(s *sabotaged) { c := spoken(s); c.Parts.Recording, c.Recording = call.Lost, nil }, "partial",
			func(f Figures) bool { return f.OpenParts == 1 && f.RecordingsLost["no reason given"] == 1 }},
		"a text differs": {func(s *sabotaged) { text := "another"; spoken(s).Summary = &text }, "partial", func(f Figures) bool { return f.Differing == 1 }},
		"a call too many": {func(s *sabotaged) { c := s.calls[0]; c.ID = "deleted"; s.calls = append(s.calls, c) }, "complete",
			func(f Figures) bool { return f.Deleted == 1 }},
	} {
		archive := honest(a)
		x.sabotage(archive)
		figures, err := a.judge(t.Context(), archive)
		if err != nil {
			t.Fatal(err)
		}
		report := &Report{Sources: []Source{{Figures: figures}}}
		exit := "partial"
		switch {
		case report.Failed():
			exit = "failed"
		case report.Complete():
			exit = "complete"
		}
		if exit != x.exit || !x.check(figures) {
			t.Errorf("%s: %s %+v", name, exit, figures)
		}
	}
}

func TestHistoryBeforeSinceIsNotExpected(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 1, Calls: 60, Now: (&clock{at: beginning}).Now})
	a := &actor{source: config.Source{Name: "crm", Since: beginning.AddDate(0, 0, -5)}, sim: sim, vendor: sim.Vendors()[0]}
	if n := len(a.truth()); n == 0 || n >= 60 {
		t.Errorf("%d of 60 calls are expected", n)
	}
}

// TestJudgeComparesAllRecordings of a call, not only the main one.
func TestJudgeComparesAllRecordings(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 4, Calls: 60, Generation: map[string]string{"solomobile": "new"}, Now: (&clock{at: beginning}).Now})
	i := slices.IndexFunc(sim.Vendors(), func(v simulator.Vendor) bool { return v.Name == "solomobile" })
	a := &actor{source: config.Source{Name: "crm", Recordings: true}, sim: sim, vendor: sim.Vendors()[i]}
	archive, several := honest(a), 0
	for i, truth := range a.truth() {
		for label, r := range truth.Further {
			archive.calls[i].Recordings = append(archive.calls[i].Recordings, client.RecordingFile{Label: label, Recording: r, Current: true})
		}
		several += min(1, len(truth.Further))
	}
	whole, err := a.judge(t.Context(), archive)
	if err != nil || several == 0 || whole.WrongBytes != 0 {
		t.Errorf("%d calls with several recordings, %d wrong, %v", several, whole.WrongBytes, err)
	}
	for i := range archive.calls {
		archive.calls[i].Recordings = nil
	}
	if lacking, err := a.judge(t.Context(), archive); err != nil || lacking.WrongBytes != several {
		t.Errorf("%d of %d calls without their further recordings were found, %v", lacking.WrongBytes, several, err)
	}
}
