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

// A fakeRows is a Comparison with a database that has all events except the missing ones. It counts each reject as parked.
type fakeRows struct {
	missing        []domain.EventID
	unreturned     int64   // the number of differences that Unreturned finds
	compareErrs    []error // the errors of the second and later calls of Compare, until the list ends
	unreturnedErrs []error // the errors of the first calls of Unreturned, until the list ends
	setBack        bool    // PageCommittedAt returns another time after the first call of Compare

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
	laterCall := r.compareCalls - 2 // 0 for the second call
	if laterCall >= 0 && laterCall < len(r.compareErrs) {
		return domain.PageComparison{}, r.compareErrs[laterCall]
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
	if r.unreturnedCalls <= len(r.unreturnedErrs) {
		return domain.Finding{}, r.unreturnedErrs[r.unreturnedCalls-1]
	}
	return domain.Finding{Check: domain.CheckUnreturned, Differences: r.unreturned}, nil
}

// A walkRecorder is a recorder (verify_test.go) that also observes walks.
type walkRecorder struct{ recorder }

func (*walkRecorder) Fetching(domain.Position)   {}
func (*walkRecorder) CursorLost(domain.Position) {}

// pageSize is the number of records in a page of a clean stream. The cursor "2" is therefore the cursor of the second page, see
// [domaintest.NewCleanStream].
const pageSize = 2

// newAPI returns an API that reads the source with a [domaintest.LineDecoder], which rejects all payloads but numbers.
func newAPI(source domain.EventSource, r *fakeRows) *verify.API {
	return &verify.API{
		SourceURL: sourceURL, Rows: r,
		Pages: func(ctx context.Context, policy retry.Policy, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error] {
			return ingest.Walk(ctx, source, domaintest.LineDecoder{}, &walkRecorder{}, ingest.WalkOptions{
				PageSize: pageSize, Retry: policy, AcceptShortEnd: acceptShortEnd,
			})
		},
	}
}

// newCleanAPI returns an API that has the events from 0 to records-1.
func newCleanAPI(records int, r *fakeRows) *verify.API {
	return newAPI(domaintest.NewCleanStream(records, pageSize), r)
}

// findingOf returns the finding of a check.
func findingOf(t *testing.T, report verify.Report, check domain.Check) domain.Finding {
	t.Helper()
	for _, finding := range report.Findings {
		if finding.Check == check {
			return finding
		}
	}
	t.Fatalf("got findings %+v, want one of check %s", report.Findings, check)
	return domain.Finding{}
}

// TestCompare_AllPages checks that Run compares each page of the API once and reports the differences.
func TestCompare_AllPages(t *testing.T) {
	t.Parallel()
	const records, pages = 5, 3
	r := &fakeRows{missing: []domain.EventID{domaintest.EventID(4)}, unreturned: 7}
	report, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newCleanAPI(records, r))).Run(t.Context())
	const wantText = "8 differences in 2 checks: returned, unreturned" // 1 missing and 7 unreturned
	if domain.KindOf(err) != domain.Inconsistent || !strings.Contains(err.Error(), wantText) {
		t.Errorf("got error %v, want Inconsistent: %s", err, wantText)
	}
	if want := (verify.Walk{Pages: pages, Received: records}); report.Walk != want {
		t.Errorf("got walk %+v, want %+v", report.Walk, want)
	}
	if len(r.returned) != records || r.beginCalls != 1 {
		t.Errorf("got %d returned events, %d calls of Begin; want %d, 1", len(r.returned), r.beginCalls, records)
	}
	shown := findingOf(t, report, domain.CheckReturned).Shown[0]
	if shown.Event != domaintest.EventID(4) || shown.RequestID == "" {
		t.Errorf("got difference %+v, want event 4 with the id of the API's answer", shown)
	}
}

// TestCompare_SetBack checks that Run returns SetBack if the database is set back while the API is read. A walk can take
// hours. Rows that it has compared may be gone at the end.
func TestCompare_SetBack(t *testing.T) {
	t.Parallel()
	api := newCleanAPI(2*pageSize, &fakeRows{setBack: true})
	_, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(api)).Run(t.Context())
	domaintest.CheckKind(t, err, domain.SetBack)
}

