package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

func newShow(a *app) *cobra.Command {
	var transcript, raw, versions bool
	c := &cobra.Command{
		Use:   "show KEY",
		Short: "Show one call",
		Long:  "Show prints one call, readable. KEY is source/id, as `callsyncd calls` and `callsyncd search` print it.",
		Example: `  callsyncd show crm/7f3d8e00-a1b2-4c3d-9e4f-567890abcdef --transcript
  callsyncd show crm/7f3d8e00-a1b2-4c3d-9e4f-567890abcdef --json | jq .summary`,
		Args: wants("KEY"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := call.ParseKey(args[0])
			if err != nil {
				return usageError("", "%v", err)
			}
			show := client.Show{}
			if raw {
				show.Include = append(show.Include, "raw")
			}
			if versions {
				show.Include = append(show.Include, "versions", "recordings")
			}
			return a.with(c.Context(), anySource, func(r *archive) error { return a.show(c.Context(), r, key, show, transcript) })
		},
	}
	c.Flags().BoolVar(&transcript, "transcript", false, "also what was said")
	c.Flags().BoolVar(&raw, "raw", false, "also the vendor's own documents, as they are now")
	c.Flags().BoolVar(&versions, "versions", false, "also every state of the call that was ever seen")
	a.jsonFlag(c)
	return c
}

func (a *app) show(ctx context.Context, r *archive, key call.Key, show client.Show, transcript bool) error {
	if !a.json {
		show.Include = append(show.Include, "parts", "recordings")
	}
	found, err := r.Call(ctx, key, show)
	if exitCode(err) == exitNotFound {
		return &fault{exitNotFound, fmt.Errorf("show %s: there is no such call in the archive", key), "list keys with `callsyncd calls`"}
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(found.Body)
	}
	c := &found.Value
	a.printCall(c)
	if transcript {
		a.printTranscript(c)
	}
	if c.Raw != nil {
		a.printRaw(c.Raw)
	}
	if c.Versions != nil {
		a.printVersions(c.Versions)
		a.printFormer(c.Recordings)
	}
	return nil
}

// printCall shows what is known; what is not is left out.
func (a *app) printCall(found *client.Call) {
	c := &found.Call
	ink := a.ink()
	a.say("%s", ink.bold(safe(c.Key.String())))
	field := func(name, value string) {
		if value != "" {
			a.say("  %-13s %s", name, value)
		}
	}
	field("time", started(c)+" UTC")
	field("ended", momentOr(c.EndedAt, ""))
	field("length", strings.TrimPrefix(lengthOf(c), "-"))
	field("direction", or(c.Direction, ""))
	field("status", joined(" / ", or(c.Status, ""), or(c.Outcome, "")))
	field("other party", joined(", ", strings.TrimPrefix(party(c), "-"), or(c.ContactEmail, "")))
	field(numbers(or(c.FromNumber, ""), or(c.ToNumber, "")))
	field("agent", joined("  id ", or(c.AgentName, ""), or(c.AgentID, "")))
	field("campaign", joined("  id ", or(c.CampaignName, ""), or(c.CampaignID, "")))
	field("user", or(c.UserID, ""))
	field("contact", or(c.ContactID, ""))
	if c.Cost != nil {
		field("cost", joined(" ", fmt.Sprintf("%g", *c.Cost), or(c.CostCurrency, "")))
	}
	field("sentiment", sentiment(c))
	field("topics", safe(strings.Join(c.Topics, ", ")))
	field("summary", or(c.Summary, ""))
	field("note", or(c.Note, ""))
	field("recording", recordingOf(c.Recording))
	for i := range found.Recordings {
		if r := &found.Recordings[i]; r.Current && r.Label != mainRecording {
			field("", safe(r.Label)+": "+cmp.Or(recordingOf(&r.Recording), a.state(r.State)+inBrackets(safe(or(r.Reason, "")))))
		}
	}
	field("parts", a.parts(found))
	field("version", fmt.Sprintf("%d, first seen %s, changed %s", c.Version, moment(c.FirstSeenAt), moment(c.ChangedAt)))
	if c.DeletedUpstreamAt != nil {
		field("deleted", "by the vendor, noticed "+moment(*c.DeletedUpstreamAt)+"; kept here")
	}
	if len(c.Metadata) > 0 && !bytes.Equal(c.Metadata, []byte("{}")) && !bytes.Equal(c.Metadata, []byte("null")) {
		field("metadata", safe(string(c.Metadata)))
	}
}

