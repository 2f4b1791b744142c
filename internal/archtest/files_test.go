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

// maxLines is the greatest number of lines that a file may have. A longer file has more than one subject.
const maxLines = 400

// vagueNames lists package names that do not say what is in the package. Such a package soon contains everything.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "manager"}

// A file holds the facts about a Go file that the checks need.
type file struct {
	path          string
	pkg           string // the name of the package
	lines         int
	isGenerated   bool
	sleeps        bool // see callsSleep
	namesCommands bool // the file is not generated, and a string in it names a command or a flag of pawl
}

// TestFiles checks every Go file of the module, whatever its build tags.
func TestFiles(t *testing.T) {
	files := goFiles(t, root)
	const minFiles = 10 // fewer files mean that root is wrong
	if len(files) < minFiles {
		t.Fatalf("got %d files, want at least %d", len(files), minFiles)
	}
	for _, f := range files {
		for _, fault := range f.faults() {
			t.Errorf("%s: %s", f.path, fault)
		}
	}
}

// TestCallsSleep checks that callsSleep finds a call of time.Sleep, except in files that use synctest.
func TestCallsSleep(t *testing.T) {
	for source, want := range map[string]bool{
		"package p\nimport \"time\"\nfunc f() { time.Sleep(1) }":                         true,
		"package p\nimport (\"time\"; \"testing/synctest\")\nfunc f() { time.Sleep(1) }": false,
		"package p\nimport \"time\"\nvar t = time.NewTicker(1)":                          false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := callsSleep(f); got != want {
			t.Errorf("got %v, want %v for the file\n%s", got, want, source)
		}
	}
}

// TestNamesCommand checks that namesCommand finds a command or a flag in a string.
func TestNamesCommand(t *testing.T) {
	for text, want := range map[string]bool{
		"run `pawl migrate` first": true,
		"raise --max-wait":         true,
		"a -- b":                   false,
		"the table pages":          false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "p.go", "package p\nconst c = "+strconv.Quote(text), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := namesCommand(f); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// TestFileFaults checks that faults finds each fault of a file, and finds none in a file without a fault.
func TestFileFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		file file
		want int // the number of faults
	}{
		"no fault":                {file: file{pkg: "ingest", lines: maxLines}, want: 0},
		"too long":                {file: file{pkg: "ingest", lines: maxLines + 1}, want: 1},
		"too long, but generated": {file: file{pkg: "dbsqlc", lines: maxLines + 1, isGenerated: true}, want: 0},
		"sleeps":                  {file: file{pkg: "ingest", sleeps: true}, want: 1},
		"a use case names a command": {
			file: file{path: "../../internal/app/ingest/run.go", pkg: "ingest", namesCommands: true}, want: 1,
		},
		"the command line names a command": {
			file: file{path: "../../internal/adapters/cli/run.go", pkg: "cli", namesCommands: true}, want: 0,
		},
		"vague package name":      {file: file{pkg: "utils", lines: 1}, want: 1},
		"vague test package name": {file: file{pkg: "helpers_test", lines: 1}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if faults := tt.file.faults(); len(faults) != tt.want {
				t.Fatalf("got faults %q, want %d", faults, tt.want)
			}
		})
	}
}

// faults returns one text for each fault of the file.
func (f file) faults() []string {
	var faults []string
	if f.lines > maxLines && !f.isGenerated {
		faults = append(faults, "the file is too long: split it by subject")
	}
	if slices.Contains(vagueNames, strings.TrimSuffix(f.pkg, "_test")) {
		faults = append(faults, "the package name "+f.pkg+" is vague: name the package for what it does")
	}
	if f.sleeps {
		faults = append(faults, "the file calls time.Sleep: wait for a signal, or poll with a ticker until a context ends")
	}
	if f.namesCommands && f.hasUserTexts() {
		faults = append(faults, "a string names a command or a flag, which only the command line may do: return a domain.Remedy")
	}
	return faults
}

// hasUserTexts reports whether the file is outside the command line and has strings that users may see. It returns false for tests.
func (f file) hasUserTexts() bool {
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

// commandOrFlag finds a command of pawl after a backquote. It also finds a flag, but not behind a hyphen or a character of a word.
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

// goFiles returns the Go files below dir, whatever their build tags. It skips hidden folders and testdata.
func goFiles(t *testing.T, dir string) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != dir && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		f, err := readFile(path)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// readFile parses a Go file and returns the facts about it.
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
		path:          path,
		pkg:           parsed.Name.Name,
		lines:         bytes.Count(text, []byte("\n")),
		isGenerated:   ast.IsGenerated(parsed),
		sleeps:        callsSleep(parsed),
		namesCommands: namesCommand(parsed) && !ast.IsGenerated(parsed),
	}, nil
}

// callsSleep reports whether the file calls time.Sleep. It returns false if the file uses synctest, because sleeping takes no time
// in a synctest bubble.
func callsSleep(f *ast.File) bool {
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
