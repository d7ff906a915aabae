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

// ranked sorts names by a distance, those with more calls first.
func ranked(calls map[string]int, distance func(string) int) []string {
	names := make([]string, 0, len(calls))
	for name := range calls {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(distance(x), distance(y)), cmp.Compare(calls[y], calls[x]), strings.Compare(x, y))
	})
	return names
}

// nearest are the names that hold what was typed, or that, or one of whose words,
// differ from it in about a third of its letters at most.
func nearest(wanted string, calls map[string]int) []string {
	typed := strings.ToLower(strings.TrimSpace(wanted))
	distance := func(name string) int {
		lower := strings.ToLower(name)
		least := edits(typed, lower)
		for word := range strings.FieldsSeq(lower) {
			least = min(least, edits(typed, word))
		}
		if typed != "" && strings.Contains(lower, typed) {
			least = 0
		}
		return least
	}
	most := max(1, (utf8.RuneCountInString(typed)+1)/3)
	names := slices.DeleteFunc(ranked(calls, distance), func(name string) bool { return distance(name) > most })
	return names[:min(len(names), agentsNamed)]
}

// edits is how many letters must be changed, added or left out to make one text
// of the other.
func edits(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			change := diagonal
			if x[i] != y[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}
