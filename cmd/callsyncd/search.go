package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

const searchLong = `Search finds calls by what was said, and by summary, topics and notes.

The query: words are all required, in any inflection, with or without AND between them; "a phrase"
or "a word" as it is spelled; OR, which joins its two neighbours only; -word or NOT word; word*
(begins with); word~ (spelled nearly so); agent: and customer: (what that side said), summary:,
topic:, note:, id:; a phone number in any notation. AND, OR and NOT are words like others in lower
case or in quotes. Put -- before a query that begins with a dash.`

func newSearch(a *app) *cobra.Command {
	var f filters
	c := &cobra.Command{
		Use:   "search QUERY",
		Short: "Find calls by what was said",
		Long:  searchLong,
		Example: `  callsyncd search 'refund OR "money back"' --from 7d
  callsyncd search 'customer:cancel NOT agent:sorry' --source crm --has recording
  callsyncd search invoice --sort newest --json`,
		Args: func(c *cobra.Command, given []string) error {
			if len(given) == 0 {
				return wants("QUERY")(c, given)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.read(c, a.now()); err != nil {
				return err
			}
			o := f.search(strings.Join(args, " "))
			return a.with(c.Context(), anySource, func(r *archive) error { return a.search(c.Context(), r, o) })
		},
	}
	f.add(c, "relevance (default), newest or oldest", "most hits in one answer, up to 200 (default 25)")
	a.jsonFlag(c)
	return c
}

func (a *app) search(ctx context.Context, r *archive, o client.SearchOptions) error {
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	found, err := r.Search(ctx, o)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(found.Body)
	}
	a.printHits(&found.Value)
	a.more(found.Value.Pagination)
	a.hintAgents(ctx, r, &o.Filter, found.Value.Pagination.Total)
	a.warnUnread(ctx, r, o.Filter.Source)
	return nil
}

// printHits shows each hit with the words that matched, and how much was searched.
func (a *app) printHits(page *client.SearchPage) {
	ink := a.ink()
	for i := range page.Data {
		hit := &page.Data[i]
		c := &hit.Call.Call
		a.say("%s  %s  %s  %s  %s  agent %s  %s", ink.bold(started(c)), safe(string(c.Source)), or(c.Direction, "-"), lengthOf(c), party(c), agentOf(c), ink.dim(safe(c.Key.String())))
		for _, s := range hit.Snippets {
			a.say("    %s", a.snippet(&s))
		}
	}
	a.say("%s", coverage(page))
}

// snippet is one matching stretch with its second and its speaker.
func (a *app) snippet(s *call.Snippet) string {
	ink := a.ink()
	var b strings.Builder
	if s.StartSeconds != nil {
		b.WriteString(ink.dim("["+clock(*s.StartSeconds)+"]") + " ")
	}
	switch {
	case s.Speaker != nil:
		b.WriteString(safe(string(*s.Speaker)) + ": ")
	case s.Part != string(call.PartTranscript):
		b.WriteString(safe(s.Part) + ": ")
	}
	b.WriteString(marked(s.Text, s.Marks, a.emphasis()))
	return b.String()
}

// emphasis sets matched words off: by colour, in quotes on a terminal without
// colours, and not at all in a pipe.
func (a *app) emphasis() func(string) string {
	switch {
	case a.colored(a.stdout):
		return a.ink().match
	case isTerminal(a.stdout):
		return func(word string) string { return "«" + word + "»" }
	}
	return func(word string) string { return word }
}

// marked makes text safe and emphasizes the marked stretches, which count runes.
func marked(text string, marks [][2]int, emphasize func(string) string) string {
	runes := []rune(text)
	var b strings.Builder
	at := 0
	for _, m := range marks {
		from, to := max(m[0], at), min(m[1], len(runes))
		if from >= to {
			continue
		}
		b.WriteString(safe(string(runes[at:from])))
		b.WriteString(emphasize(safe(string(runes[from:to]))))
		at = to
	}
	b.WriteString(safe(string(runes[at:])))
	return b.String()
}

// coverage says how much of the archive the answer speaks for.
func coverage(page *client.SearchPage) string {
	c := page.Coverage
	text := fmt.Sprintf("%s; searched %s of %s", plural(page.Pagination.Total, "call"), count(c.Searchable), count(c.Calls))
	if n := c.Waiting.Transcript; n > 0 {
		text += fmt.Sprintf(", %s for a transcript", waits(n))
	}
	if n := c.Waiting.Index; n > 0 {
		text += fmt.Sprintf(", %s for the index", waits(n))
	}
	if n := c.TooLong; n > 0 {
		text += fmt.Sprintf(", %s too long to be searched whole", are(n))
	}
	return text
}

func are(n int) string {
	if n == 1 {
		return "1 is"
	}
	return count(n) + " are"
}

func waits(n int) string {
	if n == 1 {
		return "1 waits"
	}
	return count(n) + " wait"
}
