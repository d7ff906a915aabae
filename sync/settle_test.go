package callsync

import (
	"testing"
	"time"

	"callsyncd/call"
)

func TestSettle(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	ev := func(e call.Evidence, reason string) call.PartEvidence {
		return call.PartEvidence{Evidence: e, Reason: reason}
	}
	const horizon = 72 * time.Hour
	recent := weather{now: now, sure: now, firstSeen: now, end: ago(2 * time.Minute), status: call.StatusCompleted, horizon: horizon}
	history := weather{now: now, sure: now, firstSeen: now, end: ago(1000 * time.Hour), status: call.StatusCompleted, horizon: horizon}
	with := func(w weather, edit func(*weather)) weather { edit(&w); return w }
	for name, tc := range map[string]struct {
		prev   call.Part
		ev     call.PartEvidence
		w      weather
		state  call.State
		reason string
	}{
		"content is stored":                       {ev: ev(call.EvidencePresent, ""), w: recent, state: call.Stored},
		"stored stays stored":                     {prev: call.Part{State: call.Stored}, ev: ev(call.EvidenceAbsent, "flag"), w: recent, state: call.Stored},
		"a flag proves absence":                   {ev: ev(call.EvidenceAbsent, "flag"), w: recent, state: call.None, reason: "flag"},
		"one early empty answer proves nothing":   {ev: ev(call.EvidenceUnknown, ""), w: recent, state: call.Pending, reason: "not_ready"},
		"nobody answered":                         {ev: ev(call.EvidenceUnknown, ""), w: with(recent, func(w *weather) { w.status = call.StatusNoAnswer }), state: call.None, reason: "unanswered"},
		"unanswered but promised":                 {ev: ev(call.EvidencePromised, "http_404"), w: with(recent, func(w *weather) { w.status = call.StatusNoAnswer }), state: call.Pending, reason: "http_404"},
		"after the horizon nothing comes":         {ev: ev(call.EvidenceUnknown, ""), w: history, state: call.None, reason: "horizon"},
		"a call of the future is over as well":    {ev: ev(call.EvidenceUnknown, ""), w: with(history, func(w *weather) { w.end = ago(-70 * 8766 * time.Hour); w.firstSeen = ago(80 * time.Hour) }), state: call.None, reason: "horizon"},
		"a clock set on ends no waiting":          {ev: ev(call.EvidenceUnknown, ""), w: with(history, func(w *weather) { w.sure = ago(1000 * time.Hour) }), state: call.Pending, reason: "not_ready"},
		"promised of old is still waited for":     {ev: ev(call.EvidencePromised, "http_404"), w: history, state: call.Pending, reason: "http_404"},
		"promised and never given is lost":        {ev: ev(call.EvidencePromised, "http_404"), w: with(history, func(w *weather) { w.firstSeen = ago(80 * time.Hour) }), state: call.Lost, reason: "http_404"},
		"a live call proves nothing by a flag":    {ev: ev(call.EvidenceAbsent, "flag"), w: with(recent, func(w *weather) { w.status = call.StatusInProgress }), state: call.Pending, reason: "in_progress"},
		"a call that never ends is given up":      {ev: ev(call.EvidenceUnknown, ""), w: with(history, func(w *weather) { w.status = call.StatusRinging; w.firstSeen = ago(80 * time.Hour) }), state: call.None, reason: "horizon"},
		"a call of the future is waited for":      {ev: ev(call.EvidenceUnknown, ""), w: with(recent, func(w *weather) { w.end = now.AddDate(7000, 0, 0); w.firstSeen = ago(71 * time.Hour) }), state: call.Pending, reason: "not_ready"},
		"but not for ever":                        {ev: ev(call.EvidenceUnknown, ""), w: with(recent, func(w *weather) { w.end = now.AddDate(7000, 0, 0); w.firstSeen = ago(73 * time.Hour) }), state: call.None, reason: "horizon"},
		"a failure is no evidence":                {ev: ev(call.EvidenceUnknown, ""), w: with(history, func(w *weather) { w.failure = call.ErrTransient }), state: call.Pending, reason: "error"},
		"a spent budget is waited for":            {ev: ev(call.EvidenceUnknown, ""), w: with(recent, func(w *weather) { w.failure = &call.BudgetError{Until: now.Add(time.Hour)} }), state: call.Pending, reason: "budget"},
		"failing to the end is no loss":           {ev: ev(call.EvidencePromised, "http_404"), w: with(history, func(w *weather) { w.failure = call.ErrTransient; w.firstSeen = ago(80 * time.Hour) }), state: call.Pending, reason: "error"},
		"refused credentials lose nothing":        {ev: ev(call.EvidencePromised, "http_404"), w: with(history, func(w *weather) { w.failure = call.ErrUnauthorized; w.firstSeen = ago(80 * time.Hour) }), state: call.Pending, reason: "credentials_refused"},
		"late content ends a wait":                {prev: call.Part{State: call.Pending, Attempts: 3}, ev: ev(call.EvidencePresent, ""), w: history, state: call.Stored},
		"late content mends a loss":               {prev: call.Part{State: call.Lost, Reason: "gone"}, ev: ev(call.EvidencePresent, ""), w: history, state: call.Stored},
		"a loss is not waited for again":          {prev: call.Part{State: call.Lost, Reason: "gone"}, ev: ev(call.EvidencePromised, "http_404"), w: history, state: call.Lost, reason: "gone"},
		"what was absent may be promised later":   {prev: call.Part{State: call.None, Reason: "flag"}, ev: ev(call.EvidencePromised, "http_404"), w: recent, state: call.Pending, reason: "http_404"},
		"unknown evidence leaves a proved absent": {prev: call.Part{State: call.None, Reason: "horizon"}, ev: ev(call.EvidenceUnknown, ""), w: history, state: call.None, reason: "horizon"},
	} {
		t.Run(name, func(t *testing.T) {
			got := settle(tc.prev, tc.ev, &tc.w)
			if got.State != tc.state || got.Reason != tc.reason {
				t.Fatalf("%s (%s), want %s (%s)", got.State, got.Reason, tc.state, tc.reason)
			}
			if got.State == call.Pending && (!got.NextTry.After(now) || !got.Deadline.IsZero() && !got.Deadline.After(now)) {
				t.Errorf("pending without a time: next try %s, deadline %s", got.NextTry, got.Deadline)
			}
			if got.State != call.Pending && !got.NextTry.IsZero() {
				t.Errorf("%s and yet tried again at %s", got.State, got.NextTry)
			}
		})
	}
}

