package api

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"callsyncd/call"
)

// fullStatus is a report that has something to say in every family.
func fullStatus(t *testing.T) call.StatusReport {
	t.Helper()
	report, err := sample(t).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &report.Sources[0]
	s.LastHead = &call.Walk{Clean: true, FinishedAt: at("2025-12-01T23:55:00Z")}
	s.LastCompleteWalk, s.Watermark = ptr(at("2025-12-01T20:00:00Z")), ptr(at("2025-12-01T23:00:00Z"))
	s.VendorTotal, s.MinutesToNextLoss = ptr(3), ptr(12.5)
	s.Counts.Lost[call.PartRecording] = 4
	return report
}

func TestMetricsAreWellNamed(t *testing.T) {
	problems, err := testutil.CollectAndLint(statusMetrics{fullStatus(t), map[call.SourceID]time.Time{"crm": at("2025-12-01T12:00:00Z")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n := testutil.CollectAndCount(statusMetrics{fullStatus(t), map[call.SourceID]time.Time{"crm": at("2025-12-01T12:00:00Z")}}); n < len(metricFamilies) {
		t.Errorf("%d metrics from %d families", n, len(metricFamilies))
	}
}

func TestMetricsValues(t *testing.T) {
	want := `
# HELP callsyncd_source_next_loss_seconds Time until a pending part would be lost.
# TYPE callsyncd_source_next_loss_seconds gauge
callsyncd_source_next_loss_seconds{source="crm"} 750
# HELP callsyncd_source_oldest_gap_age_seconds How long the oldest part has been pending, or lost and not acknowledged; 0 without any.
# TYPE callsyncd_source_oldest_gap_age_seconds gauge
callsyncd_source_oldest_gap_age_seconds{source="crm"} 43200
# HELP callsyncd_source_parts_lost Parts of calls that are lost and not acknowledged.
# TYPE callsyncd_source_parts_lost gauge
callsyncd_source_parts_lost{part="record",source="crm"} 0
callsyncd_source_parts_lost{part="recording",source="crm"} 4
callsyncd_source_parts_lost{part="summary",source="crm"} 0
callsyncd_source_parts_lost{part="transcript",source="crm"} 0
# HELP callsyncd_source_last_head_timestamp_seconds When the newest calls were last walked without fault.
# TYPE callsyncd_source_last_head_timestamp_seconds gauge
callsyncd_source_last_head_timestamp_seconds{source="crm"} 1.7646333e+09
`
	if err := testutil.CollectAndCompare(statusMetrics{fullStatus(t), map[call.SourceID]time.Time{"crm": at("2025-12-01T12:00:00Z")}}, strings.NewReader(want),
		"callsyncd_source_next_loss_seconds", "callsyncd_source_oldest_gap_age_seconds", "callsyncd_source_parts_lost", "callsyncd_source_last_head_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}

func TestMetricsEndpoint(t *testing.T) {
	f := sample(t)
	h := f.handler(nil)
	w := ask(h, request("GET", "/metrics", ""))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || !strings.Contains(w.Body.String(), `callsyncd_source_calls{source="crm"} 2`) {
		t.Errorf("%d %s\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	hasHeaders(t, w)
	anonymous := request("GET", "/metrics", "")
	anonymous.Header.Del("Authorization")
	askProblem(t, h, anonymous, 401)
	f.err = call.ErrTransient
	askProblem(t, h, request("GET", "/metrics", ""), 503)
}
