package config

import (
	"bytes"
	"testing"

	"callsyncd/call"
)

func TestMoveKeepsWhatIsNotAPlace(t *testing.T) {
	const text = `data_dir: /srv/calls
api: {listen: 127.0.0.1:7000}
recordings: {parallel: 2, min_free: 9GiB}
search: {languages: [de]}
sources:
  - name: crm
    provider: suresend
    credentials: {token: "env:NOWHERE"}
    since: 2024-05-06
    schedule: {head: 7m, trailing: "5 * * * *", sweep: 12h}
    late_horizon: 10h
    budgets: [{requests: 17, per: hour}]
    concurrency: 3
    recordings: false
  - name: other
    provider: callcamp
    credentials: {token: "env:NOWHERE"}
`
	before, err := Parse("/etc/callsyncd/config.yaml", []byte(text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	place := Place{BaseURL: "http://127.0.0.1:9", Credentials: map[string]Ref{"token": "file:/tmp/token"}, AllowPrivateHosts: []string{"127.0.0.1:8"}}
	out := before.Move("/tmp/data", "1MiB", map[call.SourceID]Place{"crm": place})
	if bytes.Contains(out, []byte("NOWHERE")) || bytes.Contains(out, []byte("other")) {
		t.Errorf("a credential or a source without a place remains:\n%s", out)
	}
	after, err := Parse("moved.yaml", out, Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	was, is := before.Sources[0], after.Sources[0]
	if after.DataDir != "/tmp/data" || after.API.Listen != "127.0.0.1:0" || after.Recordings.MinFreeBytes != 1<<20 ||
		is.BaseURL != place.BaseURL || is.Credentials["token"] != "file:/tmp/token" || is.AllowPrivateHosts[0] != "127.0.0.1:8" {
		t.Errorf("not moved:\n%s", out)
	}
	if after.Recordings.Parallel != 2 || after.Search.Languages[0] != "de" || is.Name != was.Name || is.Provider != was.Provider ||
		!is.Since.Equal(was.Since) || is.LateHorizon != was.LateHorizon || is.Budgets[0] != was.Budgets[0] ||
		is.Concurrency != 3 || is.Recordings || is.Schedule.Head.String() != "7m" || is.Schedule.Trailing.String() != "5 * * * *" {
		t.Errorf("changed more than the places:\n%s", out)
	}
	if before.Sources[0].BaseURL != "" || before.written.Sources[0].BaseURL != "" {
		t.Error("the configuration itself was changed")
	}
}
