package cli

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/app/verify"
)

// TestWriteReport_One checks that the report counts one thing in the singular.
func TestWriteReport_One(t *testing.T) {
	t.Parallel()
	r := verify.Report{}
	r.Stored, r.Parked, r.Stream.Pages = 1, 1, 1
	var out strings.Builder
	if err := writeReport(&out, r); err != nil {
		t.Fatal(err)
	}
	if want := "1 event in 1 page, 1 record parked\n"; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %q in it", out.String(), want)
	}
}
