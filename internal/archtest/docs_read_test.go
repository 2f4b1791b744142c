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
	// codeBlock finds a fenced code block.
	codeBlock = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$") //nolint:gocritic // (?m): ^ begins a line
	// codeSpan finds code between backquotes. Group 1 is the code.
	codeSpan = regexp.MustCompile("`([^`]+)`")
	// pageLink finds a link. Group 1 is its target.
	pageLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// pageHeading finds a heading. Group 1 is its text.
	pageHeading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	// hashComment finds a comment that begins with #.
	hashComment = regexp.MustCompile(`(?m)(^|\s)#.*$`)
)

// pages returns the text of each Markdown file of the repository, by its path.
func pages(t *testing.T, repo fs.FS) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, file := range filesIn(t, repo, ".", ".md") {
		texts[file] = textOf(t, repo, file)
	}
	return texts
}

// examplesAndCode returns the code in each page, and each file below the folder examples without its comments, by path.
func examplesAndCode(t *testing.T, repo fs.FS) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for page, text := range pages(t, repo) {
		texts[page] = strings.Join(codeOf(text), "\n")
	}
	for _, file := range filesIn(t, repo, "examples", "") {
		if path.Ext(file) != ".md" {
			texts[file] = hashComment.ReplaceAllString(textOf(t, repo, file), "")
		}
	}
	return texts
}

// filesIn returns the files below dir whose names end in suffix. It leaves out the folders of tools and of test data. If dir does
// not exist, it returns none.
func filesIn(t *testing.T, repo fs.FS, dir, suffix string) (files []string) {
	t.Helper()
	skipped := []string{".git", ".pawl", "bin", "dist", "testdata", "node_modules"}
	err := fs.WalkDir(repo, dir, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && file == dir: // dir does not exist
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

// textOf returns the content of a file.
func textOf(t *testing.T, repo fs.FS, file string) string {
	t.Helper()
	text, err := fs.ReadFile(repo, file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parse parses a Go file.
func parse(t *testing.T, repo fs.FS, file string) *ast.File {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, textOf(t, repo, file), parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// linksOf returns the targets of the links in a page that lead to files of the repository or to headings. It ignores links in code.
func linksOf(text string) (targets []string) {
	text = codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "")
	for _, found := range pageLink.FindAllStringSubmatch(text, -1) {
		target := found[1]
		if !strings.Contains(target, "://") && !strings.HasPrefix(target, "mailto:") {
			targets = append(targets, target)
		}
	}
	return targets
}

// codeOf returns the code in a page: its fenced code blocks as they are, and the code between backquotes, each joined to one line.
func codeOf(text string) (code []string) {
	code = codeBlock.FindAllString(text, -1)
	for _, found := range codeSpan.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		code = append(code, strings.Join(strings.Fields(found[1]), " "))
	}
	return code
}

// anchorsOf returns the anchors that GitHub gives the headings of a page. GitHub changes a heading to lower case, replaces its spaces
// by hyphens and drops other characters. If a heading occurs again, GitHub adds a number.
func anchorsOf(text string) (anchors []string) {
	used := map[string]int{} // how many headings before had this anchor
	for _, found := range pageHeading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ' || r == '-':
				return '-'
			case r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(found[1]))
		if n := used[anchor]; n > 0 {
			anchors = append(anchors, anchor+"-"+strconv.Itoa(n))
		} else {
			anchors = append(anchors, anchor)
		}
		used[anchor]++
	}
	return anchors
}
