package endtoend

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"testing"

	"callsyncd/call"
)

// attack is one thing a vendor or media host can do to us. Those of the same
// account share it. What a whole program cannot be shown is tested elsewhere.
type attack struct {
	number int // of the list of attacks, 38 to 52
	name   string
	// account is the source it happens to; empty means one of its own.
	account string
	do      func(r *rogue)
	check   func(t *testing.T, o *outcome)
	// elsewhere names the test, as "folder TestName", instead of do and check.
	elsewhere string
	// most is how many API requests the first round may cost; 0 means usual.
	most int64
}

// usual is the bound of requests where a row sets none: a walk is tried three
// times, each request four times, and names are asked for besides.
const usual = 25

func (a *attack) source() string {
	if a.account != "" {
		return a.account
	}
	return strings.ReplaceAll(fmt.Sprintf("c%d-%.27s", a.number, a.name), "_", "-")
}

const firstAttack, lastAttack = 38, 52

// attacks is the whole table, in the order of its numbers.
func attacks() []attack {
	return slices.Concat(addresses(), redirects(), bodies(), identities(), pagings(), refusals())
}

// TestEveryAttackHasATest keeps the table whole, and its pointers true.
func TestEveryAttackHasATest(t *testing.T) {
	seen := make(map[int]bool)
	names := make(map[string]bool)
	for _, a := range attacks() {
		seen[a.number] = true
		name := fmt.Sprintf("%d/%s", a.number, a.name)
		if names[name] {
			t.Errorf("%s is there twice", name)
		}
		names[name] = true
		if a.elsewhere == "" {
			if a.check == nil {
				t.Errorf("%s checks nothing", name)
			}
			continue
		}
		folder, test, _ := strings.Cut(a.elsewhere, " ")
		if !hasTest(t, folder, test) {
			t.Errorf("%s: there is no %s in %s", name, test, folder)
		}
	}
	for n := firstAttack; n <= lastAttack; n++ {
		if !seen[n] {
			t.Errorf("attack %d is missing", n)
		}
	}
}

// TestHostileVendors lets every account of the table do its worst at once,
// beside one that is honest: whatever they do stays with them.
func TestHostileVendors(t *testing.T) {
	t.Parallel() // it mostly waits, for vendors that are asked again
	var standard bytes.Buffer
	log.SetOutput(&standard) // where net/http complains; the program discards it
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	h := newHostile(t)
	honest := h.rogue("honest")
	for i := range 30 {
		honest.add(fmt.Sprintf("call-%d", i), nil)
	}
	table := attacks()
	for i := range table {
		if table[i].elsewhere == "" {
			table[i].do(h.rogue(table[i].source()))
		}
	}
	a := h.open(t)
	out := h.round(t, a)

	for i := range table {
		row := &table[i]
		t.Run(fmt.Sprintf("%d/%s", row.number, row.name), func(t *testing.T) {
			if row.elsewhere != "" {
				t.Skip("see " + row.elsewhere)
			}
			o := out[row.source()]
			row.check(t, o)
			if n := o.rogue.requests.Load(); n > cmp.Or(row.most, usual) {
				t.Errorf("%d requests in one round", n)
			}
			if n := o.rogue.downloads.Load(); n > int64(12*max(1, len(o.calls))) {
				t.Errorf("%d downloads in one round for %d calls", n, len(o.calls))
			}
		})
	}
	t.Run("the honest vendor is complete", func(t *testing.T) {
		o := out["honest"]
		if !o.report.Complete || !o.status.Green || len(o.calls) != len(honest.calls) {
			t.Errorf("%s %s", toJSON(t, o.report), toJSON(t, o.status))
		}
	})
	t.Run("no secret anywhere, nothing outside the data folder", func(t *testing.T) { h.seekAll(t, a) })
	t.Run("the archive is whole", func(t *testing.T) {
		verify(t, a)
		if status, err := a.Status(context.Background()); err != nil || status.Index.Lag != 0 {
			t.Errorf("index: %+v %v", status.Index, err)
		}
	})
	if testing.Verbose() {
		for _, name := range h.names {
			o := out[name]
			t.Logf("%-32s %3d calls %3d requests %3d downloads %4.1f s  %s", name, len(o.calls), o.rogue.requests.Load(), o.rogue.downloads.Load(), o.report.Seconds, o.report.Error)
		}
		_, _ = io.Copy(os.Stdout, &standard)
	}
}

// suspicious checks a round that must not be believed: the error names the
// source and says this, the status is red and says so too, the exit code would
// not be 0.
func suspicious(calls int, says ...string) func(*testing.T, *outcome) {
	return func(t *testing.T, o *outcome) {
		t.Helper()
		if o.report.Complete || o.report.Err == nil || o.status.Green {
			t.Errorf("complete %t, error %q, green %t", o.report.Complete, o.report.Error, o.status.Green)
		}
		if !strings.Contains(o.report.Error, "source "+o.rogue.name) {
			t.Errorf("the error does not name the source: %s", o.report.Error)
		}
		for _, c := range o.calls {
			if c.DeletedUpstreamAt != nil {
				t.Errorf("%s is marked as deleted", c.Key)
			}
		}
		problems := strings.Join(o.status.Problems, "\n")
		if given := []string{"the next walk asks again", "was given up", "nothing was marked complete", "credentials refused"}; !slices.ContainsFunc(given, func(words string) bool { return strings.Contains(o.report.Error, words) }) {
			t.Errorf("the error does not say what becomes of it: %s", o.report.Error)
		}
		for _, words := range says {
			if !strings.Contains(o.report.Error, words) || !strings.Contains(problems, words) {
				t.Errorf("%q is not said:\n%s\n%s", words, o.report.Error, problems)
			}
		}
		if len(o.calls) != calls {
			t.Errorf("%d calls stored, want %d", len(o.calls), calls)
		}
	}
}

// believed checks a round that found nothing wrong, and everything.
func believed(calls int) func(*testing.T, *outcome) {
	return func(t *testing.T, o *outcome) {
		t.Helper()
		if !o.report.Complete || !o.status.Green {
			t.Errorf("not complete: %s %q", o.report.Error, o.status.Problems)
		}
		if len(o.calls) != calls {
			t.Errorf("%d calls stored, want %d", len(o.calls), calls)
		}
	}
}

// unrecorded checks that the recording of a call is not there, and why.
func unrecorded(id, state string) func(*testing.T, *outcome) {
	return func(t *testing.T, o *outcome) {
		t.Helper()
		if got := o.recording(t, id); got != state {
			t.Errorf("the recording is %q, want %q", got, state)
		}
		if c := o.calls[call.ID(id)]; c.Recording != nil && c.Recording.File != nil {
			t.Errorf("a file is stored: %s", *c.Recording.File)
		}
		if o.report.Complete || o.status.Green {
			t.Error("complete without it")
		}
	}
}
