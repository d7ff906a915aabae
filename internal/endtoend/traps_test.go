package endtoend

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/simulator"
)

// trap is something vendors do, without meaning harm, that has cost other
// archives data, and the tests that fail when we step into it.
type trap struct {
	name  string
	tests []string // "folder TestName"
}

// traps are in the order in which vendors were seen, or may be expected, to set them.
var traps = []trap{
	{"a signed URL differs at each read, which is no change of the call",
		[]string{"sync/provider TestFingerprint", "internal/endtoend TestFullRoundEqualsTheVendors"}},
	{"two calls arrive while a page is read",
		[]string{"sync TestArrivalsDuringAWalk"}},
	{"a call disappears while a page is read",
		[]string{"sync TestDisappearanceDuringAWalkIsNoticed", "sync TestVanishedCallHidesNoneInAListReadByOffset", "sync TestVanishAndArrivalInNumberedPagesAreReadAgain"}},
	{"a summary arrives half an hour later, with and without a time of update",
		[]string{"internal/endtoend TestLateSummaryIsArchived"}},
	{"a transcript that is said to exist answers 404 at first",
		[]string{"sync TestTranscriptPromisedThenGiven", "sync/provider TestTranscriptComesLate"}},
	{"a recording's URL expires between the list and the download",
		[]string{"sync TestRecordingLinksAreRenewed", "sync TestExpiredLinkIsNeverTried"}},
	{"the media host answers 200 with an error page, or with half of the recording",
		[]string{"store/media TestPutRefusesBody", "store/media TestSniffRefusesOtherContent", "sync/download TestBody"}},
	{"a walk is interrupted: the watermark stays and the rest is read later",
		[]string{"sync TestPassingTroubleLeavesTheWatermark", "sync TestInterruptedBackfillResumesAndIsProved"}},
	{"429 with a Retry-After in seconds, as a date, or without; limits per hour and day",
		[]string{"sync TestTransportObeys429", "sync TestBudgetNeverExceedsAnyWindow", "sync TestBudgetKeepsAReserveOfLongWindows", "sync TestSpentBudgetOutlivesTheProcess", "sync TestRetryAfterOutlivesTheProcess"}},
	{"a filter is ignored",
		[]string{"sync TestUnorderedListUsesAnObeyedWindow", "sync TestWindowThatIsNoLongerObeyed"}},
	{"older and newer names of fields in one result",
		[]string{"sync/provider TestGenerationsInOneList"}},
	{"a turn of several lines, and a line that merely contains a colon",
		[]string{"sync/provider TestTextTurns"}},
	{"no direction, duration or contact, an unknown status, numbers as texts",
		[]string{"sync/provider TestNumberOf", "sync/provider TestMapGolden", "simulator TestOddValuesArePlanted", "internal/endtoend TestFullRoundEqualsTheVendors"}},
	{"an empty result after a good one",
		[]string{"sync TestFalseListsAreNotBelieved", "sync TestMassDisappearanceMarksNothing"}},
	{"a token over plain http, or sent to the host of the recordings",
		[]string{"sync/provider TestCredentialsGoToTheAPIOnly", "sync/provider TestNewRefuses", "sync/download TestGetSendsNothingOfOurs"}},
}

// TestEveryTrapHasATest keeps the table true.
func TestEveryTrapHasATest(t *testing.T) {
	for i, trap := range traps {
		if len(trap.tests) == 0 {
			t.Errorf("trap %d has no test: %s", i+1, trap.name)
		}
		for _, place := range trap.tests {
			folder, test, _ := strings.Cut(place, " ")
			if !hasTest(t, folder, test) {
				t.Errorf("trap %d (%s): there is no %s in %s", i+1, trap.name, test, folder)
			}
		}
	}
	if hasTest(t, "internal/endtoend", "TestMain") || hasTest(t, "internal/endtoend", "TestOfNothing") {
		t.Error("a test is found that is none")
	}
}

// hasTest looks for a test function in the sources of a folder of the program.
func hasTest(t *testing.T, folder, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == test && isTest(f) {
				return true
			}
		}
	}
	return false
}

// isTest reports a function that go test runs: func TestX(t *testing.T).
func isTest(f *ast.FuncDecl) bool {
	params := f.Type.Params.List
	if f.Recv != nil || len(params) != 1 || len(params[0].Names) > 1 || f.Type.Results != nil {
		return false
	}
	pointer, ok := params[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	kind, ok := pointer.X.(*ast.SelectorExpr)
	return ok && kind.Sel.Name == "T"
}

// aheadClock is the machine's clock, set on.
type aheadClock struct {
	call.RealClock
	by time.Duration
}

func (c *aheadClock) Now() time.Time { return time.Now().Add(c.by) }

// TestLateSummaryIsArchived lets what a vendor makes of a call come half an hour
// after it. One vendor shows it by the call's time of update, the others do not.
func TestLateSummaryIsArchived(t *testing.T) {
	t.Parallel()
	clock := &aheadClock{}
	b := newBed(t, simulator.Options{Seed: 4, Calls: 10, Span: 48 * time.Hour, Late: 1, LateAfter: 30 * time.Minute, Growth: 10 * time.Minute, Now: clock.Now})
	o := b.options(t)
	o.Clock = clock
	a, err := service.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	clock.by = 15 * time.Minute
	syncAll(t, a, false)
	early := fromArchive(t, a)
	clock.by += time.Hour
	syncAll(t, a, false)
	late := fromArchive(t, a)
	came := make(map[call.SourceID]int)
	for key, was := range early {
		is := late[key]
		if was.Parts.Summary != call.Pending {
			continue
		}
		if is.Parts.Summary != call.Stored || is.Summary == nil {
			t.Errorf("%s: the summary is %s", key, is.Parts.Summary)
			continue
		}
		came[key.Source]++
		updated := is.UpdatedAt != nil && (was.UpdatedAt == nil || is.UpdatedAt.After(*was.UpdatedAt))
		if updated != (key.Source == "suresend") {
			t.Errorf("%s: the vendor showed an update: %t", key, updated)
		}
	}
	for _, v := range b.sim.Vendors() {
		if came[call.SourceID(v.Name)] == 0 {
			t.Errorf("%s: no summary came late", v.Name)
		}
	}
}