func TestNextTryFollowsTheSchedule(t *testing.T) {
	base := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	var got []time.Duration
	now := base
	for now.Sub(base) < 72*time.Hour {
		now = nextTry(base, now, 72*time.Hour)
		got = append(got, now.Sub(base))
	}
	if len(got) != len(retryOffsets) {
		t.Fatalf("tries at %v", got)
	}
	for i, d := range got {
		if d != retryOffsets[i] {
			t.Errorf("try %d at %s, want %s", i+1, d, retryOffsets[i])
		}
	}
	if at := nextTry(base, base, 10*time.Second); at.Sub(base) > 2*time.Second {
		t.Errorf("a horizon of 10 s is first tried after %s", at.Sub(base))
	}
	if at := nextTry(base, base.Add(100*time.Hour), 72*time.Hour); !at.After(base.Add(100 * time.Hour)) {
		t.Errorf("after the schedule: %s", at)
	}
}

func TestOrderWatch(t *testing.T) {
	at := func(m int) time.Time { return time.Date(2026, 1, 1, 0, m, 0, 0, time.UTC) }
	for name, tc := range map[string]struct {
		created, updated []time.Time
		order            call.Order
		field            string
	}{
		"newest first":            {[]time.Time{at(9), at(9), at(5)}, nil, call.OrderNewestFirst, fieldCreated},
		"oldest first":            {[]time.Time{at(1), at(2), at(2)}, nil, call.OrderOldestFirst, fieldCreated},
		"by update":               {[]time.Time{at(5), at(9), at(1)}, []time.Time{at(30), at(20), at(10)}, call.OrderNewestFirst, fieldUpdated},
		"none":                    {[]time.Time{at(5), at(9), at(1)}, nil, call.OrderNone, ""},
		"one call tells nothing":  {[]time.Time{at(5)}, nil, call.OrderUnknown, ""},
		"equal times tell little": {[]time.Time{at(5), at(5)}, nil, call.OrderUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var o orderWatch
			for i, c := range tc.created {
				it := call.Item{CreatedAt: c}
				if tc.updated != nil {
					it.UpdatedAt = tc.updated[i]
				}
				o.see(it)
			}
			if order, field := o.order(); order != tc.order || field != tc.field {
				t.Errorf("%s by %q", order, field)
			}
		})
	}
}

func TestSettleRecording(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	old := weather{now: now, sure: now, firstSeen: now.Add(-80 * time.Hour), end: now.Add(-81 * time.Hour), status: call.StatusCompleted, horizon: 72 * time.Hour}
	later := call.Part{State: call.Pending, Reason: "expired", Attempts: 2, NextTry: now.Add(time.Hour), Deadline: now.Add(time.Hour)}
	for name, tc := range map[string]struct {
		prev     call.Part
		evidence call.Evidence
		failure  error
		state    call.State
		reason   string
	}{
		"an address is fetched at once":              {evidence: call.EvidencePresent, state: call.Pending, reason: "queued"},
		"a failed attempt keeps its time":            {prev: later, evidence: call.EvidencePresent, state: call.Pending, reason: "expired"},
		"an address mends a loss":                    {prev: call.Part{State: call.Lost, Reason: "gone"}, evidence: call.EvidencePresent, state: call.Pending, reason: "queued"},
		"promised without address is not lost here":  {evidence: call.EvidencePromised, state: call.Pending, reason: "not_ready"},
		"nothing known after the horizon is absent":  {evidence: call.EvidenceUnknown, state: call.None, reason: "horizon"},
		"lost stays lost while nothing new is shown": {prev: call.Part{State: call.Lost, Reason: "gone"}, evidence: call.EvidencePromised, state: call.Lost, reason: "gone"},
		"a failure is no evidence":                   {evidence: call.EvidenceUnknown, failure: call.ErrTransient, state: call.Pending, reason: "error"},
	} {
		t.Run(name, func(t *testing.T) {
			w := old
			w.failure = tc.failure
			got := settleRecording(tc.prev, call.PartEvidence{Evidence: tc.evidence}, &w)
			if got.State != tc.state || got.Reason != tc.reason {
				t.Errorf("%s (%s), want %s (%s)", got.State, got.Reason, tc.state, tc.reason)
			}
		})
	}
}
