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
	// tableStatement finds a statement that creates or alters a table. Group 2 is the table, and group 3 its definition.
	tableStatement = regexp.MustCompile(`(?s)(CREATE TABLE|ALTER TABLE) (\w+)(.*?);\n`)
	// newColumn finds a column in such a statement. Group 1 is its name.
	//nolint:gocritic // (?m): ^ begins a line
	newColumn = regexp.MustCompile(`(?m)(?:^    |ADD COLUMN )(\w+)\s+(?:uuid|text|jsonb|bytea|bigint|boolean|timestamptz)\b`)
	// tableSection finds the section about a table in the page about tables. Group 1 is the table, and group 2 the text.
	//nolint:gocritic // (?m): ^ begins a line
	tableSection = regexp.MustCompile(`(?ms)^## (\w+)$(.*?)(?:^## |\z)`)
	// columnRow finds the row of a column in such a section. Group 1 is the column. The last cell must not be empty.
	columnRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| \\w+ \\| .")
)

// wrongColumns returns the columns that the migrations create but the page about tables does not explain. It also returns the columns
// that this page explains but the migrations do not create.
func wrongColumns(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	const page = "docs/reference/tables.md"
	isCreated, isExplained := map[string]bool{}, map[string]bool{} // by "table.column"
	for _, file := range filesIn(t, repo, "db/migrations", ".sql") {
		up, _, _ := strings.Cut(textOf(t, repo, file), "-- migrate:down")
		for _, statement := range tableStatement.FindAllStringSubmatch(up, -1) {
			table, definition := statement[2], statement[3]
			for _, column := range newColumn.FindAllStringSubmatch(definition, -1) {
				isCreated[table+"."+column[1]] = true
			}
		}
	}
	rest := textOf(t, repo, page)
	for {
		// Group n of tableSection is between section[2*n] and section[2*n+1].
		section := tableSection.FindStringSubmatchIndex(rest)
		if section == nil {
			break
		}
		table, text := rest[section[2]:section[3]], rest[section[4]:section[5]]
		for _, row := range columnRow.FindAllStringSubmatch(text, -1) {
			isExplained[table+"."+row[1]] = true
		}
		rest = rest[section[5]:] // begins with the heading of the next section
	}
	for column := range isCreated {
		if !isExplained[column] {
			faults = append(faults, page+": "+column+" is not explained")
		}
	}
	for column := range isExplained {
		if !isCreated[column] {
			faults = append(faults, page+": there is no column "+column)
		}
	}
	return faults
}

// identifier matches an exported name such as domain.New or domain.Event.ID. Group 1 is the package.
var identifier = regexp.MustCompile(`^([a-z]+)\.([A-Z]\w*)(?:\.([A-Z]\w*))?$`)

// unknownIdentifiers returns the exported names that the page about the architecture uses but the code does not have. Such a name is
// domain.Checkpoint.CheckMove, for example.
func unknownIdentifiers(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	const page = "docs/architecture.md"
	known := map[string]map[string]bool{} // for each package: the result of declaredNames
	for _, found := range codeSpan.FindAllStringSubmatch(textOf(t, repo, page), -1) {
		code := found[1]
		match := identifier.FindStringSubmatch(code)
		if match == nil {
			continue
		}
		pkg := match[1]
		if known[pkg] == nil {
			known[pkg] = declaredNames(t, repo, pkg)
		}
		if !known[pkg][strings.TrimPrefix(code, pkg+".")] {
			faults = append(faults, page+": there is no "+code)
		}
	}
	return faults
}

// declaredNames returns the names of the types, functions, methods, fields, constants and variables in the package with the name
// pkg. A method or field has the name of its type and a dot before it. If several packages have the name pkg, it returns the names in
// all of them.
func declaredNames(t *testing.T, repo fs.FS, pkg string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, file := range filesIn(t, repo, ".", ".go") {
		if path.Base(path.Dir(file)) != pkg || strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, decl := range parse(t, repo, file).Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				names[receiverPrefix(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					addSpec(names, spec)
				}
			}
		}
	}
	return names
}

// receiverPrefix returns the name of a method's type and a dot. It returns an empty text for a function.
func receiverPrefix(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typeName := ""
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && typeName == "" { // a second name is a type parameter
			typeName = id.Name
		}
		return true
	})
	return typeName + "."
}

// addSpec adds the names that a declaration declares, with the fields or methods of a type.
func addSpec(names map[string]bool, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names[name.Name] = true
		}
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		var members *ast.FieldList
		switch typeExpr := s.Type.(type) {
		case *ast.StructType:
			members = typeExpr.Fields
		case *ast.InterfaceType:
			members = typeExpr.Methods
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

// testName finds the name of a test between backquotes. Group 1 is the name.
var testName = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")

// unknownTests returns the tests that docs/guarantees.md cites but that do not exist. It finds tests behind build tags too.
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
			faults = append(faults, page+": there is no test "+cited[1])
		}
	}
	return faults
}

// TestGuaranteesCiteTests checks that docs/guarantees.md cites tests at all. TestDocs checks that these tests exist.
func TestGuaranteesCiteTests(t *testing.T) {
	t.Parallel()
	const minCitations = 10 // fewer citations mean that testName does not find them
	cited := testName.FindAllString(textOf(t, os.DirFS(root), "docs/guarantees.md"), -1)
	if len(cited) < minCitations {
		t.Fatalf("got %d citations of tests, want at least %d", len(cited), minCitations)
	}
}
