package cli

import (
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestRemedyText(t *testing.T) {
	t.Parallel()
	for _, r := range domain.Remedies() {
		if remedyText(r) == "" {
			t.Errorf("remedy %d: got no text", r)
		}
	}
}
