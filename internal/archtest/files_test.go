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

// maxLines is the length from which a file tells more than one subject.
const maxLines = 400

// meaningless lists package names that do not say what is inside, and so attract everything.
var meaningless = []string{"util", "utils", "common", "helper", "helpers", "misc", "manager"}

type file struct {
	path, pkg string
	lines     int
	generated bool
	sleeps    bool // outside a file that uses synctest, where sleeping takes no time
	commands  bool // a text names a command or a flag of pawl
}

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

func TestSleepingIsFound(t *testing.T) {
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
			t.Errorf("sleeps: %v\n%s", !want, source)
		}
	}
}

func TestCommandsAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"run `pawl migrate` first": true, "raise --max-wait": true, "a -- b": false, "the table pages": false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "p.go", "package p\nconst c = "+strconv.Quote(text), 0)
		if err != nil {
			t.Fatal(err)
		}
		if namesCommand(f) != want {
			t.Errorf("names a command: %v in %q", !want, text)
		}
	}
}

func TestPlantedFilesAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		file file
		want int
	}{
		"as it should be":   {file{pkg: "ingest", lines: maxLines}, 0},
		"too long":          {file{pkg: "ingest", lines: maxLines + 1}, 1},
		"generated":         {file{pkg: "dbsqlc", lines: 9000, generated: true}, 0},
		"sleeping":          {file{pkg: "ingest", sleeps: true}, 1},
		"a command":         {file{path: "../../internal/app/ingest/run.go", pkg: "ingest", commands: true}, 1},
		"the command line":  {file{path: "../../internal/adapters/cli/run.go", pkg: "cli", commands: true}, 0},
		"meaningless":       {file{pkg: "utils", lines: 1}, 1},
		"meaningless tests": {file{pkg: "helpers_test", lines: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if faults := c.file.faults(); len(faults) != c.want {
				t.Fatalf("faults: %v", faults)
			}
		})
	}
}

func (f file) faults() []string {
	var faults []string
	if f.lines > maxLines && !f.generated {
		faults = append(faults, "more than one subject: split it")
	}
	if slices.Contains(meaningless, strings.TrimSuffix(f.pkg, "_test")) {
		faults = append(faults, "a package is named for what it does, not "+f.pkg)
	}
	if f.sleeps {
		faults = append(faults, "wait for a signal, or poll with a ticker under a context; never sleep")
	}
	if f.commands && f.speaksToUsers() {
		faults = append(faults, "only the command line knows commands and flags: return a domain.Remedy")
	}
	return faults
}

// speaksToUsers reports whether the file's texts can reach a user without the command line having worded them.
func (f file) speaksToUsers() bool {
	path := filepath.ToSlash(f.path)
	if strings.HasSuffix(path, "_test.go") {
		return false
	}
	for _, dir := range []string{"internal/domain/", "internal/app/", "internal/adapters/datasync/", "internal/adapters/postgres/", "internal/adapters/telemetry/"} {
		if strings.Contains(path, dir) {
			return true
		}
	}
	return false
}

// commandOrFlag matches a command or a flag of pawl in a text.
var commandOrFlag = regexp.MustCompile("`pawl |(^|[^-\\w])--[a-z]")

// namesCommand reports whether a text of the file names a command or a flag of pawl.
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

// goFiles reads the module's files, whatever their build tags.
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
		f, err := read(path)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(path string) (file, error) {
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
