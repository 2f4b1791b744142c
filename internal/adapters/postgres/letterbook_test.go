package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// parkSome parks seven letters in stream s: 1 to 3 on page 1 on the first of January, 4 to 6 on page 2 on the second, of
// which 5 is resolved, and 7 for another reason on the third.
func parkSome(t *testing.T, databaseURL string) *postgres.Letters {
	t.Helper()
	receive(t, databaseURL, "a", "b", "c")
	receive(t, databaseURL, "d", "e", "f", "g")
	exec(t, databaseURL, `UPDATE dead_letters SET parked_at = CASE WHEN id <= 3 THEN '2026-01-01Z' WHEN id <= 6 THEN '2026-01-02Z' ELSE '2026-01-03Z' END::timestamptz;
		UPDATE dead_letters SET reason = 'other', event_id = '00000000-0000-0000-0000-000000000007' WHERE id = 7;
		UPDATE dead_letters SET resolved_at = '2026-01-04Z', resolution = 'superseded', resolved_page_id = 2, resolved_why = 'it came' WHERE id = 5;
		INSERT INTO checkpoints (stream, source_url, epoch) VALUES ('other', 'u', 1);
		INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen) VALUES ('other', 'k', 1, 0, 'r', '', '', '', sha256(''), 1)`)
	return postgres.NewLetters(poolOn(t, databaseURL))
}

func TestLettersAreListed(t *testing.T) {
	t.Parallel()
	letters := parkSome(t, pgtest.Database(t))
	stream := domain.StreamID{Source: "s"}
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name    string
		filter  domain.DeadLetterFilter
		part    domain.DeadLetterRange
		want    []int64
		more    bool
		reasons string
	}{
		{"all", domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 9}, []int64{1, 2, 3, 4, 5, 6, 7}, false, "not a number 6 (1), other 1 (7)"},
		{"open", domain.DeadLetterFilter{State: domain.DeadLettersOpen}, domain.DeadLetterRange{Limit: 6}, []int64{1, 2, 3, 4, 6, 7}, false, "not a number 5 (1), other 1 (7)"},
		{"resolved", domain.DeadLetterFilter{State: domain.DeadLettersResolved}, domain.DeadLetterRange{Limit: 9}, []int64{5}, false, "not a number 1 (5)"},
		{"of a reason", domain.DeadLetterFilter{Reason: "other"}, domain.DeadLetterRange{Limit: 9}, []int64{7}, false, "other 1 (7)"},
		{"of a page", domain.DeadLetterFilter{PageID: 2}, domain.DeadLetterRange{Limit: 9}, []int64{4, 5, 6, 7}, false, "not a number 3 (4), other 1 (7)"},
		{"of a time", domain.DeadLetterFilter{Since: day(2), Until: day(3)}, domain.DeadLetterRange{Limit: 9}, []int64{4, 5, 6}, false, "not a number 3 (4)"},
		{"a part", domain.DeadLetterFilter{}, domain.DeadLetterRange{After: 2, Limit: 2}, []int64{3, 4}, true, "not a number 6 (1), other 1 (7)"},
		{"the last part", domain.DeadLetterFilter{}, domain.DeadLetterRange{After: 5, Limit: 2}, []int64{6, 7}, false, "not a number 6 (1), other 1 (7)"},
		{"none", domain.DeadLetterFilter{Reason: "x"}, domain.DeadLetterRange{Limit: 2}, nil, false, ""},
	} {
		list, more, err := letters.List(t.Context(), stream, tt.filter, tt.part)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for _, l := range list {
			ids = append(ids, l.ID)
			if l.Payload != nil || l.Why.Reason == "" || l.Key == "" || l.PageID == 0 || l.ParkedAt.IsZero() || (l.Resolved != nil) != (l.ID == 5) {
				t.Errorf("%s: %+v", tt.name, l)
			}
		}
		if !slices.Equal(ids, tt.want) || more != tt.more {
			t.Errorf("%s: %v, more %v", tt.name, ids, more)
		}
		counts, err := letters.Reasons(t.Context(), stream, tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var reasons []string
		for _, c := range counts {
			reasons = append(reasons, fmt.Sprintf("%s %d (%d)", c.Reason, c.Count, c.Sample.ID))
		}
		if got := strings.Join(reasons, ", "); got != tt.reasons {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestALetterIsShown(t *testing.T) {
	t.Parallel()
	letters := parkSome(t, pgtest.Database(t))
	l, err := letters.Letter(t.Context(), domain.StreamID{Source: "s"}, 5)
	want := domain.Resolution{How: domain.ResolvedAsSuperseded, Why: "it came", At: time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC), PageID: 2}
	if err != nil || string(l.Payload) != "e" || l.Index != 1 || l.Seen != 1 || *l.Resolved != want {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := letters.Letter(t.Context(), domain.StreamID{Source: "s"}, 7); err != nil || l.Why.ID != (domain.UUID{15: 7}) || l.Resolved != nil {
		t.Errorf("%+v, %v", l, err)
	}
	// The eighth is another stream's.
	if _, err := letters.Letter(t.Context(), domain.StreamID{Source: "s"}, 8); domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "8") {
		t.Errorf("%v", err)
	}
}

func TestALetterIsDiscardedOnce(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	letters, stream := parkSome(t, databaseURL), domain.StreamID{Source: "s"}
	if err := letters.Discard(t.Context(), stream, 3, "a test's record"); err != nil {
		t.Fatal(err)
	}
	l, err := letters.Letter(t.Context(), stream, 3)
	if r := l.Resolved; err != nil || r == nil || r.How != domain.ResolvedByDiscard || r.Why != "a test's record" || r.At.IsZero() || r.PageID != 0 {
		t.Errorf("%+v, %v", l.Resolved, err)
	}
	for id, says := range map[int64]string{3: "discarded at 20", 5: "superseded at 2026-01-04T00:00:00Z", 8: "none of id 8", 99: "none of id 99"} {
		err := letters.Discard(t.Context(), stream, id, "again")
		if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%d: %v", id, err)
		}
	}
	if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE resolved_why = 'again'"); n != 0 {
		t.Errorf("%d letters were discarded again", n)
	}
	report, err := replayAll(t.Context(), replaysOn(t, databaseURL), today)
	if err != nil || report.Received != 5 {
		t.Errorf("a replay took %+v, %v", report, err)
	}
}