// TestCompare_LostCursor checks that each difference is reported once if the walk starts again because of a lost cursor. The
// walk loses the cursor of the third page. So it reads the first two pages twice, with one missing event in each of them.
func TestCompare_LostCursor(t *testing.T) {
	t.Parallel()
	const records, pages = 6, 3
	r := &fakeRows{missing: []domain.EventID{domaintest.EventID(0), domaintest.EventID(3)}}
	source := domaintest.NewCleanStream(records, pageSize).At("4", domaintest.FailWith(domain.CursorExpired))
	report, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newAPI(source, r))).Run(t.Context())
	domaintest.CheckKind(t, err, domain.Inconsistent)
	if got, want := findingOf(t, report, domain.CheckReturned).Differences, int64(len(r.missing)); got != want {
		t.Errorf("got %d differences, want %d", got, want)
	}
	if report.Walk.Pages != pages || report.Walk.Received != records {
		t.Errorf("got walk %+v, want %d pages with %d records", report.Walk, pages, records)
	}
	if r.beginCalls != 2 || len(r.returned) != records {
		t.Errorf("got %d calls of Begin, %d returned events; want 2, %d", r.beginCalls, len(r.returned), records)
	}
}

// TestCompare_CountsParked checks that the counts begin at zero again if the walk starts again because of a lost cursor. The
// decoder rejects x, y and z.
func TestCompare_CountsParked(t *testing.T) {
	t.Parallel()
	source := domaintest.NewScriptedSource(
		domaintest.PageOf("a", "1", "x", "y"), domaintest.FailWith(domain.CursorExpired),
		domaintest.PageOf("b", "1", "x", "y"), domaintest.LastPageOf("z").WithTotal(4),
	)
	report, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newAPI(source, &fakeRows{}))).Run(t.Context())
	want := verify.Walk{Pages: 2, Received: 4, Parked: 3} // from the second beginning
	if err != nil || report.Walk != want {
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
			name: "another source URL", change: func(checkpoint *domain.Checkpoint) { checkpoint.SourceURL = "https://other.example" },
			want: "it was read from https://other.example, not from " + sourceURL,
		},
		{
			name: "a stream that is not complete", change: func(checkpoint *domain.Checkpoint) { checkpoint.Done = false },
			want: "it is not complete",
		},
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
			name:   "the API fails",
			source: domaintest.NewCleanStream(2*pageSize, pageSize).At("2", domaintest.FailWith(domain.Unauthorized)),
			rows:   &fakeRows{},
			want:   domain.Unauthorized,
		},
		{
			name:   "the database fails",
			source: domaintest.NewCleanStream(2*pageSize, pageSize),
			rows:   &fakeRows{compareErrs: slices.Repeat([]error{newError(domain.Transient)}, tooManyErrs)},
			want:   domain.Transient,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.rows.missing = []domain.EventID{domaintest.EventID(1)}
				report, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newAPI(tt.source, tt.rows))).Run(t.Context())
				domaintest.CheckKind(t, err, tt.want)
				if n := findingOf(t, report, domain.CheckReturned).Differences; n != 1 {
					t.Errorf("got %d differences, want 1", n)
				}
			})
		})
	}
}

// TestCompare_LongFailures checks that Run continues after 20 failures in a row. First the API fails, then the comparison with a
// page, and then the query at the end of the walk.
func TestCompare_LongFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pages, records = 3, 6
		const failures = 20 // fewer than the 25 attempts that a walk makes, and more than Options.Retry allows
		source := domaintest.NewCleanStream(records, pageSize)
		for range failures {
			source.At("2", domaintest.FailWith(domain.Transient))
		}
		databaseErrs := slices.Repeat([]error{newError(domain.Transient)}, failures)
		r := &fakeRows{compareErrs: databaseErrs, unreturnedErrs: databaseErrs}
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
		source := domaintest.NewCleanStream(2*pageSize, pageSize)
		for range 10 * maxTries { // more failures than the walk may make attempts
			source.At("2", domaintest.FailWith(domain.BadPage))
		}
		_, err := verify.New(newConsistentInventory(), &recorder{}, newOptions(newAPI(source, &fakeRows{}))).Run(t.Context())
		domaintest.CheckKind(t, err, domain.BadPage)
		if attempts := len(source.Requests()) - 1; attempts != maxTries { // the other request is for the first page
			t.Errorf("got %d requests for the bad page, want %d", attempts, maxTries)
		}
	})
}

