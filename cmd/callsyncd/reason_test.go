package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"
)

// TestReasonsAreExplained: every reason the engine can write to a part that is
// pending has its words, those with an HTTP status left out.
func TestReasonsAreExplained(t *testing.T) {
	spoken := 0
	for _, file := range []string{"settle.go", "recordings.go", "hosts.go", "remap.go", "refused.go", "download/errors.go"} {
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../../sync", file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, reason := range reasonsIn(tree) {
			if spoken++; reasonWords[reason] == "" {
				t.Errorf("sync/%s: nobody says what %q means", file, reason)
			}
		}
	}
	if spoken < 10 {
		t.Errorf("only %d reasons found", spoken)
	}
	for _, reason := range []string{"checksum", "too_large", "bad_url", "forbidden", "gone"} { // named elsewhere
		if reasonWords[reason] == "" {
			t.Errorf("nobody says what %q means", reason)
		}
	}
}

// reasonsIn are the texts returned by the functions that name reasons, and the
// reasons of parts written as pending.
func reasonsIn(tree *ast.File) (reasons []string) {
	add := func(e ast.Expr) {
		if text, ok := e.(*ast.BasicLit); ok && text.Kind == token.STRING {
			if reason, err := strconv.Unquote(text.Value); err == nil {
				reasons = append(reasons, reason)
			}
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "PartReason" || n.Name.Name == "failureReason" {
				ast.Inspect(n, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
						add(r.Results[0])
					}
					return true
				})
			}
		case *ast.CompositeLit:
			var pending bool
			var reason ast.Expr
			for _, e := range n.Elts {
				pair, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				value, _ := pair.Value.(*ast.SelectorExpr)
				pending = pending || value != nil && value.Sel.Name == "Pending"
				if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Reason" {
					reason = pair.Value
				}
			}
			if pending {
				add(reason)
			}
		}
		return true
	})
	return reasons
}
