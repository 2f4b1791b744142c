package verify_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// rows are those of a database that holds all events but the missing ones.
type rows struct {
	missing    []domain.EventID
	unreturned int64
	fails      error // Compare's and Unreturned's, from their second and first call on
	failures   int   // of each, how many; 0: all

	begins   int
	returned []domain.EventID
	calls    int
	asked    int // Unreturned's
}

func (r *rows) Begin() {
	r.begins++
	r.returned = nil
}

func (r *rows) Compare(_ context.Context, _ domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error) {
	r.calls++
	if r.calls > 1 && r.fails != nil && (r.failures == 0 || r.calls <= r.failures+1) {
		return domain.PageComparison{}, r.fails
	}
	var compared domain.PageComparison
	for _, e := range page.Events {
		r.returned = append(r.returned, e.ID)
		if slices.Contains(r.missing, e.ID) {
			compared.Missing = append(compared.Missing, domain.Difference{Event: e.ID, What: "not stored"})
		}
	}
	compared.Parked = int64(len(page.Rejects))
	return compared, nil
}

func (r *rows) Unreturned(context.Context, domain.StreamID) (domain.Finding, error) {
	r.asked++
	if r.asked <= r.failures {
		return domain.Finding{}, r.fails
	}
	return domain.Finding{Check: domain.CheckUnreturned, Differences: r.unreturned}, nil
}

// quiet is a walk's observer that is not told anything worth noting.
type quiet struct{ witness }

func (*quiet) Fetching(domain.Position)    {}
func (*quiet) PassStarted(domain.Position) {}

func apiOn(source domain.EventSource, r *rows) *verify.API {
	return &verify.API{
		SourceURL: origin, Rows: r,
		Pages: func(ctx context.Context, policy retry.Policy, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error] {
			return ingest.Walk(ctx, source, domaintest.LineDecoder{}, &quiet{}, ingest.WalkOptions{
				PageSize: 2, Retry: policy, AcceptShortEnd: acceptShortEnd,
			})
		},
	}
}

func streamOf(n, size int, r *rows) *verify.API { return apiOn(domaintest.NewCleanStream(n, size), r) }

func TestTheWholeAPIIsCompared(t *testing.T) {
	t.Parallel()
	r := &rows{missing: []domain.EventID{domaintest.EventID(4)}, unreturned: 7}
	report, err := verify.New(sound(), &witness{}, options(streamOf(5, 2, r))).Run(t.Context())
	if domain.KindOf(err) != domain.Inconsistent || !strings.Contains(err.Error(), "8 differences in 2 checks: returned, unreturned") {
		t.Errorf("the verdict is %v", err)
	}
	if report.Walk != (verify.Walk{Pages: 3, Received: 5}) || len(r.returned) != 5 || r.begins != 1 {
		t.Errorf("walk %+v, returned %d", report.Walk, len(r.returned))
	}
	found := report.Findings[2].Shown[0]
	if found.Event != domaintest.EventID(4) || found.RequestID == "" {
		t.Errorf("it is told as %+v", found)
	}
}

// TestALostCursorBeginsAnew: what was compared before is neither told twice nor forgotten.
func TestALostCursorBeginsAnew(t *testing.T) {
	t.Parallel()
	r := &rows{missing: []domain.EventID{domaintest.EventID(0), domaintest.EventID(3)}}
	source := domaintest.NewCleanStream(6, 2).At("4", domaintest.FailWith(domain.CursorExpired))
	report, err := verify.New(sound(), &witness{}, options(apiOn(source, r))).Run(t.Context())
	if domain.KindOf(err) != domain.Inconsistent || report.Findings[2].Differences != 2 {
		t.Errorf("%v: %+v", err, report.Findings)
	}
	if report.Walk.Pages != 3 || report.Walk.Received != 6 || r.begins != 2 || len(r.returned) != 6 {
		t.Errorf("walk %+v, %d beginnings, returned %d", report.Walk, r.begins, len(r.returned))
	}
}

// TestRecordsThatAreParkedAreCounted: each walk anew.
func TestRecordsThatAreParkedAreCounted(t *testing.T) {
	t.Parallel()
	source := domaintest.NewScriptedSource(
		domaintest.PageOf("a", "1", "x", "y"), domaintest.FailWith(domain.CursorExpired),
		domaintest.PageOf("b", "1", "x", "y"), domaintest.LastPageOf("z").Announcing(4),
	)
	report, err := verify.New(sound(), &witness{}, options(apiOn(source, &rows{}))).Run(t.Context())
	if want := (verify.Walk{Pages: 2, Received: 4, Parked: 3}); err != nil || report.Walk != want {
		t.Errorf("%v, walk %+v", err, report.Walk)
	}
}

