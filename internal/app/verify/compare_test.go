package verify_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A fakeRows is a Comparison with a database that has all events except the missing ones.
type fakeRows struct {
	missing     []domain.EventID
	unreturned  int64   // the number of differences that Unreturned finds
	compareErrs []error // the errors of the second and later calls of Compare
	lastErrs    []error // the errors of the first calls of Unreturned
	setBack     bool    // PageCommittedAt returns another time after the first call of Compare

	returned        []domain.EventID // the ids of the events that Compare got since Begin
	beginCalls      int
	compareCalls    int
	unreturnedCalls int
}

func (r *fakeRows) Begin() {
	r.beginCalls++
	r.returned = nil
}

func (r *fakeRows) Compare(_ context.Context, _ domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error) {
	r.compareCalls++
	if n := r.compareCalls - 2; n >= 0 && n < len(r.compareErrs) {
		return domain.PageComparison{}, r.compareErrs[n]
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

func (r *fakeRows) PageCommittedAt(context.Context, domain.StreamID, int64) (time.Time, error) {
	if r.setBack && r.compareCalls > 0 {
		return time.Unix(2, 0), nil
	}
	return time.Unix(1, 0), nil
}

func (r *fakeRows) Unreturned(context.Context, domain.StreamID) (domain.Finding, error) {
	r.unreturnedCalls++
	if r.unreturnedCalls <= len(r.lastErrs) {
		return domain.Finding{}, r.lastErrs[r.unreturnedCalls-1]
	}
	return domain.Finding{Check: domain.CheckUnreturned, Differences: r.unreturned}, nil
}

// A walkRecorder is a recorder that also observes walks.
type walkRecorder struct{ recorder }

func (*walkRecorder) Fetching(domain.Position)    {}
func (*walkRecorder) PassStarted(domain.Position) {}

// newAPI returns an API that reads a source in pages of two records.
func newAPI(source domain.EventSource, r *fakeRows) *verify.API {
	return &verify.API{
		SourceURL: sourceURL, Rows: r,
		Pages: func(ctx context.Context, policy retry.Policy, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error] {
			return ingest.Walk(ctx, source, domaintest.LineDecoder{}, &walkRecorder{}, ingest.WalkOptions{
				PageSize: 2, Retry: policy, AcceptShortEnd: acceptShortEnd,
			})
		},
	}
}

// newCleanAPI returns an API that has the events from 0 to records-1.
func newCleanAPI(records int, r *fakeRows) *verify.API {
	const pageSize = 2
	return newAPI(domaintest.NewCleanStream(records, pageSize), r)
}

// returnedFinding returns the finding of CheckReturned, which comes after the two findings of newConsistentInventory.
func returnedFinding(t *testing.T, report verify.Report) domain.Finding {
	t.Helper()
	for _, f := range report.Findings {
		if f.Check == domain.CheckReturned {
			return f
		}
	}
	t.Fatalf("got findings %+v, want one of CheckReturned", report.Findings)
	return domain.Finding{}
}

// TestCompare_AllPages checks that Run compares each page of the API once and reports the differences.
func TestCompare_AllPages(t *testing.T) {
	t.Parallel()
	r := &fakeRows{missing: []domain.EventID{domaintest.EventID(4)}, unreturned: 7}
	report, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newCleanAPI(5, r))).Run(t.Context())
	if domain.KindOf(err) != domain.Inconsistent || !strings.Contains(err.Error(), "8 differences in 2 checks: returned, unreturned") {
		t.Errorf("got error %v, want 8 differences in 2 checks", err)
	}
	if want := (verify.Walk{Pages: 3, Received: 5}); report.Walk != want {
		t.Errorf("got walk %+v, want %+v", report.Walk, want)
	}
	if len(r.returned) != 5 || r.beginCalls != 1 {
		t.Errorf("got %d returned events, %d calls of Begin; want 5, 1", len(r.returned), r.beginCalls)
	}
	shown := returnedFinding(t, report).Shown[0]
	if shown.Event != domaintest.EventID(4) || shown.RequestID == "" {
		t.Errorf("got difference %+v, want event 4 with the id of the API's answer", shown)
	}
}

// TestCompare_SetBack checks that Run returns SetBack if the database is set back while the API is read. A walk takes
// hours, and rows that it has compared may then be gone at its end.
func TestCompare_SetBack(t *testing.T) {
	t.Parallel()
	_, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newCleanAPI(5, &fakeRows{setBack: true}))).Run(t.Context())
	if domain.KindOf(err) != domain.SetBack {
		t.Errorf("got error %v, want kind SetBack", err)
	}
}

