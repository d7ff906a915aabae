package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"callsyncd/call"
)

func (s *server) registerMetrics() {
	op := operation(http.MethodGet, "/metrics", "metrics", "State of the archive for Prometheus", nil)
	op.Security = tokenOnly
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"text/plain": {Schema: text()}}}}
	registerStream(s, op, s.metrics)
}

func (s *server) metrics(ctx context.Context, _ *input) (func(http.ResponseWriter, *http.Request), error) {
	report, err := s.Control.Status(ctx)
	if err != nil {
		return nil, err
	}
	open := make(map[call.SourceID]time.Time)
	for i := range report.Sources {
		name := report.Sources[i].Name
		since, ok, err := s.Store.OldestGap(ctx, name)
		if err != nil {
			return nil, err
		}
		if ok {
			open[name] = since
		}
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(statusMetrics{report, open}); err != nil {
		return nil, err
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP, nil
}

// metric is one family of what /metrics shows.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("callsyncd_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) metric {
	m := gauge(name, help, labels...)
	m.kind = prometheus.CounterValue
	return m
}

// The families. Labels are names from the configuration and our own words,
// never anything of a call.
var (
	metricBuild   = gauge("build_info", "The version that runs, as a label; always 1.", "version")
	metricStarted = gauge("start_timestamp_seconds", "When the daemon started.")
	metricGreen   = gauge("green", "1 when completeness is proved for every source.")

	metricIndexReady     = gauge("index_ready", "1 when the full-text index answers.")
	metricIndexDocuments = gauge("index_documents", "Calls in the full-text index.")
	metricIndexLag       = gauge("index_lag_changes", "Changes of the archive that the index has not yet taken in.")

	metricSourceGreen    = gauge("source_green", "1 when completeness is proved for the source.", "source")
	metricSourceRefused  = gauge("source_refused", "1 while the vendor refuses the credentials.", "source")
	metricCalls          = gauge("source_calls", "Calls stored.", "source")
	metricSettled        = gauge("source_calls_settled", "Calls stored with no part pending.", "source")
	metricVendorCalls    = gauge("source_vendor_calls", "Calls the vendor last counted.", "source")
	metricTranscripts    = gauge("source_transcripts", "Transcripts stored.", "source")
	metricRecordings     = gauge("source_recordings", "Recordings stored.", "source")
	metricRecordingsSize = gauge("source_recordings_size_bytes", "Size of the recordings stored.", "source")
	metricPending        = gauge("source_parts_pending", "Parts of calls that should come.", "source", "part")
	metricLost           = gauge("source_parts_lost", "Parts of calls that are lost and not acknowledged.", "source", "part")
	metricAcknowledged   = gauge("source_parts_acknowledged", "Lost parts of calls that somebody accepted.", "source")
	metricNextLoss       = gauge("source_next_loss_seconds", "Time until a pending part would be lost.", "source")
	metricOldestGap      = gauge("source_oldest_gap_age_seconds", "How long the oldest part has been pending, or lost and not acknowledged; 0 without any.", "source")
	metricLastHead       = gauge("source_last_head_timestamp_seconds", "When the newest calls were last walked without fault.", "source")
	metricLastWalk       = gauge("source_last_complete_walk_timestamp_seconds", "When the vendor's whole list was last walked without fault.", "source")
	metricClockAhead     = gauge("source_clock_ahead_seconds", "How far this machine's clock is ahead of the vendor's.", "source")
	metricWatermark      = gauge("source_watermark_timestamp_seconds", "Creation time up to which every listed call is stored.", "source")
	metricRequests       = counter("source_requests_total", "Requests made to the vendor's API, look-ups apart.", "source")
	metricLookups        = counter("source_lookup_requests_total", "Requests made to the vendor's API to look up names.", "source")
	metricBudgetRequests = gauge("source_budget_requests", "Requests allowed in a window of this many seconds.", "source", "window_seconds")
	metricBudgetSpent    = gauge("source_budget_requests_spent", "Requests made in the present window.", "source", "window_seconds")
	metricFamilies       = []metric{metricBuild, metricStarted, metricGreen, metricIndexReady, metricIndexDocuments, metricIndexLag, metricSourceGreen, metricSourceRefused, metricCalls, metricSettled, metricVendorCalls, metricTranscripts, metricRecordings, metricRecordingsSize, metricPending, metricLost, metricAcknowledged, metricNextLoss, metricOldestGap, metricLastHead, metricLastWalk, metricClockAhead, metricWatermark, metricRequests, metricLookups, metricBudgetRequests, metricBudgetSpent}
)

// statusMetrics shows one status report to Prometheus.
type statusMetrics struct {
	report call.StatusReport
	open   map[call.SourceID]time.Time // since when the oldest gap of a source is one
}

// Describe implements prometheus.Collector.
func (m statusMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, family := range metricFamilies {
		out <- family.desc
	}
}

// Collect implements prometheus.Collector.
func (m statusMetrics) Collect(out chan<- prometheus.Metric) {
	show := func(f metric, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
	}
	show(metricBuild, 1, m.report.Version)
	show(metricStarted, unixSeconds(m.report.StartedAt))
	show(metricGreen, oneIf(m.report.Green))
	show(metricIndexReady, oneIf(m.report.Index.State == "ready"))
	show(metricIndexDocuments, float64(m.report.Index.Documents))
	show(metricIndexLag, float64(m.report.Index.Lag))
	for i := range m.report.Sources {
		s := &m.report.Sources[i]
		showSource(s, show)
		age := time.Duration(0)
		if since, ok := m.open[s.Name]; ok {
			age = max(0, m.report.Now.Sub(since))
		}
		show(metricOldestGap, age.Seconds(), string(s.Name))
	}
}

func showSource(s *call.SourceStatus, show func(f metric, value float64, labels ...string)) {
	name, c := string(s.Name), s.Counts
	show(metricSourceGreen, oneIf(s.Green), name)
	show(metricSourceRefused, oneIf(s.State == "refused"), name)
	show(metricCalls, float64(c.Calls), name)
	show(metricSettled, float64(c.Settled), name)
	show(metricTranscripts, float64(c.Transcript), name)
	show(metricRecordings, float64(c.Recordings), name)
	show(metricRecordingsSize, float64(c.RecordingBytes), name)
	for _, part := range call.PartNames {
		show(metricPending, float64(c.Pending[part]), name, string(part))
		show(metricLost, float64(c.Lost[part]), name, string(part))
	}
	show(metricAcknowledged, float64(c.Acknowledged), name)
	show(metricRequests, float64(s.Requests), name)
	show(metricLookups, float64(s.LookupRequests), name)
	if s.VendorTotal != nil {
		show(metricVendorCalls, float64(*s.VendorTotal), name)
	}
	if s.MinutesToNextLoss != nil {
		show(metricNextLoss, *s.MinutesToNextLoss*60, name)
	}
	if s.LastHead != nil && s.LastHead.Clean {
		show(metricLastHead, unixSeconds(s.LastHead.FinishedAt), name)
	}
	if s.LastCompleteWalk != nil {
		show(metricLastWalk, unixSeconds(*s.LastCompleteWalk), name)
	}
	if s.Watermark != nil {
		show(metricWatermark, unixSeconds(*s.Watermark), name)
	}
	show(metricClockAhead, s.ClockAheadSeconds, name)
	for _, b := range s.Budget {
		window := strconv.FormatFloat(b.PerSeconds, 'f', -1, 64)
		show(metricBudgetRequests, float64(b.Requests), name, window)
		show(metricBudgetSpent, float64(b.Used), name, window)
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