func TestWhatIsNotComparable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(at *domain.Checkpoint)
		says   string
	}{
		{"another API's stream", func(at *domain.Checkpoint) { at.SourceURL = "https://other.example" }, "it was read from https://other.example, not from " + origin},
		{"a stream that is not complete", func(at *domain.Checkpoint) { at.Done = false }, "it is not complete"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := sound()
			tt.change(&i.at)
			source := domaintest.NewCleanStream(1, 1)
			report, err := verify.New(i, &witness{}, options(apiOn(source, &rows{}))).Run(t.Context())
			if domain.KindOf(err) != domain.Invalid || !strings.HasSuffix(err.Error(), tt.says) || len(report.Findings) != 2 {
				t.Errorf("%v: %+v", err, report.Findings)
			}
			if n := len(source.Requests()); n != 0 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}

// TestAWalkThatBreaksOff tells what it found, and the error.
func TestAWalkThatBreaksOff(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		source domain.EventSource
		rows   *rows
		kind   domain.Kind
	}{
		{"the API fails", domaintest.NewCleanStream(4, 2).At("2", domaintest.FailWith(domain.Unauthorized)), &rows{}, domain.Unauthorized},
		{"the database fails", domaintest.NewCleanStream(4, 2), &rows{fails: failure(domain.Transient)}, domain.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.rows.missing = []domain.EventID{domaintest.EventID(1)}
				report, err := verify.New(sound(), &witness{}, options(apiOn(tt.source, tt.rows))).Run(t.Context())
				if domain.KindOf(err) != tt.kind || len(report.Findings) != 3 || report.Findings[2].Differences != 1 {
					t.Errorf("%v: %+v", err, report.Findings)
				}
			})
		})
	}
}

// TestAWalkOutlivesFailures: the API and the database may be away for minutes, in the middle of a walk and at its end.
func TestAWalkOutlivesFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const failures = 20
		source := domaintest.NewCleanStream(6, 2)
		for range failures {
			source.At("2", domaintest.FailWith(domain.Transient))
		}
		r := &rows{fails: failure(domain.Transient), failures: failures}
		w := &witness{}
		report, err := verify.New(sound(), w, options(apiOn(source, r))).Run(t.Context())
		if err != nil || report.Walk != (verify.Walk{Pages: 3, Received: 6}) {
			t.Errorf("%v, walk %+v", err, report.Walk)
		}
		if r.begins != 1 || len(r.returned) != 6 || r.calls != 3+failures || r.asked != 1+failures || w.waits != 2*failures {
			t.Errorf("%d beginnings, %d returned, %d pages compared, %d asked for what was not returned, %d waits", r.begins, len(r.returned), r.calls, r.asked, w.waits)
		}
	})
}

// TestABadPageHasTheTriesOfTheUser: that the network may be away for minutes says nothing of answers that make no sense.
func TestABadPageHasTheTriesOfTheUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(4, 2)
		for range 30 {
			source.At("2", domaintest.FailWith(domain.BadPage))
		}
		opts := options(apiOn(source, &rows{}))
		_, err := verify.New(sound(), &witness{}, opts).Run(t.Context())
		if asked := len(source.Requests()) - 1; domain.KindOf(err) != domain.BadPage || asked != opts.Retry.Tries {
			t.Errorf("asked %d times for the page, then %v", asked, err)
		}
	})
}

// TestAnEndThatTheUserAccepted is accepted by the walk, too.
func TestAnEndThatTheUserAccepted(t *testing.T) {
	t.Parallel()
	for _, accepted := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			i := sound()
			i.accepted = accepted
			source := domaintest.NewCleanStream(4, 2)
			for range 30 {
				source.At("2", domaintest.LastPageOf("2", "3").Announcing(5))
			}
			source.At("", domaintest.PageOf("2", "0", "1").Announcing(5))
			report, err := verify.New(i, &witness{}, options(apiOn(source, &rows{}))).Run(t.Context())
			if accepted && (err != nil || report.Walk.Received != 4) || !accepted && domain.KindOf(err) != domain.BadPage {
				t.Errorf("accepted: %v, %v", accepted, err)
			}
		})
	}
}
