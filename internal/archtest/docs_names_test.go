package archtest

import (
	"go/ast"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	migrated  = regexp.MustCompile(`(?s)(CREATE TABLE|ALTER TABLE) (\w+)(.*?);\n`)
	newColumn = regexp.MustCompile(`(?m)(?:^    |ADD COLUMN )(\w+)\s+(?:uuid|text|jsonb|bytea|bigint|boolean|timestamptz)\b`) //nolint:gocritic // (?m): ^ begins a line
	tablePart = regexp.MustCompile(`(?ms)^## (\w+)$(.*?)(?:^## |\z)`)                                                         //nolint:gocritic // (?m): ^ begins a line
	columnRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| \\w+ \\| .")
)

// wrongColumns returns the columns that the migrations make and the page about tables does not explain, and the other way
// round.
func wrongColumns(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	const page = "docs/reference/tables.md"
	made, explained := map[string]bool{}, map[string]bool{}
	for _, file := range filesIn(t, repo, "db/migrations", ".sql") {
		up, _, _ := strings.Cut(textOf(t, repo, file), "-- migrate:down")
		for _, statement := range migrated.FindAllStringSubmatch(up, -1) {
			for _, column := range newColumn.FindAllStringSubmatch(statement[3], -1) {
				made[statement[2]+"."+column[1]] = true
			}
		}
	}
	text := textOf(t, repo, page)
	for rest := text; ; {
		part := tablePart.FindStringSubmatchIndex(rest)
		if part == nil {
			break
		}
		for _, row := range columnRow.FindAllStringSubmatch(rest[part[4]:part[5]], -1) {
			explained[rest[part[2]:part[3]]+"."+row[1]] = true
		}
		rest = rest[part[5]:]
	}
	for column := range made {
		if !explained[column] {
			faults = append(faults, page+": "+column+" is not explained")
		}
	}
	for column := range explained {
		if !made[column] {
			faults = append(faults, page+": there is no column "+column)
		}
	}
	return faults
}

var identifier = regexp.MustCompile(`^([a-z]+)\.([A-Z]\w*)(?:\.([A-Z]\w*))?$`)

// unknownIdentifiers returns the exported names, as in `domain.Checkpoint.CheckMove`, that the page about the code uses
// and the code does not have.
func unknownIdentifiers(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	const page = "docs/architecture.md"
	known := map[string]map[string]bool{} // by package
	for _, used := range span.FindAllStringSubmatch(textOf(t, repo, page), -1) {
		name := identifier.FindStringSubmatch(used[1])
		if name == nil {
			continue
		}
		if known[name[1]] == nil {
			known[name[1]] = exported(t, repo, name[1])
		}
		if !known[name[1]][strings.TrimPrefix(used[1], name[1]+".")] {
			faults = append(faults, page+": there is no "+used[1])
		}
	}
	return faults
}

// exported returns the exported names of the packages of a name: types, functions, methods, fields, constants, variables.
func exported(t *testing.T, repo fs.FS, pkg string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, file := range filesIn(t, repo, ".", ".go") {
		if path.Base(path.Dir(file)) != pkg || strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, decl := range parse(t, repo, file).Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				names[receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					addSpec(names, spec)
				}
			}
		}
	}
	return names
}

// receiver returns the type of a method with a dot, empty for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	name := ""
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name + "."
		}
		return true
	})
	return name
}

func addSpec(names map[string]bool, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names[name.Name] = true
		}
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		var members *ast.FieldList
		switch of := s.Type.(type) {
		case *ast.StructType:
			members = of.Fields
		case *ast.InterfaceType:
			members = of.Methods
		default:
			return
		}
		for _, member := range members.List {
			for _, name := range member.Names {
				names[s.Name.Name+"."+name.Name] = true
			}
		}
	}
}

var testName = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")

// unknownTests returns the tests that docs/guarantees.md cites and that do not exist, those behind build tags included.
func unknownTests(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	const page = "docs/guarantees.md"
	tests := map[string]bool{}
	for _, file := range filesIn(t, repo, ".", "_test.go") {
		for _, decl := range parse(t, repo, file).Decls {
			if function, ok := decl.(*ast.FuncDecl); ok && function.Recv == nil {
				tests[function.Name.Name] = true
			}
		}
	}
	for _, cited := range testName.FindAllStringSubmatch(textOf(t, repo, page), -1) {
		if !tests[cited[1]] {
			faults = append(faults, page+": there is no "+cited[1])
		}
	}
	return faults
}

// TestGuaranteesNameTests demands that the guarantees cite tests at all; that these exist is one of docChecks.
func TestGuaranteesNameTests(t *testing.T) {
	t.Parallel()
	cited := testName.FindAllString(textOf(t, os.DirFS(root), "docs/guarantees.md"), -1)
	if len(cited) < 10 {
		t.Fatalf("got %d cited tests, want at least 10", len(cited))
	}
}
