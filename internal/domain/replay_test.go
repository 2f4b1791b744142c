package domain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestReplayOnly checks that Only keeps the selected dead letters with their events and rejects, and does not change the batch.
func TestReplayOnly(t *testing.T) {
	t.Parallel()
	const firstID = 10   // the dead letters have the ids 10 to 14
	const pageIndex = 99 // the Index of a dead letter is its place in a page, which a replay must not use
	var letters []domain.DeadLetter
	for i, payload := range []string{"1", "x", "2", "y", "3"} { // the decoder rejects payloads that are not numbers
		letters = append(letters, domain.DeadLetter{ID: int64(firstID + i), Payload: []byte(payload), Index: pageIndex})
	}
	// describe returns the id of each dead letter with its event's name or its payload. Events come first.
	describe := func(r domain.ReplayBatch) string {
		var text strings.Builder
		for _, e := range r.Events {
			fmt.Fprintf(&text, "%d=%s ", r.Letters[e.Record.Index].ID, e.Name)
		}
		for _, reject := range r.Rejects {
			fmt.Fprintf(&text, "%d=%s ", r.Letters[reject.Record.Index].ID, reject.Record.Payload)
		}
		return text.String()
	}
	all := domain.Redecode(domain.StreamID{Source: "s"}, letters, time.Now(), domaintest.LineDecoder{})
	const wantAll = "10=event_1 12=event_2 14=event_3 11=x 13=y "
	for _, tt := range []struct {
		ids  []int64
		want string
	}{
		{ids: []int64{10, 11, 12, 13, 14}, want: wantAll},
		{ids: []int64{13, 14}, want: "14=event_3 13=y "},
		{ids: nil, want: ""},
	} {
		only := all.Only(tt.ids)
		if got := describe(only); got != tt.want || len(only.Letters) != len(tt.ids) {
			t.Errorf("Only(%v): got %q with %d letters, want %q with %d", tt.ids, got, len(only.Letters), tt.want, len(tt.ids))
		}
		if only.Stream != all.Stream || only.ReadAt != all.ReadAt {
			t.Errorf("Only(%v): got %s read at %s, want %s read at %s", tt.ids, only.Stream, only.ReadAt, all.Stream, all.ReadAt)
		}
	}
	if got := describe(all); got != wantAll {
		t.Errorf("after Only: got the batch %q, want it unchanged: %q", got, wantAll)
	}
}