// joined puts what is not empty of two texts together.
func joined(between, first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + between + second
}

func sentiment(c *call.Call) string {
	text := or(c.SentimentLabel, "")
	if c.SentimentScore != nil {
		text = joined(" ", text, fmt.Sprintf("(%+.2f)", *c.SentimentScore))
	}
	return text
}

// mainRecording is the label of the recording that a call shows by itself.
const mainRecording = "main"

func recordingOf(r *call.Recording) string {
	if r == nil || r.File == nil {
		return ""
	}
	text := safe(*r.File)
	if r.SizeBytes != nil {
		text += ", " + size(*r.SizeBytes)
	}
	if r.SHA256 != nil {
		text += ", sha256 " + safe(*r.SHA256)
	}
	return text
}

// numbers are the two ends of a call, as far as known, with their name.
func numbers(from, to string) (name, value string) {
	switch {
	case to == "":
		return "from", from
	case from == "":
		return "to", to
	}
	return "from, to", from + " -> " + to
}

// parts lists the state of each part, and of what is lost why and who accepts it.
func (a *app) parts(c *client.Call) string {
	p := c.Parts
	var list []string
	for _, part := range []struct {
		name  call.PartName
		state call.State
	}{{call.PartRecord, p.Record}, {call.PartTranscript, p.Transcript}, {call.PartSummary, p.Summary}, {call.PartRecording, p.Recording}} {
		list = append(list, string(part.name)+" "+a.state(part.state)+remark(c.Details[part.name]))
	}
	return strings.Join(list, ", ")
}

// remark says why a lost part is, whether that was accepted, and what is odd
// about a stored one.
func remark(d client.PartDetail) string {
	if d.State != call.Lost && d.State != call.Stored {
		return ""
	}
	accepted := ""
	if d.Acknowledged != nil {
		accepted = "accepted " + moment(d.Acknowledged.At) + ": " + safe(d.Acknowledged.Reason)
	}
	return inBrackets(or(d.Reason, ""), accepted)
}

func (a *app) printTranscript(c *client.Call) {
	if len(c.Transcript) == 0 {
		why := a.state(c.Parts.Transcript)
		if reason := or(c.Details[call.PartTranscript].Reason, ""); reason != "" {
			why += ": " + reason
		}
		a.say("\nno transcript (%s)", why)
		return
	}
	ink := a.ink()
	a.say("")
	for i := range c.Transcript {
		t := &c.Transcript[i]
		at := ""
		if t.StartSeconds != nil {
			at = ink.dim("["+clock(*t.StartSeconds)+"]") + " "
		}
		a.say("%s%s: %s", at, ink.bold(or(t.Label, safe(string(t.Speaker)))), safe(t.Text))
	}
}

func (a *app) printRaw(raw map[string]json.RawMessage) {
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		a.say("\n%s", a.ink().bold(safe(name)))
		a.say("%s", indented(raw[name]))
	}
}

// indented is a vendor's document, readable and safe.
func indented(document []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, document, "", "  ") != nil {
		return safe(string(document))
	}
	return string(safeJSON(b.Bytes()))
}

// printFormer shows the recording files that are not the current one.
func (a *app) printFormer(files []client.RecordingFile) {
	for i := range files {
		if f := &files[i]; !f.Current && f.File != nil && f.SetAsideAt != nil {
			a.say("recording set aside %s: %s", moment(*f.SetAsideAt), safe(*f.File))
		}
	}
}

func (a *app) printVersions(versions []call.Version) {
	a.say("")
	g := newGrid(">version", "observed (UTC)", "fingerprint", "documents", "set aside as worse")
	for _, v := range versions {
		aside := make([]string, len(v.Quarantined))
		for i, part := range v.Quarantined {
			aside[i] = safe(string(part))
		}
		documents := safe(strings.Join(slices.Sorted(maps.Keys(v.Documents)), ", "))
		if v.Damaged {
			documents = "cannot be read any more"
		}
		g.row(v.Number, moment(v.ObservedAt), safe(v.Fingerprint), documents, cmp.Or(strings.Join(aside, ", "), "-"))
	}
	g.print(a.stdout)
}
