package rehearsal

import (
	"regexp"

	"callsyncd/call"
)

// wording collects what status says, in the order it was said first.
type wording struct {
	all  []*Words
	last map[string]*Words // by source and text without numbers
}

// changing are the parts of what is said that change while it stays the same
// trouble.
var changing = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z|\d+`)

// hear notes what was said about a source after a round.
func (w *wording) hear(round int, source call.SourceID, problems []string, during []Fault) {
	if w.last == nil {
		w.last = map[string]*Words{}
	}
	for _, text := range problems {
		key := string(source) + " " + changing.ReplaceAllString(text, "#")
		said := w.last[key]
		if said == nil {
			said = &Words{Source: source, Text: text, First: round, During: []string{}}
			for _, f := range during {
				said.During = append(said.During, f.Name)
			}
			w.last[key] = said
			w.all = append(w.all, said)
		}
		said.Rounds++
	}
}

func (w *wording) list() []Words {
	list := []Words{}
	for _, said := range w.all {
		list = append(list, *said)
	}
	return list
}
