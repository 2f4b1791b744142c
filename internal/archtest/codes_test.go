package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestErrorsHaveCodes checks that the code sets a code in each domain.Error, so that every message can be looked up. Tests and the
// fakes for tests need no code.
func TestErrorsHaveCodes(t *testing.T) {
	t.Parallel()
	repo := os.DirFS(root)
	found := 0
	for _, file := range filesIn(t, repo, ".", ".go") {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "internal/domain/domaintest/") {
			continue
		}
		errorsInFile, withoutCode := countErrors(parse(t, repo, file))
		found += errorsInFile
		if withoutCode > 0 {
			t.Errorf("%s: got %d literals of domain.Error without the field Code, want none", file, withoutCode)
		}
	}
	const minErrors = 50 // fewer errors mean that countErrors does not find them
	if found < minErrors {
		t.Errorf("got %d literals of domain.Error, want at least %d", found, minErrors)
	}
}

// TestCountErrors checks that countErrors finds literals of domain.Error and those without a code.
func TestCountErrors(t *testing.T) {
	t.Parallel()
	for source, want := range map[string][2]int{
		"package p\nvar e = &domain.Error{Kind: k, Op: o}":          {1, 1},
		"package p\nvar e = domain.Error{Kind: k, Code: c}":         {1, 0},
		"package domain\nvar e = &Error{Kind: k}":                   {1, 1},
		"package p\nvar e = &Error{Kind: k}":                        {0, 0},
		"package p\nvar e, f = errors.AsType[*domain.Error](cause)": {0, 0},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if all, withoutCode := countErrors(file); all != want[0] || withoutCode != want[1] {
			t.Errorf("got %d literals, %d without a code, want %v in\n%s", all, withoutCode, want, source)
		}
	}
}

// countErrors counts the literals of domain.Error in a file, and those without the field Code.
func countErrors(file *ast.File) (all, withoutCode int) {
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok || !isDomainError(literal.Type, file.Name.Name) {
			return true
		}
		all++
		for _, element := range literal.Elts {
			pair, isPair := element.(*ast.KeyValueExpr)
			if !isPair {
				continue
			}
			if key, isName := pair.Key.(*ast.Ident); isName && key.Name == "Code" {
				return true
			}
		}
		withoutCode++
		return true
	})
	return all, withoutCode
}

// isDomainError reports whether a type in a file of package pkg is domain.Error.
func isDomainError(expr ast.Expr, pkg string) bool {
	switch e := expr.(type) {
	case *ast.Ident:
		return pkg == "domain" && e.Name == "Error"
	case *ast.SelectorExpr:
		qualifier, ok := e.X.(*ast.Ident)
		return ok && qualifier.Name == "domain" && e.Sel.Name == "Error"
	}
	return false
}
