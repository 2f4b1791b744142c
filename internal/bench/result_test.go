package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriteResult checks that a case replaces its own result only. The page must have all results in the order of the cases, and the
// text around the tables must stay.
func TestWriteResult(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	page := filepath.Join(dir, pageFile)
	if err := os.WriteFile(page, []byte("before\n"+tablesBegin+"old\n"+tablesEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(caseName string, ratio float64, commit string) {
		t.Helper()
		res := pawlResult(caseName, fiveRounds(ratio, ratio, ratio), nil)
		res.Origin.Commit = commit
		if err := writeResult(dir, res); err != nil {
			t.Fatal(err)
		}
	}
	write("latency", 1.23, "aaa")
	write("end-to-end", 2.34, "aaa")
	write("latency", 3.45, "bbb") // replaces the first result

	results, err := readResults(filepath.Join(dir, resultsFile))
	if err != nil || len(results) != 2 {
		t.Fatalf("got %d results and the error %v, want 2 results", len(results), err)
	}
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.HasPrefix(text, "before\n"+tablesBegin) || !strings.HasSuffix(text, tablesEnd+"after\n") {
		t.Errorf("the text around the tables has changed:\n%s", text)
	}
	if strings.Contains(text, "old") || strings.Contains(text, "1.23") {
		t.Errorf("the page has an old result:\n%s", text)
	}
	first, second := strings.Index(text, "2.34"), strings.Index(text, "3.45")
	if first < 0 || second < first {
		t.Errorf("want the results 2.34 and 3.45 in this order:\n%s", text)
	}
	if !strings.Contains(text, "Commit aaa") || !strings.Contains(text, "Commit bbb") {
		t.Errorf("want both commits:\n%s", text)
	}
	for _, name := range []string{casesFile, growthFile} {
		if image, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(parseSVG(t, image)) == 0 {
			t.Errorf("%s: got %d bytes and the error %v, want an image", name, len(image), err)
		}
	}
}

// TestWriteResult_oldCase checks that the result of a case that no longer exists is dropped.
func TestWriteResult_oldCase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		pageFile: tablesBegin + tablesEnd, resultsFile: `[{"Case":"gone"}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeResult(dir, pawlResult("latency", fiveRounds(1, 1, 1), nil)); err != nil {
		t.Fatal(err)
	}
	results, err := readResults(filepath.Join(dir, resultsFile))
	isLatencyAlone := len(results) == 1 && results[0].Case == "latency"
	if err != nil || !isLatencyAlone {
		t.Errorf("got %+v and the error %v, want latency alone", results, err)
	}
}

// TestReplaceTables_noPlace checks pages that lack one of the two lines, or have them in the wrong order.
func TestReplaceTables_noPlace(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"", tablesBegin, tablesEnd, tablesEnd + tablesBegin} {
		if _, err := replaceTables([]byte(page), nil); err == nil {
			t.Errorf("%q: want an error", page)
		}
	}
}

// TestDescribeCommit checks that a new file in docs does not count as a change of the working tree, and that any other new file does.
func TestDescribeCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "-q"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "first"},
	} {
		if err := command(t.Context(), dir, "git", args...); err != nil {
			t.Fatal(err)
		}
	}
	describe := func() string {
		t.Helper()
		text, err := describeCommit(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	clean := describe()
	write("docs/performance.json")
	if got := describe(); clean == "" || got != clean {
		t.Errorf("got %q with a result in docs, want %q as without", got, clean)
	}
	write("main.go")
	if got, want := describe(), clean+" with changes"; got != want {
		t.Errorf("got %q with a new file, want %q", got, want)
	}
}

// TestFindModel checks the text of /proc/cpuinfo with two names, and without a name.
func TestFindModel(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: A: B\nprocessor\t: 1\nmodel name\t: C\n": "A: B",
		"processor\t: 0\nBogoMIPS\t: 50\n":                                      "unnamed processor",
	} {
		if got := findModel(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
