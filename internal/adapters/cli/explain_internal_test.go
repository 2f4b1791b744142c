package cli

import (
	"fmt"
	"go/ast"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestExplanations checks that each code of package domain has one explanation, and that each explanation is complete.
func TestExplanations(t *testing.T) {
	t.Parallel()
	isCode := map[domain.Code]bool{}
	for _, code := range declaredCodes(t) {
		if isCode[code] {
			t.Errorf("got two constants for the code %q, want one", code)
		}
		isCode[code] = true
		if !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(string(code)) {
			t.Errorf("got the code %q, want lower-case words with hyphens between them", code)
		}
	}
	isExplained := map[domain.Code]bool{}
	for _, e := range explanations() {
		if isExplained[e.code] {
			t.Errorf("%s: got two explanations, want one", e.code)
		}
		isExplained[e.code] = true
		if len(e.exitCodes) == 0 || !strings.HasSuffix(e.cause, ".") || !strings.HasSuffix(e.remedy, ".") {
			t.Errorf("%s: got %+v, want an exit code, and sentences for cause and remedy", e.code, e)
		}
	}
	if !maps.Equal(isCode, isExplained) {
		t.Errorf("got explanations of %v, want those of %v",
			slices.Sorted(maps.Keys(isExplained)), slices.Sorted(maps.Keys(isCode)))
	}
}

// declaredCodes returns the constants of the type Code in package domain.
func declaredCodes(t *testing.T) (codes []domain.Code) {
	t.Helper()
	ast.Inspect(parseFile(t, filepath.Join("..", "..", "domain", "code.go")), func(n ast.Node) bool {
		constant, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		text, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, domain.Code(text))
		return true
	})
	const minCodes = 30 // fewer codes mean that this function does not find them
	if len(codes) < minCodes {
		t.Fatalf("got %d codes, want at least %d", len(codes), minCodes)
	}
	return codes
}

// errorsReference returns the content of docs/reference/errors.md.
func errorsReference() string {
	var b strings.Builder
	b.WriteString("# Messages\n\n" + generated + `
The message of a failure ends in a code in square brackets. With ` + "`--log-format=json`" + `, the code is the field ` + "`code`" + `. The code tells you
the cause and what to do, and it keeps its meaning in later versions. ` + "`pawl help CODE`" + ` prints what stands here. The exit codes are in
[exit codes](exit-codes.md).
`)
	for _, e := range explanations() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n**What to do:** %s\n\n%s.\n", e.code, e.cause, e.remedy, e.exitCodeText())
	}
	return b.String()
}
