package cli

import (
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// ExplainedExitCodes returns the exit codes that the explanation of a code lists.
func ExplainedExitCodes(code string) []int {
	for _, e := range explanations() {
		if string(e.code) == code {
			return e.exitCodes
		}
	}
	return nil
}

// TestRemedyText checks that every remedy has a text.
func TestRemedyText(t *testing.T) {
	t.Parallel()
	for _, r := range domain.Remedies() {
		if remedyText(r) == "" {
			t.Errorf("remedy %d: got an empty text", r)
		}
	}
}
