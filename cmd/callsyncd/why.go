package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

func newWhy(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "why KEY",
		Short: "Tell the life of one call: versions, attempts, what is still open",
		Long: `Why tells what happened to one call since it was first listed, oldest first: every version with
the vendor's documents and their fingerprint, every change of a part, fresh recording links, walks
that missed it. Then it says what is open now, when that is tried again, and when it would be lost.`,
		Example: `  callsyncd why crm/7f3d8e00-a1b2-4c3d-9e4f-567890abcdef
  callsyncd why crm/7f3d8e00-a1b2-4c3d-9e4f-567890abcdef --json | jq '.data[] | select(.kind == "version")'`,
		Args: wants("KEY"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := call.ParseKey(args[0])
			if err != nil {
				return usageError("", "%v", err)
			}
			return a.with(c.Context(), anySource, func(r *archive) error { return a.why(c.Context(), r, key) })
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) why(ctx context.Context, r *archive, key call.Key) error {
	life, err := r.History(ctx, key)
	if exitCode(err) == exitNotFound {
		return &fault{exitNotFound, fmt.Errorf("why %s: there is no such call in the archive", key), "list keys with `callsyncd calls`"}
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(life.Body)
	}
	now, err := r.Call(ctx, key, client.Show{Fields: "light", Include: []string{"parts", "recordings"}})
	if err != nil {
		return err
	}
	a.say("%s", a.ink().bold(safe(key.String())))
	for i := range life.Value.Data {
		a.printEvent(&life.Value.Data[i])
	}
	a.printOpen(&now.Value)
	a.explainStored(&now.Value)
	return nil
}

// eventNames say in words what the kinds of events mean.
var eventNames = map[call.EventKind]string{
	call.EventListed:       "first listed",
	call.EventVersion:      "changed at the vendor",
	call.EventParts:        "parts",
	call.EventLinkRenewed:  "fresh recording link",
	call.EventQuarantined:  "worse version set aside",
	call.EventReplaced:     "recording replaced",
	call.EventMissing:      "missing from a walk",
	call.EventDeleted:      "deleted at the vendor",
	call.EventReturned:     "listed again",
	call.EventAcknowledged: "loss accepted",
	call.EventDamaged:      "damaged on disk",
}

// printEvent shows one event; what does not fit beside its name goes below.
func (a *app) printEvent(e *call.Event) {
	name := eventNames[e.Kind]
	if name == "" {
		name = safe(string(e.Kind)) // of a newer daemon
	}
	lines := a.eventLines(e)
	if len(lines) == 0 {
		lines = []string{""}
	}
	for i, line := range lines {
		at := moment(e.At)
		if i > 0 {
			at, name = "", ""
		}
		a.say("%s", strings.TrimRight(fmt.Sprintf("%-19s  %-23s  %s", at, name, line), " "))
	}
}

func (a *app) eventLines(e *call.Event) []string {
	var lines []string
	if e.Version > 0 {
		line := fmt.Sprintf("version %d", e.Version)
		if len(e.Documents) > 0 {
			line += ": " + safe(strings.Join(e.Documents, ", "))
		}
		lines = append(lines, line)
	}
	for _, p := range e.Parts {
		lines = append(lines, joined(" ", joined(" ", safe(string(p.Part)), safe(p.Label)), a.state(p.State))+inBrackets(safe(p.Reason), attempts(p.Attempts)))
	}
	switch {
	case e.SHA256 != "" && e.Version > 0:
		lines = append(lines, "fingerprint "+safe(e.SHA256))
	case e.SHA256 != "":
		lines = append(lines, "sha256 "+safe(e.SHA256))
	}
	if e.Note != "" {
		lines = append(lines, safe(e.Note))
	}
	return lines
}

// state is a part's state, trouble in colour.
func (a *app) state(s call.State) string {
	switch s {
	case call.Pending:
		return a.ink().yellow(string(s))
	case call.Lost:
		return a.ink().red(string(s))
	}
	return safe(string(s))
}

// attempts counts the requests that did not bring a part; empty for none.
func attempts(n int) string {
	if n == 0 {
		return ""
	}
	return plural(n, "attempt") + " in vain"
}

func inBrackets(list ...string) string {
	text := ""
	for _, s := range list {
		text = joined(", ", text, s)
	}
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// printOpen shows the parts that are pending, or a loss that nobody accepted.
func (a *app) printOpen(c *client.Call) {
	a.say("")
	open := 0
	for _, name := range call.PartNames {
		p := c.Details[name]
		if p.State != call.Pending && (p.State != call.Lost || p.Acknowledged != nil) {
			continue
		}
		if open++; open == 1 {
			a.say("open now")
		}
		line := fmt.Sprintf("  %-10s  %s%s", name, a.state(p.State), inBrackets(or(p.Reason, ""), attempts(p.Attempts)))
		if p.NextTry != nil {
			line += "; next try " + moment(*p.NextTry)
		}
		if p.Deadline != nil {
			line += "; lost at " + moment(*p.Deadline)
		}
		a.say("%s", line)
		if name == call.PartRecording {
			a.printOpenRecordings(c.Recordings)
		}
	}
	if open == 0 {
		a.say("nothing is open: every part is stored, absent at the vendor by the late horizon, or an accepted loss")
	}
}

// printOpenRecordings says of a call with several recordings which are missing.
func (a *app) printOpenRecordings(list []client.RecordingFile) {
	current := slices.DeleteFunc(slices.Clone(list), func(r client.RecordingFile) bool { return !r.Current })
	if len(current) < 2 {
		return
	}
	for i := range current {
		r := &current[i]
		a.say("    %s: %s%s", safe(r.Label), a.state(r.State), inBrackets(safe(or(r.Reason, ""))))
	}
}
