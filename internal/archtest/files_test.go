package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// maxLines is the maximum length of a file. A longer one has more than one subject.
const maxLines = 400

// vagueNames lists package names that do not say what is inside, and so attract everything.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "manager"}

// A file is what the checks need to know of a Go file.
type file struct {
	path, pkg string
	lines     int
	generated bool
	sleeps    bool // calls time.Sleep and does not use synctest, with which sleeping takes no time
	commands  bool // a string names a command or a flag of pawl
}

// TestFiles checks every Go file of the module, whatever its build tags.
func TestFiles(t *testing.T) {
	files := goFiles(t, "../..")
	if len(files) < 10 {
		t.Fatalf("only %d files found", len(files))
	}
	for _, f := range files {
		for _, fault := range f.faults() {
			t.Errorf("%s: %s", f.path, fault)
		}
	}
}

// TestSleeps checks that a call of time.Sleep is found, except in files that use synctest.
func TestSleeps(t *testing.T) {
	for source, want := range map[string]bool{
		"package p\nimport \"time\"\nfunc f() { time.Sleep(1) }":                         true,
		"package p\nimport (\"time\"; \"testing/synctest\")\nfunc f() { time.Sleep(1) }": false,
		"package p\nimport \"time\"\nvar t = time.NewTicker(1)":                          false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if sleeps(f) != want {
			t.Errorf("got %v, want %v\n%s", !want, want, source)
		}
	}
}

// TestNamesCommand checks that a command or a flag in a string is found.
func TestNamesCommand(t *testing.T) {
	for text, want := range map[string]bool{
		"run `pawl migrate` first": true, "raise --max-wait": true, "a -- b": false, "the table pages": false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "p.go", "package p\nconst c = "+strconv.Quote(text), 0)
		if err != nil {
			t.Fatal(err)
		}
		if namesCommand(f) != want {
			t.Errorf("%q: got %v, want %v", text, !want, want)
		}
	}
}

// TestFileFaults checks that each fault of a file is found.
func TestFileFaults(t *testing.T) {
	for name, c := range map[string]struct {
		file file
		want int
	}{
		"no fault":         {file{pkg: "ingest", lines: maxLines}, 0},
		"too long":         {file{pkg: "ingest", lines: maxLines + 1}, 1},
		"generated":        {file{pkg: "dbsqlc", lines: 9000, generated: true}, 0},
		"sleeping":         {file{pkg: "ingest", sleeps: true}, 1},
		"a command":        {file{path: "../../internal/app/ingest/run.go", pkg: "ingest", commands: true}, 1},
		"the command line": {file{path: "../../internal/adapters/cli/run.go", pkg: "cli", commands: true}, 0},
		"vague":            {file{pkg: "utils", lines: 1}, 1},
		"vague tests":      {file{pkg: "helpers_test", lines: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if faults := c.file.faults(); len(faults) != c.want {
				t.Fatalf("got faults %v, want %d", faults, c.want)
			}
		})
	}
}

// faults returns what is wrong with the file, in words.
func (f file) faults() []string {
	var faults []string
	if f.lines > maxLines && !f.generated {
		faults = append(faults, "too long: split it by subject")
	}
	if slices.Contains(vagueNames, strings.TrimSuffix(f.pkg, "_test")) {
		faults = append(faults, "name the package for what it does, not "+f.pkg)
	}
	if f.sleeps {
		faults = append(faults, "wait for a signal, or poll with a ticker under a context; never sleep")
	}
	if f.commands && f.reportsToUsers() {
		faults = append(faults, "only the command line may name commands and flags: return a domain.Remedy")
	}
	return faults
}

// reportsToUsers reports whether the file's strings can reach a user unchanged, without the command line wording them.
func (f file) reportsToUsers() bool {
	path := filepath.ToSlash(f.path)
	if strings.HasSuffix(path, "_test.go") {
		return false
	}
	for _, dir := range []string{
		"internal/domain/", "internal/app/", "internal/adapters/datasync/", "internal/adapters/postgres/", "internal/adapters/telemetry/",
	} {
		if strings.Contains(path, dir) {
			return true
		}
	}
	return false
}

// commandOrFlag matches a command or a flag of pawl in a string.
var commandOrFlag = regexp.MustCompile("`pawl |(^|[^-\\w])--[a-z]")

// namesCommand reports whether a string of the file names a command or a flag of pawl.
func namesCommand(f *ast.File) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			found = found || (err == nil && commandOrFlag.MatchString(text))
		}
		return !found
	})
	return found
}

// goFiles returns the Go files below root, whatever their build tags. It skips hidden folders and testdata.
func goFiles(t *testing.T, root string) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		f, err := readFile(path)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readFile(path string) (file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return file{}, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
	if err != nil {
		return file{}, err
	}
	return file{
		path:      path,
		pkg:       parsed.Name.Name,
		lines:     bytes.Count(text, []byte("\n")),
		generated: ast.IsGenerated(parsed),
		sleeps:    sleeps(parsed),
		commands:  namesCommand(parsed) && !ast.IsGenerated(parsed),
	}, nil
}

// sleeps reports whether the file calls time.Sleep and does not use synctest.
func sleeps(f *ast.File) bool {
	for _, imported := range f.Imports {
		if imported.Path.Value == `"testing/synctest"` {
			return false
		}
	}
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
			pkg, ok := sel.X.(*ast.Ident)
			found = found || (ok && pkg.Name == "time")
		}
		return !found
	})
	return found
}
