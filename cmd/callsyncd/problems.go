package main

import (
	"slices"
	"strings"

	"callsyncd/call"
)

// problemsOf are the problems of a source, each once: what several walks met
// is told of the widest only, and what was said already, by itself or among
// others, is left out. A source is not named in a line that begins with its name.
func problemsOf(s *call.SourceStatus, said ...string) []string {
	var causes []string
	for _, text := range said {
		causes = append(causes, causeOf(nameless(s.Name, text)))
	}
	var list []string
	for _, p := range s.Problems {
		p = nameless(s.Name, p)
		cause := causeOf(p)
		if !slices.ContainsFunc(causes, func(told string) bool { return strings.Contains(told, cause) }) {
			list = append(list, p)
		}
		causes = append(causes, cause)
	}
	return list
}

// doubtsOf are the problems of a source that are no gaps: those are counted by
// the table of a sync and listed by gaps.
func doubtsOf(s *call.SourceStatus, said ...string) []string {
	return slices.DeleteFunc(problemsOf(s, said...), func(p string) bool { return strings.Contains(p, "`callsyncd gaps`") })
}

// causeOf leaves out which walk met a problem.
func causeOf(problem string) string {
	for _, met := range []string{" was not clean: ", " proved nothing: "} {
		if _, cause, ok := strings.Cut(problem, met); ok {
			return cause
		}
	}
	return problem
}

// nameless takes the name of the source out of what was said about it.
func nameless(name call.SourceID, text string) string {
	return strings.ReplaceAll(text, "source "+string(name)+": ", "")
}

// printProblems says what keeps a source from being green.
func (a *app) printProblems(name call.SourceID, problems []string) {
	for _, p := range problems {
		a.say("%s %s", a.ink().red("!"), safe(string(name)+": "+p))
	}
}

// printEmpty names sources whose vendor listed no calls. That may be right, so it
// is no problem; but it is also what the wrong account looks like.
func (a *app) printEmpty(s *call.SourceStatus) {
	if walk := s.LastSweep; walk != nil && walk.Clean && walk.Seen == 0 && s.Counts.Calls == 0 {
		a.say("%s %s: the vendor listed no calls; if there should be some, check that its credentials are those of the right account", a.ink().yellow("?"), safe(string(s.Name)))
	}
}

// ownProblems are those of a report that belong to no source.
func ownProblems(s *call.StatusReport) []string {
	return slices.DeleteFunc(slices.Clone(s.Problems), func(p string) bool {
		return slices.ContainsFunc(s.Sources, func(x call.SourceStatus) bool {
			return slices.ContainsFunc(x.Problems, func(of string) bool { return p == string(x.Name)+": "+of })
		})
	})
}