func TestTheRegisterIsRead(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	receive(t, databaseURL, "1 colour", "2 colour", "3 size")
	receive(t, databaseURL, "1 colour")
	entries, err := postgres.NewDriftRegister(poolOn(t, databaseURL)).Entries(t.Context(), domain.StreamID{Source: "s"})
	want := []domain.DriftEntry{
		{Path: "colour", Kind: "new field", Count: 3, FirstPageID: 1, LastPageID: 2, Sample: "true"},
		{Path: "size", Kind: "new field", Count: 1, FirstPageID: 1, LastPageID: 1, Sample: "true"},
	}
	if err != nil || !slices.Equal(entries, want) {
		t.Errorf("%+v, %v", entries, err)
	}
}

// TestOfAStreamThereIsNot everything says so, and names those there are.
func TestOfAStreamThereIsNot(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	letters, nobody := parkSome(t, databaseURL), domain.StreamID{Source: "nobody"}
	ctx := t.Context()
	_, _, listErr := letters.List(ctx, nobody, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1})
	_, reasonsErr := letters.Reasons(ctx, nobody, domain.DeadLetterFilter{})
	_, letterErr := letters.Letter(ctx, nobody, 1)
	_, replayErr := replaysOn(t, databaseURL).Replay(ctx, domain.Replay{Stream: nobody})
	_, surveyErr := replaysOn(t, databaseURL).Survey(ctx, nobody, domain.DeadLetterSelection{All: true})
	_, driftErr := postgres.NewDriftRegister(poolOn(t, databaseURL)).Entries(ctx, nobody)
	for what, err := range map[string]error{
		"list": listErr, "reasons": reasonsErr, "letter": letterErr, "discard": letters.Discard(ctx, nobody, 1, "why"),
		"replay": replayErr, "survey": surveyErr, "drift": driftErr,
	} {
		if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "no stream named nobody") || domain.HintOf(err) != "this database knows: other, s" {
			t.Errorf("%s: %v; %s", what, err, domain.HintOf(err))
		}
	}
}
