package cli

import (
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestRemedyText checks that every remedy has a text.
func TestRemedyText(t *testing.T) {
	t.Parallel()
	for _, r := range domain.Remedies() {
		if remedyText(r) == "" {
			t.Errorf("remedy %d: got an empty text", r)
		}
	}
}
