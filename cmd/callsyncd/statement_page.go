package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"callsyncd/call"
)

const (
	// pageWidth is how many columns a statement has.
	pageWidth = 100
	// namedCalls is how many missing or extra calls a statement names.
	namedCalls = 10
)

// statementMeans explains the document to those who did not make it.
const statementMeans = `PROVED means: the vendor's whole list was read to its end without contradiction, every call on it is held, and every part of every held call is stored here, absent at the vendor (by its word, or because nothing came before the late horizon), or a loss that somebody accepted. The vendor's list is taken at its word: a call the vendor never lists is unknown here. Whether the stored bytes are still what they were is another question, which "callsyncd verify" answers.`

// printStatements writes the document: the statements, newest first, and the
// sources without one. now says what happened after the newest.
func (a *app) printStatements(list []call.Statement, without []call.SourceID, now standing, days bool) {
	a.say("%s", apart("STATEMENT OF COMPLETENESS", "callsyncd "+buildVersion().Version+", "+moment(a.now())+" UTC"))
	a.say("%s", strings.Repeat("=", pageWidth))
	newest := make(map[call.SourceID]bool)
	for i := range list {
		st, is := &list[i], call.SourceStatus{}
		if !newest[st.Source] {
			is = now[st.Source]
		}
		a.say("")
		a.printStatement(st, days, is.Counts.Open() > 0)
		if len(st.Doubts)+st.MissingCount+sumReasons(st.Open) == 0 { // it was proved
			a.bullets("Since then", problemsOf(&is))
		} else {
			a.bullets("Since then", doubtsOf(&is, st.Doubts...))
		}
		newest[st.Source] = true
	}
	for _, name := range without {
		a.say("")
		a.say("%s", apart("Source "+safe(string(name)), "NO STATEMENT"))
		a.say("%s", strings.Repeat("-", pageWidth))
		a.say("The vendor's whole list was not read to its end yet, so nothing is known of its completeness.")
	}
	a.say("\n%s", strings.Repeat("=", pageWidth))
	a.wrapped("", statementMeans)
}

// verdict is the word of a statement. since says that parts have come open since
// it was made.
func verdict(st *call.Statement, since bool) string {
	switch n := sumReasons(st.AcceptedLosses); {
	case !st.Proved || since:
		return "NOT PROVED"
	case n == 1:
		return "PROVED, 1 loss accepted"
	case n > 1:
		return "PROVED, " + count(n) + " losses accepted"
	}
	return "PROVED"
}

func (a *app) printStatement(st *call.Statement, days, since bool) {
	a.say("%s", apart(fmt.Sprintf("Source %s (%s)", safe(string(st.Source)), safe(st.Provider)), verdict(st, since)))
	a.say("%s", strings.Repeat("-", pageWidth))
	read := st.FinishedAt
	if st.ListReadAt != nil {
		read = *st.ListReadAt
	}
	a.say("The vendor's whole list was read from %s to %s UTC.", moment(st.StartedAt), moment(read))
	if !read.Equal(st.FinishedAt) {
		a.say("The parts of its calls were counted at %s UTC.", moment(st.FinishedAt))
	}
	a.say("")
	a.printBalance(st)
	a.printParts(st)
	a.printReasons("open part", st.Open)
	a.printReasons("accepted loss", st.AcceptedLosses)
	a.bullets("Doubts", st.Doubts)
	if n := sumReasons(st.Open); !st.Proved && n > 0 {
		a.bullets("Not proved because", []string{plural(n, "part") + " of held calls pending, or lost and not accepted; callsyncd gaps lists what is open now"})
	}
	if st.Accepted != nil {
		a.bullets("Accepted", []string{fmt.Sprintf("%s vanished from the vendor's list at once; %s said at %s UTC that they were deleted there on purpose",
			plural(st.Accepted.Calls, "call"), st.Accepted.By, moment(st.Accepted.At))})
	}
	if st.Listed == 0 && st.Held+st.ExtraCount == 0 {
		a.bullets("Note", []string{"the vendor listed no calls; if there should be some, its credentials may be those of another account"})
	}
	a.printIDs("Missing calls", st.Missing, st.MissingCount)
	a.printIDs("Extra calls", st.Extra, st.ExtraCount)
	a.printDays(st.Days, days)
}

// printBalance compares the vendor's list with the archive.
func (a *app) printBalance(st *call.Statement) {
	line := func(name, n, means string) { a.say("  %-17s %9s   %s", name, n, means) }
	expected := "unknown"
	if st.Expected != nil {
		expected = count(*st.Expected)
	}
	line("expected", expected, "calls by the vendor's own count")
	line("listed", count(st.Listed), "distinct calls in the vendor's list")
	line("held", count(st.Held), "of these in the archive")
	line("missing", count(st.MissingCount), "listed and not in the archive")
	line("not wanted", count(st.Unwanted), "listed, older than the configured history")
	line("extra", count(st.ExtraCount), "in the archive and not listed")
	line("deleted upstream", count(st.DeletedUpstream), "of the extra ones count as deleted at the vendor")
}

