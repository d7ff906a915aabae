package provider

import (
	"regexp"
	"slices"
	"strings"

	"callsyncd/call"
)

var (
	bracketLabel = regexp.MustCompile(`^\s*\[([^\]\n]{1,60})\]:`)
	// timeInFront is when a turn began, in front of its label.
	timeInFront = regexp.MustCompile(`^\s*(?:\[(` + clockDigits + `)\]|\((` + clockDigits + `)\)|(` + clockDigits + `))(?:\s*[-–—])?\s+`)
	blankLines  = regexp.MustCompile(`\n[ \t]*\n\s*`)
)

// textTurns tells the turns of a text apart by its labels. Text before the
// first label is a turn without one; a line without label goes on with the
// turn before it.
func (w *words) textTurns(text string, l labels) spoken {
	text = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
	if text == "" {
		return spoken{}
	}
	turns := w.lines(text, l)
	if len(turns) > 1 || l.inside == nil {
		return spoken{turns: turns}
	}
	if apart := w.inside(text, l); len(apart) > 1 {
		return spoken{turns: apart, split: true}
	}
	return spoken{turns: turns}
}

// labels finds the labels a form allows.
type labels struct {
	brackets bool
	// atLine and atParagraph match a known label and its colon at the start of
	// every line, or of a paragraph only; inside matches one after a space.
	atLine, atParagraph, inside *regexp.Regexp
}

func newLabels(form *textForm) labels {
	l := labels{brackets: slices.Contains(form.Forms, textBrackets)}
	if len(form.Labels) == 0 {
		return l
	}
	quoted := make([]string, len(form.Labels))
	for i, label := range form.Labels {
		quoted[i] = regexp.QuoteMeta(label)
	}
	known := "(" + strings.Join(quoted, "|") + ")"
	start := regexp.MustCompile(`^\s*(?i:` + known + `)\s*(?:(?:\[(` + clockDigits + `)\]|\((` + clockDigits + `)\))\s*)?:`)
	if slices.Contains(form.Forms, textLines) {
		l.atLine = start
	}
	if slices.Contains(form.Forms, textParagraphs) {
		l.atParagraph = start
	}
	if l.atLine != nil || l.atParagraph != nil {
		l.inside = regexp.MustCompile(`(?:^|\s)` + known + `:\s`)
	}
	return l
}

// cut splits a line into label and words. The time in front of a label, or in
// brackets behind a known one, is when the turn began.
func (l labels) cut(line string, paragraph bool) (label, rest string, at *float64, ok bool) {
	if label, rest, at, ok = l.cutLabel(line, paragraph); ok {
		return label, rest, at, ok
	}
	m := timeInFront.FindStringSubmatch(line)
	if m == nil {
		return "", line, nil, false
	}
	l.brackets = l.brackets && m[3] == "" // without brackets of its own it may be any number
	if label, rest, _, ok = l.cutLabel(line[len(m[0]):], paragraph); !ok {
		return "", line, nil, false
	}
	return label, rest, pointOf(m[1] + m[2] + m[3]), true
}

func (l labels) cutLabel(line string, paragraph bool) (label, rest string, at *float64, ok bool) {
	forms := []*regexp.Regexp{l.atLine}
	if l.brackets {
		forms = append(forms, bracketLabel)
	}
	if paragraph {
		forms = append(forms, l.atParagraph)
	}
	for _, form := range forms {
		if form == nil {
			continue
		}
		if m := form.FindStringSubmatch(line); m != nil {
			return strings.TrimSpace(m[1]), line[len(m[0]):], pointOf(strings.Join(m[2:], "")), true
		}
	}
	return "", line, nil, false
}

// lines walks a text line by line.
func (w *words) lines(text string, l labels) []call.Turn {
	var turns []call.Turn
	var label *string
	var start *float64
	var said []string
	flush := func() {
		if words := strings.TrimSpace(strings.Join(said, "\n")); words != "" {
			turn := w.turn(label, words)
			turn.StartSeconds = start
			turns = append(turns, turn)
		}
		label, start, said = nil, nil, nil
	}
	for i, paragraph := range blankLines.Split(text, -1) {
		if i > 0 {
			said = append(said, "")
		}
		for j, line := range strings.Split(paragraph, "\n") {
			name, rest, at, ok := l.cut(line, j == 0)
			if ok {
				flush()
				label, start = &name, at
			}
			said = append(said, strings.TrimSpace(rest))
		}
	}
	flush()
	return turns
}

// inside splits a text at known labels anywhere after a space: the last resort
// for transcripts that arrive as one line.
func (w *words) inside(text string, l labels) []call.Turn {
	var turns []call.Turn
	places := l.inside.FindAllStringSubmatchIndex(text, -1)
	add := func(label *string, words string) {
		if strings.TrimSpace(words) != "" {
			turns = append(turns, w.turn(label, words))
		}
	}
	if len(places) > 0 {
		add(nil, text[:places[0][0]])
	}
	for i, m := range places {
		end := len(text)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		name := text[m[2]:m[3]]
		add(&name, text[m[1]:end])
	}
	return turns
}