// TestCompare_LostCursor checks that each difference is reported once if the walk starts again because of a lost cursor.
func TestCompare_LostCursor(t *testing.T) {
	t.Parallel()
	r := &fakeRows{missing: []domain.EventID{domaintest.EventID(0), domaintest.EventID(3)}}
	source := domaintest.NewCleanStream(6, 2).At("4", domaintest.FailWith(domain.CursorExpired))
	report, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newAPI(source, r))).Run(t.Context())
	checkKind(t, err, domain.Inconsistent)
	if n := returnedFinding(t, report).Differences; n != 2 {
		t.Errorf("got %d differences, want 2", n)
	}
	if report.Walk.Pages != 3 || report.Walk.Received != 6 {
		t.Errorf("got walk %+v, want 3 pages with 6 records", report.Walk)
	}
	if r.beginCalls != 2 || len(r.returned) != 6 {
		t.Errorf("got %d calls of Begin, %d returned events; want 2, 6", r.beginCalls, len(r.returned))
	}
}

// TestCompare_CountsParked checks that the counts begin at zero again if the walk starts again because of a lost cursor.
func TestCompare_CountsParked(t *testing.T) {
	t.Parallel()
	source := domaintest.NewScriptedSource(
		domaintest.PageOf("a", "1", "x", "y"), domaintest.FailWith(domain.CursorExpired),
		domaintest.PageOf("b", "1", "x", "y"), domaintest.LastPageOf("z").WithTotal(4),
	)
	report, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newAPI(source, &fakeRows{}))).Run(t.Context())
	if want := (verify.Walk{Pages: 2, Received: 4, Parked: 3}); err != nil || report.Walk != want {
		t.Errorf("got walk %+v, error %v; want %+v", report.Walk, err, want)
	}
}

// TestCompare_NotComparable checks that Run sends no request to the API if the stream cannot be compared with it.
func TestCompare_NotComparable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(checkpoint *domain.Checkpoint)
		want   string // the end of the error's text
	}{
		{
			"another source URL", func(checkpoint *domain.Checkpoint) { checkpoint.SourceURL = "https://other.example" },
			"it was read from https://other.example, not from " + sourceURL,
		},
		{"a stream that is not complete", func(checkpoint *domain.Checkpoint) { checkpoint.Done = false }, "it is not complete"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inventory := newConsistentInventory()
			tt.change(&inventory.checkpoint)
			source := domaintest.NewCleanStream(1, 1)
			report, err := verify.New(inventory, &recorder{}, newOptions(newAPI(source, &fakeRows{}))).Run(t.Context())
			if domain.KindOf(err) != domain.Invalid || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got error %v, want Invalid: %s", err, tt.want)
			}
			if len(report.Findings) != 2 {
				t.Errorf("got findings %+v, want the two of the database", report.Findings)
			}
			if n := len(source.Requests()); n != 0 {
				t.Errorf("got %d requests, want none", n)
			}
		})
	}
}

// TestCompare_EndsEarly checks that Run reports the differences of the first page if an error ends the walk at the second page.
func TestCompare_EndsEarly(t *testing.T) {
	t.Parallel()
	const tooManyErrs = 100 // more errors than a walk makes attempts
	tests := []struct {
		name   string
		source domain.EventSource
		rows   *fakeRows
		want   domain.Kind
	}{
		{
			"the API fails",
			domaintest.NewCleanStream(4, 2).At("2", domaintest.FailWith(domain.Unauthorized)), &fakeRows{}, domain.Unauthorized,
		},
		{
			"the database fails",
			domaintest.NewCleanStream(4, 2),
			&fakeRows{compareErrs: slices.Repeat([]error{newError(domain.Transient)}, tooManyErrs)}, domain.Transient,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.rows.missing = []domain.EventID{domaintest.EventID(1)}
				report, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newAPI(tt.source, tt.rows))).Run(t.Context())
				checkKind(t, err, tt.want)
				if n := returnedFinding(t, report).Differences; n != 1 {
					t.Errorf("got %d differences, want 1", n)
				}
			})
		})
	}
}

// TestCompare_LongFailures checks that Run continues after 20 failures in a row of the API, of the comparison with a
// page, and of the query at the end of the walk.
func TestCompare_LongFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pages, records, failures = 3, 6, 20
		source := domaintest.NewCleanStream(records, 2)
		for range failures {
			source.At("2", domaintest.FailWith(domain.Transient))
		}
		databaseErrs := slices.Repeat([]error{newError(domain.Transient)}, failures)
		r := &fakeRows{compareErrs: databaseErrs, lastErrs: databaseErrs}
		recorder := &recorder{}
		report, err := verify.New(newConsistentInventory(), recorder, newOptions(newAPI(source, r))).Run(t.Context())
		if want := (verify.Walk{Pages: pages, Received: records}); err != nil || report.Walk != want {
			t.Errorf("got walk %+v, error %v; want %+v", report.Walk, err, want)
		}
		if r.beginCalls != 1 || r.compareCalls != pages+failures || r.unreturnedCalls != 1+failures {
			t.Errorf("got calls: %d Begin, %d Compare, %d Unreturned; want 1, %d, %d",
				r.beginCalls, r.compareCalls, r.unreturnedCalls, pages+failures, 1+failures)
		}
		if len(r.returned) != records {
			t.Errorf("got %d returned events, want %d", len(r.returned), records)
		}
		if want := 2 * failures; recorder.waits != want { // newAPI has its own observer for the waits for pages
			t.Errorf("observer got %d waits for the database, want %d", recorder.waits, want)
		}
	})
}

