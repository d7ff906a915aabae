package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"callsyncd/rehearsal"
)

// printRehearsal shows what a rehearsal found.
func (a *app) printRehearsal(r *rehearsal.Report) {
	ink := a.ink()
	a.say("rehearsal of %s, seed %d: %s, then %s calm; %.0f seconds", safe(r.Config), r.Seed, plural(r.Rounds, "round"), plural(r.CalmRounds, "round"), r.ElapsedSeconds)
	a.say("faults: %s", orNone(r.Faults))
	for _, s := range r.Skipped {
		a.say("%s %s: not rehearsed: %s", ink.red("!"), safe(string(s.Source)), safe(s.Why))
	}
	if len(r.Sources) == 0 {
		return
	}
	a.printFigures(r)
	a.printMeasured(r)
	a.printWords(r)
	a.printFindings(r)
	a.say("\n%s", ink.bold("Not as in life"))
	for _, s := range r.Scaled {
		a.say("- %s", safe(s))
	}
	if r.Folder != "" {
		a.say("\nkept: %s; look around with: callsyncd calls --config '%s/config.yaml'", safe(r.Folder), safe(r.Folder))
	}
	a.printOutcome(r)
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// printFigures shows what is the same for the same seed.
func (a *app) printFigures(r *rehearsal.Report) {
	a.say("\n%s", a.ink().bold("The archive against the vendors (the same for the same seed)"))
	g := newGrid("source", "vendor", ">at vendor", ">held", ">missing, told", ">silent", ">open parts", ">differing", ">recordings", ">archived", ">waiting", ">lost", ">wrong bytes", ">deleted there")
	for i := range r.Sources {
		s := &r.Sources[i]
		f := &s.Figures
		g.row(safe(string(s.Source)), safe(s.Vendor), count(f.AtVendor), count(f.Held), count(f.Reported), count(f.Silent+f.SilentParts), count(f.OpenParts), count(f.Differing),
			count(f.RecordingsExpected), count(f.RecordingsArchived), reasons(f.RecordingsWaiting), reasons(f.RecordingsLost), count(f.WrongBytes), count(f.Deleted))
	}
	g.print(a.stdout)
}

// reasons writes counts by reason: 3 (2 gone, 1 not_audio).
func reasons(counts map[string]int) string {
	var list []string
	n := 0
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		n += counts[name]
		list = append(list, fmt.Sprintf("%d %s", counts[name], safe(name)))
	}
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", n, strings.Join(list, ", "))
}

// printMeasured shows what depends on the moment.
func (a *app) printMeasured(r *rehearsal.Report) {
	a.say("\n%s", a.ink().bold("What it took (may differ a little from run to run)"))
	g := newGrid("source", ">requests per call", ">downloads", ">fetched again", ">healed after", ">least time to a loss", ">refused as wrong", "faults met")
	for i := range r.Sources {
		s := &r.Sources[i]
		m := &s.Measured
		healed := "not"
		if m.HealHours != nil {
			healed = fmt.Sprintf("%.1f h", *m.HealHours)
		}
		g.row(safe(string(s.Source)), fmt.Sprintf("%.2f", m.RequestsPerCall), count(m.Downloads), count(m.Again), healed,
			nextLoss(m.LeastMinutes), reasons(wrongly(m.Rejected)), faultsMet(m.Faults))
	}
	g.print(a.stdout)
}

// wrongly leaves out what it is right to ask: whether a call is still there.
func wrongly(rejected map[string]int) map[string]int {
	rest := maps.Clone(rejected)
	maps.DeleteFunc(rest, func(why string, _ int) bool { return strings.HasSuffix(why, "not_found") })
	return rest
}

func faultsMet(counts map[string]int) string {
	n := 0
	for _, x := range counts {
		n += x
	}
	return count(n)
}

// printWords shows what status said.
func (a *app) printWords(r *rehearsal.Report) {
	a.say("\n%s", a.ink().bold("What status said meanwhile, when first, and which faults were in force"))
	if len(r.Words) == 0 {
		a.say("nothing: it was green all the time")
	}
	for _, w := range r.Words {
		a.say("round %d, %s: %s", w.First, plural(w.Rounds, "round"), safe(string(w.Source)+": "+w.Text))
		if len(w.During) > 0 {
			a.say("    during %s", strings.Join(w.During, ", "))
		}
	}
}

func (a *app) printFindings(r *rehearsal.Report) {
	for i := range r.Sources {
		for _, f := range r.Sources[i].Figures.Findings {
			a.say("%s %s: %s", a.ink().red("!"), safe(f.Key.String()), safe(f.What))
		}
	}
	for _, d := range r.Damage {
		a.say("%s verify: %s", a.ink().red("!"), safe(d))
	}
}

func (a *app) printOutcome(r *rehearsal.Report) {
	ink := a.ink()
	switch rehearsalExit(r) {
	case exitDone:
		a.say("\n%s", ink.green("everything is held and as at the vendors; nothing was missed"))
	case exitPartial:
		a.say("\n%s", ink.yellow("something is missing or not rehearsed, and is listed where you would look"))
	default:
		a.say("\n%s", ink.red("something is missing without a word, or is not what it is said to be"))
	}
}
