package crashpoint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// TestAllIsComplete compares the list with the constants in the source.
func TestAllIsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "crashpoint.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
			declared += len(d.Specs)
		}
		return true
	})
	if declared != len(All) {
		t.Errorf("%d points are declared, %d listed", declared, len(All))
	}
	if sorted := slices.Sorted(slices.Values(All)); len(slices.Compact(sorted)) != len(All) {
		t.Error("a point is listed twice")
	}
}

func TestReachTellsTheHook(t *testing.T) {
	Reach(CommitDone) // without a hook
	var got []Point
	OnReach(func(p Point) { got = append(got, p) })
	t.Cleanup(func() { OnReach(nil) })
	Reach(CommitPending)
	Reach(CommitDone)
	if !slices.Equal(got, []Point{CommitPending, CommitDone}) {
		t.Errorf("the hook heard %q", got)
	}
}

func BenchmarkReach(b *testing.B) {
	for b.Loop() {
		Reach(CommitDone)
	}
}
