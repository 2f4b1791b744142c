package domain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestReplayOnly(t *testing.T) {
	t.Parallel()
	var letters []domain.DeadLetter
	for i, payload := range []string{"1", "x", "2", "y", "3"} {
		letters = append(letters, domain.DeadLetter{ID: int64(10 + i), Payload: []byte(payload), Index: 99})
	}
	said := func(r domain.Replay) string {
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
	for _, tt := range []struct {
		ids  []int64
		want string
	}{
		{[]int64{10, 11, 12, 13, 14}, "10=event_1 12=event_2 14=event_3 11=x 13=y "},
		{[]int64{13, 14}, "14=event_3 13=y "},
		{nil, ""},
	} {
		only := all.Only(tt.ids)
		if got := said(only); got != tt.want || len(only.Letters) != len(tt.ids) || only.Stream != all.Stream || only.ReadAt != all.ReadAt {
			t.Errorf("of %v: %s%+v", tt.ids, got, only)
		}
	}
	if got := said(all); got != "10=event_1 12=event_2 14=event_3 11=x 13=y " {
		t.Errorf("what it was made of became %s", got)
	}
}
