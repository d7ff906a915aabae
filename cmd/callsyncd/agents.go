package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"callsyncd/call"
)

// agentsNamed is how many agents a hint names.
const agentsNamed = 8

// hintAgents says on stderr which agents there are when calls of one were wanted
// and no call has it. Where that cannot be learned it says nothing.
func (a *app) hintAgents(ctx context.Context, r *archive, f *call.Filter, found int) {
	if a.quiet || found > 0 || len(f.Agent) == 0 {
		return
	}
	for _, wanted := range f.Agent {
		of := call.Filter{Source: f.Source, Agent: []string{wanted}}
		if had, err := r.Stats(ctx, call.StatsQuery{Filter: of}); err != nil || len(had.Value.Data) > 0 {
			continue
		}
		of.Agent = nil
		all, err := r.Stats(ctx, call.StatsQuery{Filter: of, Group: "agent"})
		if err != nil {
			return
		}
		calls := map[string]int{}
		for _, s := range all.Value.Data {
			if s.Group != nil {
				calls[*s.Group] += s.Calls
			}
		}
		if near := nearest(wanted, calls); len(near) > 0 {
			a.note("no call has the agent %q; near are: %s", safe(wanted), safe(strings.Join(near, ", ")))
		} else {
			a.note("no call has the agent %q; %s", safe(wanted), safe(mostCalls(calls)))
		}
	}
}

// mostCalls names the agents with most calls.
func mostCalls(calls map[string]int) string {
	if len(calls) == 0 {
		return "no call says who its agent was"
	}
	text := "the agents are: "
	names := ranked(calls, func(string) int { return 0 })
	if len(names) > agentsNamed {
		text = "the agents with most calls are: "
		names = names[:agentsNamed]
	}
	return text + strings.Join(names, ", ") + "; `callsyncd stats --group agent` shows all"
}

// ranked sorts names by how far away they are, those with more calls first.
func ranked(calls map[string]int, away func(string) int) []string {
	names := make([]string, 0, len(calls))
	for name := range calls {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(away(x), away(y)), cmp.Compare(calls[y], calls[x]), strings.Compare(x, y))
	})
	return names
}

// nearest are the names that hold what was typed, or that, or one of whose words,
// differ from it in about a third of its letters at most.
func nearest(wanted string, calls map[string]int) []string {
	typed := strings.ToLower(strings.TrimSpace(wanted))
	away := func(name string) int {
		lower := strings.ToLower(name)
		least := distance(typed, lower)
		for word := range strings.FieldsSeq(lower) {
			least = min(least, distance(typed, word))
		}
		if typed != "" && strings.Contains(lower, typed) {
			least = 0
		}
		return least
	}
	most := max(1, (utf8.RuneCountInString(typed)+1)/3)
	names := slices.DeleteFunc(ranked(calls, away), func(name string) bool { return away(name) > most })
	return names[:min(len(names), agentsNamed)]
}