// TestCompare_BadPageTries checks that Run fetches a bad page only as often as Options.Retry allows.
func TestCompare_BadPageTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(4, 2)
		for range 10 * maxTries {
			source.At("2", domaintest.FailWith(domain.BadPage))
		}
		_, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newAPI(source, &fakeRows{}))).Run(t.Context())
		checkKind(t, err, domain.BadPage)
		if attempts := len(source.Requests()) - 1; attempts != maxTries { // the other request is for the first page
			t.Errorf("got %d requests for the bad page, want %d", attempts, maxTries)
		}
	})
}

// TestCompare_AcceptedShortEnd checks that a walk accepts an end below the announced total only if the user accepted such
// an end of the last pass. Here the API announces five records and returns four.
func TestCompare_AcceptedShortEnd(t *testing.T) {
	t.Parallel()
	for endAccepted, want := range map[bool]domain.Kind{true: noError, false: domain.BadPage} {
		synctest.Test(t, func(t *testing.T) {
			inventory := newConsistentInventory()
			inventory.endAccepted = endAccepted
			source := domaintest.NewCleanStream(4, 2)
			source.At("", domaintest.PageOf("2", "0", "1").WithTotal(5))
			for range 10 * maxTries {
				source.At("2", domaintest.LastPageOf("2", "3").WithTotal(5))
			}
			report, err := verify.New(inventory, &recorder{}, newOptions(newAPI(source, &fakeRows{}))).Run(t.Context())
			checkKind(t, err, want)
			if endAccepted && report.Walk.Received != 4 {
				t.Errorf("got %d received records, want 4", report.Walk.Received)
			}
		})
	}
}

// TestCompare_ClearsAnnounced checks in which cases a walk removes the difference of CheckAnnounced. In all cases the stream has
// stored four records, and the inventory has found that the API announced more.
func TestCompare_ClearsAnnounced(t *testing.T) {
	t.Parallel()
	newShortInventory := func() *fakeInventory {
		i := newConsistentInventory()
		i.checkpoint.Offset, i.checkpoint.Inserted = 5, 4
		i.checkpoint.AnnouncedFirst = domain.Total{N: 5, Known: true}
		i.checkpoint.AnnouncedLast = i.checkpoint.AnnouncedFirst
		i.findings = append(i.findings,
			domain.Finding{Check: domain.CheckAnnounced, Differences: 1, Shown: []domain.Difference{{What: "4 of 5"}}})
		return i
	}
	tests := []struct {
		name    string
		change  func(i *fakeInventory, r *fakeRows, source *domaintest.ScriptedSource)
		cleared bool
	}{
		{"every returned record is stored", func(*fakeInventory, *fakeRows, *domaintest.ScriptedSource) {}, true},
		{"a record is missing", func(_ *fakeInventory, r *fakeRows, _ *domaintest.ScriptedSource) {
			r.missing = []domain.EventID{domaintest.EventID(1)}
		}, false},
		{"a missing record may be new", func(i *fakeInventory, r *fakeRows, _ *domaintest.ScriptedSource) {
			i.checkpoint.AnnouncedFirst.N, r.missing = 4, []domain.EventID{domaintest.EventID(1)}
		}, false},
		{"the walk ends early", func(_ *fakeInventory, _ *fakeRows, s *domaintest.ScriptedSource) {
			s.At("4", domaintest.FailWith(domain.Unauthorized))
		}, false},
		{"the pass received fewer records than announced", func(i *fakeInventory, _ *fakeRows, _ *domaintest.ScriptedSource) {
			i.checkpoint.Offset = 4
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inventory, r, source := newShortInventory(), &fakeRows{}, domaintest.NewCleanStream(5, 2)
			tt.change(inventory, r, source)
			report, err := verify.New(inventory, &recorder{}, newOptions(newAPI(source, r))).Run(t.Context())
			announced := report.Findings[2] // after the two of newConsistentInventory
			if cleared := announced.Differences == 0 && len(announced.Shown) == 0; cleared != tt.cleared {
				t.Errorf("got finding %+v, want cleared %v", announced, tt.cleared)
			}
			if (err == nil) != tt.cleared {
				t.Errorf("got error %v, want none only if the finding is cleared", err)
			}
		})
	}
}
