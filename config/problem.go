package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxProblems bounds what is told about one file.
const maxProblems = 100

// Problem is one mistake in a configuration, and where it is.
type Problem struct {
	File string
	// Line and Column count from 1. Both are 0 when the value came from an
	// environment variable, which File then names.
	Line, Column int
	// Key is the path of the value, such as "sources[0].schedule.head"; empty
	// when the file as a whole is wrong.
	Key     string
	Message string // what is wrong and what would be accepted; never a secret
}

// String returns "config.yaml:12:5: sources[0].schedule.head: message".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems are all mistakes of a configuration, in the order of the file. They
// are the error of Load and Parse.
type Problems []Problem

// Error returns one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// ordered sorts problems by place and cuts an endless list short.
func (ps Problems) ordered() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(ps) > maxProblems {
		rest := ps[maxProblems]
		rest.Key, rest.Message = "", fmt.Sprintf("%d more problems follow", len(ps)-maxProblems)
		ps = append(ps[:maxProblems:maxProblems], rest)
	}
	return ps
}
