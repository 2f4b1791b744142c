package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$") //nolint:gocritic // (?m): ^ begins a line
	span    = regexp.MustCompile("`([^`]+)`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	header  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	comment = regexp.MustCompile(`(?m)(^|\s)#.*$`)
)

// pages returns the Markdown files of the repository by their path.
func pages(t *testing.T, repo fs.FS) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, file := range filesIn(t, repo, ".", ".md") {
		texts[file] = textOf(t, repo, file)
	}
	return texts
}

// examplesAndCode returns the code in pages and the files below examples, without their comments, by path.
func examplesAndCode(t *testing.T, repo fs.FS) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for page, text := range pages(t, repo) {
		texts[page] = strings.Join(codeOf(text), "\n")
	}
	for _, file := range filesIn(t, repo, "examples", "") {
		if path.Ext(file) != ".md" {
			texts[file] = comment.ReplaceAllString(textOf(t, repo, file), "")
		}
	}
	return texts
}

// filesIn returns the files below a folder whose names end in suffix. Folders that tools or tests fill are left out.
func filesIn(t *testing.T, repo fs.FS, dir, suffix string) (files []string) {
	t.Helper()
	skipped := []string{".git", ".pawl", "bin", "dist", "testdata", "node_modules"}
	err := fs.WalkDir(repo, dir, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && file == dir: // the folder is not there
			return fs.SkipAll
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(skipped, entry.Name()):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(file, suffix):
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func textOf(t *testing.T, repo fs.FS, file string) string {
	t.Helper()
	text, err := fs.ReadFile(repo, file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t *testing.T, repo fs.FS, file string) *ast.File {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, textOf(t, repo, file), parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// linksOf returns the targets of a page's links to files of the repository and to headings.
func linksOf(text string) (targets []string) {
	text = span.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
	for _, found := range link.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(found[1], "://") && !strings.HasPrefix(found[1], "mailto:") {
			targets = append(targets, found[1])
		}
	}
	return targets
}

// codeOf returns a page's code: its fenced blocks, and its spans in one line each.
func codeOf(text string) (code []string) {
	code = fence.FindAllString(text, -1)
	for _, found := range span.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		code = append(code, strings.Join(strings.Fields(found[1]), " "))
	}
	return code
}

// anchorsOf returns the anchors of a page's headings, as GitHub makes them.
func anchorsOf(text string) (anchors []string) {
	times := map[string]int{}
	for _, found := range header.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ' || r == '-':
				return '-'
			case r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(found[1]))
		if n := times[anchor]; n > 0 {
			anchors = append(anchors, anchor+"-"+strconv.Itoa(n))
		} else {
			anchors = append(anchors, anchor)
		}
		times[anchor]++
	}
	return anchors
}
