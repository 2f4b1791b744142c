package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A result is what one case measured: lines if the case compares pawl with a reference, else figures.
type result struct {
	Case    string
	Origin  origin
	Lines   []line
	Figures []figure
}

// A figure is one number that is not a comparison with a reference.
type figure struct {
	Name     string
	Unit     string
	Decimals int // the decimals to show
	Value    estimate
	Goal     *goal `json:"Bar"` // nil if there is no goal
}

// An origin says what was measured, when and where.
type origin struct {
	Commit  string // of the working tree
	Date    string
	Machine string
}

// describeOrigin returns the origin of results that are measured now, with the server db.
func describeOrigin(ctx context.Context, db *database) (origin, error) {
	commit, err := describeCommit(ctx, ".")
	if err != nil {
		return origin{}, err
	}
	var postgres string
	if err := db.query(ctx, template, "SELECT split_part(current_setting('server_version'), ' ', 1)", &postgres); err != nil {
		return origin{}, err
	}
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return origin{}, err
	}
	return origin{
		Commit: commit,
		Date:   time.Now().UTC().Format(time.DateOnly),
		Machine: fmt.Sprintf("%s, %d cores, %s/%s, PostgreSQL %s, %s", findModel(string(cpu)), runtime.NumCPU(), runtime.GOOS,
			runtime.GOARCH, postgres, runtime.Version()),
	}, nil
}

// describeCommit returns the commit of the working tree in dir, followed by "with changes" if the tree has changes. It ignores changes in
// docs, because they cannot change what is measured, and because -write makes some.
func describeCommit(ctx context.Context, dir string) (string, error) {
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		text, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w", args[0], err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	commit, err := git("rev-parse", "--short", "HEAD")
	if err != nil {
		return "", err
	}
	changes, err := git("status", "--porcelain", "--", ".", ":(exclude)"+docsDir)
	if err != nil {
		return "", err
	}
	if changes != "" {
		commit += " with changes"
	}
	return commit, nil
}

// findModel returns the name of the first processor in the text of /proc/cpuinfo, which has no names on some architectures.
func findModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unnamed processor"
}

// The files in docs that the results are written into. The page and the charts are generated from the JSON file, which holds the last
// result of each case.
const (
	docsDir     = "docs"
	resultsFile = "performance.json"
	pageFile    = "performance.md"
	casesFile   = "performance-cases.svg"
	growthFile  = "performance-growth.svg"
)

// writeResult replaces the result of one case in the files in dir. The results of other cases stay, except those of cases that no longer
// exist.
func writeResult(dir string, res result) error {
	results, err := readResults(filepath.Join(dir, resultsFile))
	if err != nil {
		return err
	}
	results = slices.DeleteFunc(results, func(r result) bool { return r.Case == res.Case })
	results = append(results, res)
	cases := allCases()
	place := func(r result) int { return slices.IndexFunc(cases, func(c benchCase) bool { return c.name == r.Case }) }
	results = slices.DeleteFunc(results, func(r result) bool { return place(r) < 0 }) // the case no longer exists
	slices.SortFunc(results, func(a, b result) int { return place(a) - place(b) })
	stored, err := json.MarshalIndent(results, "", "\t")
	if err != nil {
		return err
	}
	page, err := os.ReadFile(filepath.Join(dir, pageFile))
	if err != nil {
		return err
	}
	page, err = replaceTables(page, results)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		resultsFile: append(stored, '\n'), pageFile: page, casesFile: drawCases(results), growthFile: drawGrowth(results),
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// readResults reads results from a JSON file. It returns no results if the file does not exist.
func readResults(path string) ([]result, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var results []result
	if err := json.Unmarshal(data, &results); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return results, nil
}

// What `make bench` writes into the page stands between these lines.
const (
	tablesBegin = "<!-- Written by make bench WRITE=1 -->\n"
	tablesEnd   = "<!-- End of what make bench writes -->\n"
)

// replaceTables returns the page with the results in place of the text between tablesBegin and tablesEnd.
func replaceTables(page []byte, results []result) ([]byte, error) {
	before, rest, hasBegin := bytes.Cut(page, []byte(tablesBegin))
	_, after, hasEnd := bytes.Cut(rest, []byte(tablesEnd))
	if !hasBegin || !hasEnd {
		return nil, fmt.Errorf("%s does not hold the lines %q and %q", pageFile, tablesBegin, tablesEnd)
	}
	var text bytes.Buffer
	text.Write(before)
	text.WriteString(tablesBegin + "\n" + formatOrigins(results) + "\n" + formatTables(results) + "\n" + tablesEnd)
	text.Write(after)
	return text.Bytes(), nil
}