// TestCompare_AcceptedShortEnd checks that a walk accepts an end below the announced total only if the user accepted such
// an end of the last pass. Here the API announces five records and returns four.
func TestCompare_AcceptedShortEnd(t *testing.T) {
	t.Parallel()
	const announced, returned = 5, 4
	// The map says whether the user accepted a short end, and which error Run must return.
	for endAccepted, want := range map[bool]domain.Kind{true: domaintest.NoError, false: domain.BadPage} {
		synctest.Test(t, func(t *testing.T) {
			inventory := newConsistentInventory()
			inventory.endAccepted = endAccepted
			source := domaintest.NewCleanStream(returned, pageSize)
			source.At("", domaintest.PageOf("2", "0", "1").WithTotal(announced))
			for range 10 * maxTries { // more answers than the walk asks for
				source.At("2", domaintest.LastPageOf("2", "3").WithTotal(announced))
			}
			report, err := verify.New(inventory, &recorder{}, newOptions(newAPI(source, &fakeRows{}))).Run(t.Context())
			domaintest.CheckKind(t, err, want)
			if endAccepted && report.Walk.Received != returned {
				t.Errorf("got %d received records, want %d", report.Walk.Received, returned)
			}
		})
	}
}

// TestCompare_ClearsAnnounced checks in which cases a walk removes the difference of CheckAnnounced. In all cases the stream has
// stored four records, and the inventory has found that the API announced more.
func TestCompare_ClearsAnnounced(t *testing.T) {
	t.Parallel()
	const announced, stored = 5, 4
	newShortInventory := func() *fakeInventory {
		i := newConsistentInventory()
		i.checkpoint.Offset, i.checkpoint.Inserted = announced, stored // the last pass received one record twice
		i.checkpoint.AnnouncedFirst = domain.Total{N: announced, Known: true}
		i.checkpoint.AnnouncedLast = i.checkpoint.AnnouncedFirst
		i.findings = append(i.findings,
			domain.Finding{Check: domain.CheckAnnounced, Differences: 1, Shown: []domain.Difference{{What: "4 of 5"}}})
		return i
	}
	missingRecord := []domain.EventID{domaintest.EventID(1)}
	tests := []struct {
		name    string
		change  func(i *fakeInventory, r *fakeRows, source *domaintest.ScriptedSource)
		cleared bool
	}{
		{
			name: "every returned record is stored", cleared: true,
			change: func(*fakeInventory, *fakeRows, *domaintest.ScriptedSource) {},
		},
		{
			name:   "a record is missing",
			change: func(_ *fakeInventory, r *fakeRows, _ *domaintest.ScriptedSource) { r.missing = missingRecord },
		},
		{
			name: "a missing record may be new",
			change: func(i *fakeInventory, r *fakeRows, _ *domaintest.ScriptedSource) {
				i.checkpoint.AnnouncedFirst.N, r.missing = stored, missingRecord
			},
		},
		{
			name: "the walk ends early",
			change: func(_ *fakeInventory, _ *fakeRows, s *domaintest.ScriptedSource) {
				s.At("4", domaintest.FailWith(domain.Unauthorized))
			},
		},
		{
			name: "the pass received fewer records than announced",
			change: func(i *fakeInventory, _ *fakeRows, _ *domaintest.ScriptedSource) {
				i.checkpoint.Offset = announced - 1
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inventory, r, source := newShortInventory(), &fakeRows{}, domaintest.NewCleanStream(announced, pageSize)
			tt.change(inventory, r, source)
			report, err := verify.New(inventory, &recorder{}, newOptions(newAPI(source, r))).Run(t.Context())
			finding := findingOf(t, report, domain.CheckAnnounced)
			if cleared := finding.Differences == 0 && len(finding.Shown) == 0; cleared != tt.cleared {
				t.Errorf("got finding %+v, want cleared %v", finding, tt.cleared)
			}
			if succeeded := err == nil; succeeded != tt.cleared {
				t.Errorf("got error %v, want none only if the finding is cleared", err)
			}
		})
	}
}