// printParts counts the parts of the held calls by their state.
func (a *app) printParts(st *call.Statement) {
	a.say("")
	g := newGrid("  part", ">stored", ">absent", ">pending", ">lost", ">accepted losses", ">open")
	for _, name := range call.PartNames {
		n, open := st.Parts[name], 0
		for _, k := range st.Open[name] {
			open += k
		}
		g.row("  "+string(name), count(n[call.Stored]), count(n[call.None]), count(n[call.Pending]), count(n[call.Lost]),
			count(max(0, n[call.Pending]+n[call.Lost]-open)), count(open))
	}
	g.print(a.stdout)
}

// sumReasons counts the parts of all reasons.
func sumReasons(by map[call.PartName]map[string]int) (n int) {
	for _, reasons := range by {
		for _, parts := range reasons {
			n += parts
		}
	}
	return n
}

// printReasons counts parts by why they are open, or lost, most first.
func (a *app) printReasons(what string, by map[call.PartName]map[string]int) {
	g := newGrid("  "+what, "reason", ">parts")
	rows := 0
	for _, name := range call.PartNames {
		reasons := by[name]
		for _, why := range slices.SortedFunc(maps.Keys(reasons), func(x, y string) int {
			return cmp.Or(reasons[y]-reasons[x], strings.Compare(x, y))
		}) {
			g.row("  "+string(name), clip(safe(why), 60), count(reasons[why]))
			rows++
		}
	}
	if rows > 0 {
		a.say("")
		g.print(a.stdout)
	}
}

// bullets lists sentences under a title; nothing when there are none.
func (a *app) bullets(title string, list []string) {
	if len(list) == 0 {
		return
	}
	a.say("\n%s", title)
	for _, text := range list {
		a.wrapped("  - ", safe(text))
	}
}

// printIDs names the first calls of total.
func (a *app) printIDs(title string, ids []call.ID, total int) {
	if total == 0 {
		return
	}
	a.say("\n%s", title)
	shown := ids[:min(len(ids), namedCalls)]
	for _, id := range shown {
		a.wrapped("  ", safe(string(id)))
	}
	if more := total - len(shown); more > 0 {
		a.say("  and %s more; callsyncd statement --json names up to %s", count(more), count(call.StatementRows))
	}
}

// printDays lists the days on which something is open or extra, or all, and
// their total.
func (a *app) printDays(days []call.StatementDay, all bool) {
	a.say("")
	g := newGrid("  day (UTC)", ">listed", ">extra", ">open parts", "reasons")
	var total call.StatementDay
	hidden := 0
	for _, d := range days {
		total.Listed += d.Listed
		total.Extra += d.Extra
		total.Open += d.Open
		if !all && d.Extra == 0 && d.Open == 0 {
			hidden++
			continue
		}
		g.row("  "+safe(d.Day), count(d.Listed), count(d.Extra), count(d.Open), clip(safe(reasonsOf(&d)), dayReasons))
	}
	g.row("  total", count(total.Listed), count(total.Extra), count(total.Open), "")
	g.print(a.stdout)
	if hidden > 0 {
		a.say("  %s with nothing open and nothing extra left out; --days lists them", plural(hidden, "day"))
	}
}

// dayReasons is how many columns the reasons of a day may take.
const dayReasons = 50

// reasonsOf counts the open parts of a day by reason.
func reasonsOf(d *call.StatementDay) string {
	sums := make(map[string]int)
	for _, reasons := range d.Reasons {
		for why, n := range reasons {
			sums[why] += n
		}
	}
	var list []string
	for _, why := range slices.Sorted(maps.Keys(sums)) {
		list = append(list, why+" "+count(sums[why]))
	}
	return strings.Join(list, ", ")
}

// apart puts two texts at the ends of a line.
func apart(left, right string) string {
	gap := pageWidth - utf8.RuneCountInString(left) - utf8.RuneCountInString(right)
	return left + strings.Repeat(" ", max(1, gap)) + right
}

// wrapped says text in lines of at most pageWidth; the first begins with
// first, the others are indented as far. A longer word is broken.
func (a *app) wrapped(first, text string) {
	room := pageWidth - utf8.RuneCountInString(first)
	line := []rune(text)
	for len(line) > room {
		at := room
		for at > 0 && line[at] != ' ' {
			at--
		}
		if at == 0 {
			at = room
		}
		a.say("%s%s", first, strings.TrimRight(string(line[:at]), " "))
		line = []rune(strings.TrimLeft(string(line[at:]), " "))
		first = strings.Repeat(" ", pageWidth-room)
	}
	a.say("%s%s", first, strings.TrimRight(string(line), " "))
}
