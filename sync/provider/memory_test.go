package provider

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"callsyncd/call"
)

// A hostile vendor must not be able to make the process large: the answer's
// bytes are bounded, and so is what they decode to.
func TestHostileAnswersStaySmall(t *testing.T) {
	many := func(element string, n int) string {
		return `{"calls": [` + strings.Repeat(element+",", n) + element + `]}`
	}
	for name, body := range map[string]string{
		"empty objects": many("{}", 5_000_000),
		"numbers":       many("1", 10_000_000),
		"keys":          `{"calls": [{` + strings.Repeat(`"a":1,`, 4_000_000) + `"id":"x"}]}`,
		"one long text": `{"calls": [{"id": "x", "conversationSummary": "` + strings.Repeat("x", 30<<20) + `"}]}`,
		"items":         many(`{"id":"x","phone":"+15555550100"}`, 200_000),
	} {
		t.Run(name, func(t *testing.T) {
			p := builtin(t, "suresend", answers(func(*http.Request) (*http.Response, error) { return respond(200, body), nil }))
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			// Under a limit the measure is what is needed, not what the collector has not looked at yet.
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(before.Sys) + 160<<20))
			page, err := p.List(t.Context(), call.ListRequest{})
			runtime.ReadMemStats(&after)
			if grown := int64(after.Sys) - int64(before.Sys); grown > 256<<20 {
				t.Errorf("the process grew by %d MiB (%d items, error %v)", grown>>20, len(page.Items), err)
			}
		})
	}
}
