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
	missing    []domain.EventID
	unreturned int64
	err        error // of Compare from its second call, and of Unreturned from its first
	failures   int   // how many calls of each fail; 0: all
	setBack    bool  // the last page is another one after Compare

	begins   int
	returned []domain.EventID
	calls    int
	asked    int // calls of Unreturned
}

func (r *fakeRows) Begin() {
	r.begins++
	r.returned = nil
}

func (r *fakeRows) Compare(_ context.Context, _ domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error) {
	r.calls++
	if r.calls > 1 && r.err != nil && (r.failures == 0 || r.calls <= r.failures+1) {
		return domain.PageComparison{}, r.err
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
	if r.setBack && r.calls > 0 {
		return time.Unix(2, 0), nil
	}
	return time.Unix(1, 0), nil
}

func (r *fakeRows) Unreturned(context.Context, domain.StreamID) (domain.Finding, error) {
	r.asked++
	if r.asked <= r.failures {
		return domain.Finding{}, r.err
	}
	return domain.Finding{Check: domain.CheckUnreturned, Differences: r.unreturned}, nil
}

// A walkRecorder is a recorder that also observes walks.
type walkRecorder struct{ recorder }

func (*walkRecorder) Fetching(domain.Position)    {}
func (*walkRecorder) PassStarted(domain.Position) {}

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

func newCleanAPI(n int, r *fakeRows) *verify.API {
	return newAPI(domaintest.NewCleanStream(n, 2), r)
}

func TestCompare_AllPages(t *testing.T) {
	t.Parallel()
	r := &fakeRows{missing: []domain.EventID{domaintest.EventID(4)}, unreturned: 7}
	report, err := verify.New(soundInventory(), &recorder{}, options(newCleanAPI(5, r))).Run(t.Context())
	if domain.KindOf(err) != domain.Inconsistent || !strings.Contains(err.Error(), "8 differences in 2 checks: returned, unreturned") {
		t.Errorf("got error %v, want 8 differences", err)
	}
	if report.Walk != (verify.Walk{Pages: 3, Received: 5}) || len(r.returned) != 5 || r.begins != 1 {
		t.Errorf("got walk %+v, %d returned", report.Walk, len(r.returned))
	}
	found := report.Findings[2].Shown[0]
	if found.Event != domaintest.EventID(4) || found.RequestID == "" {
		t.Errorf("got difference %+v", found)
	}
}

// TestCompare_SetBack: a walk takes hours, and rows that it has compared may be gone at its end.
func TestCompare_SetBack(t *testing.T) {
	t.Parallel()
	_, err := verify.New(soundInventory(), &recorder{}, options(newCleanAPI(5, &fakeRows{setBack: true}))).Run(t.Context())
	if domain.KindOf(err) != domain.SetBack {
		t.Errorf("got error %v, want kind set back", err)
	}
}

// TestCompare_LostCursor: each difference is reported once, although the walk starts again.
func TestCompare_LostCursor(t *testing.T) {
	t.Parallel()
	r := &fakeRows{missing: []domain.EventID{domaintest.EventID(0), domaintest.EventID(3)}}
	source := domaintest.NewCleanStream(6, 2).At("4", domaintest.FailWith(domain.CursorExpired))
	report, err := verify.New(soundInventory(), &recorder{}, options(newAPI(source, r))).Run(t.Context())
	if domain.KindOf(err) != domain.Inconsistent || report.Findings[2].Differences != 2 {
		t.Errorf("got %v: %+v", err, report.Findings)
	}
	if report.Walk.Pages != 3 || report.Walk.Received != 6 || r.begins != 2 || len(r.returned) != 6 {
		t.Errorf("got walk %+v, %d calls of Begin, %d returned", report.Walk, r.begins, len(r.returned))
	}
}

// TestCompare_CountsParked: each walk counts from zero.
func TestCompare_CountsParked(t *testing.T) {
	t.Parallel()
	source := domaintest.NewScriptedSource(
		domaintest.PageOf("a", "1", "x", "y"), domaintest.FailWith(domain.CursorExpired),
		domaintest.PageOf("b", "1", "x", "y"), domaintest.LastPageOf("z").WithTotal(4),
	)
	report, err := verify.New(soundInventory(), &recorder{}, options(newAPI(source, &fakeRows{}))).Run(t.Context())
	if want := (verify.Walk{Pages: 2, Received: 4, Parked: 3}); err != nil || report.Walk != want {
		t.Errorf("%v, got walk %+v", err, report.Walk)
	}
}

func TestCompare_NotComparable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(at *domain.Checkpoint)
		want   string
	}{
		{
			"another source URL", func(at *domain.Checkpoint) { at.SourceURL = "https://other.example" },
			"it was read from https://other.example, not from " + sourceURL,
		},
		{"a stream that is not complete", func(at *domain.Checkpoint) { at.Done = false }, "it is not complete"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := soundInventory()
			tt.change(&i.at)
			source := domaintest.NewCleanStream(1, 1)
			report, err := verify.New(i, &recorder{}, options(newAPI(source, &fakeRows{}))).Run(t.Context())
			if domain.KindOf(err) != domain.Invalid || !strings.HasSuffix(err.Error(), tt.want) || len(report.Findings) != 2 {
				t.Errorf("got %v: %+v", err, report.Findings)
			}
			if n := len(source.Requests()); n != 0 {
				t.Errorf("got %d requests, want none", n)
			}
		})
	}
}

// TestCompare_EndsEarly: Run reports the differences until then, and the error.
func TestCompare_EndsEarly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		source domain.EventSource
		rows   *fakeRows
		kind   domain.Kind
	}{
		{"the API fails", domaintest.NewCleanStream(4, 2).At("2", domaintest.FailWith(domain.Unauthorized)), &fakeRows{}, domain.Unauthorized},
		{"the database fails", domaintest.NewCleanStream(4, 2), &fakeRows{err: failure(domain.Transient)}, domain.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.rows.missing = []domain.EventID{domaintest.EventID(1)}
				report, err := verify.New(soundInventory(), &recorder{}, options(newAPI(tt.source, tt.rows))).Run(t.Context())
				if domain.KindOf(err) != tt.kind || len(report.Findings) != 3 || report.Findings[2].Differences != 1 {
					t.Errorf("got %v: %+v", err, report.Findings)
				}
			})
		})
	}
}

// TestCompare_LongFailures: the API and the database may fail for minutes, in the middle of a walk and at its end.
func TestCompare_LongFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const failures = 20
		source := domaintest.NewCleanStream(6, 2)
		for range failures {
			source.At("2", domaintest.FailWith(domain.Transient))
		}
		r := &fakeRows{err: failure(domain.Transient), failures: failures}
		w := &recorder{}
		report, err := verify.New(soundInventory(), w, options(newAPI(source, r))).Run(t.Context())
		if err != nil || report.Walk != (verify.Walk{Pages: 3, Received: 6}) {
			t.Errorf("%v, got walk %+v", err, report.Walk)
		}
		if r.begins != 1 || len(r.returned) != 6 || r.calls != 3+failures || r.asked != 1+failures || w.waits != 2*failures {
			t.Errorf("got calls: %d Begin, %d Compare, %d Unreturned; %d returned, %d waits", r.begins, r.calls, r.asked, len(r.returned), w.waits)
		}
	})
}

// TestCompare_BadPageTries: bad pages get the user's number of attempts; only transient failures get more.
func TestCompare_BadPageTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(4, 2)
		for range 30 {
			source.At("2", domaintest.FailWith(domain.BadPage))
		}
		opts := options(newAPI(source, &fakeRows{}))
		_, err := verify.New(soundInventory(), &recorder{}, opts).Run(t.Context())
		if asked := len(source.Requests()) - 1; domain.KindOf(err) != domain.BadPage || asked != opts.Retry.Tries {
			t.Errorf("got %d requests for the page, then %v; want %d and BadPage", asked, err, opts.Retry.Tries)
		}
	})
}

// TestCompare_AcceptedShortEnd: the walk accepts a short end that the user accepted for the last pass.
func TestCompare_AcceptedShortEnd(t *testing.T) {
	t.Parallel()
	for _, accepted := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			i := soundInventory()
			i.accepted = accepted
			source := domaintest.NewCleanStream(4, 2)
			for range 30 {
				source.At("2", domaintest.LastPageOf("2", "3").WithTotal(5))
			}
			source.At("", domaintest.PageOf("2", "0", "1").WithTotal(5))
			report, err := verify.New(i, &recorder{}, options(newAPI(source, &fakeRows{}))).Run(t.Context())
			if accepted && (err != nil || report.Walk.Received != 4) || !accepted && domain.KindOf(err) != domain.BadPage {
				t.Errorf("accepted %v: got %v", accepted, err)
			}
		})
	}
}

// TestCompare_ClearsAnnounced: fewer records are stored than were announced. A complete walk that finds every record stored
// clears that difference.
func TestCompare_ClearsAnnounced(t *testing.T) {
	t.Parallel()
	newShort := func() *fakeInventory {
		i := soundInventory()
		i.at.Offset, i.at.Inserted, i.at.AnnouncedFirst = 5, 4, domain.Total{N: 5, Known: true}
		i.at.AnnouncedLast = i.at.AnnouncedFirst
		i.findings = append(i.findings,
			domain.Finding{Check: domain.CheckAnnounced, Differences: 1, Shown: []domain.Difference{{What: "4 of 5"}}})
		return i
	}
	tests := []struct {
		name    string
		change  func(i *fakeInventory, r *fakeRows, source *domaintest.ScriptedSource)
		cleared bool
	}{
		{"all is stored or parked", func(*fakeInventory, *fakeRows, *domaintest.ScriptedSource) {}, true},
		{"a record is missing", func(_ *fakeInventory, r *fakeRows, _ *domaintest.ScriptedSource) {
			r.missing = []domain.EventID{domaintest.EventID(1)}
		}, false},
		{"a record is missing that may be new", func(i *fakeInventory, r *fakeRows, _ *domaintest.ScriptedSource) {
			i.at.AnnouncedFirst.N, r.missing = 4, []domain.EventID{domaintest.EventID(1)}
		}, false},
		{"the walk ends early", func(_ *fakeInventory, _ *fakeRows, s *domaintest.ScriptedSource) {
			s.At("4", domaintest.FailWith(domain.Unauthorized))
		}, false},
		{"the pass received fewer", func(i *fakeInventory, _ *fakeRows, _ *domaintest.ScriptedSource) { i.at.Offset = 4 }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i, r, source := newShort(), &fakeRows{}, domaintest.NewCleanStream(5, 2)
			tt.change(i, r, source)
			report, err := verify.New(i, &recorder{}, options(newAPI(source, r))).Run(t.Context())
			announced := report.Findings[2]
			if cleared := announced.Differences == 0 && len(announced.Shown) == 0; cleared != tt.cleared || tt.cleared != (err == nil) {
				t.Errorf("got %v: %+v, want cleared %v", err, announced, tt.cleared)
			}
		})
	}
}

// TestCompare_GrowingAPI: missing records count as new, up to the growth of the announced total since the last pass. The API
// returns 7 records.
func TestCompare_GrowingAPI(t *testing.T) {
	t.Parallel()
	known := func(n int64) domain.Total { return domain.Total{N: n, Known: true} }
	tests := []struct {
		name        string
		first, last domain.Total
		position    int64
		inserted    int64
		parked      int64
		shared      bool
		missing     int
		newRecords  int64
		differences int64
	}{
		{"since the pass, by what is missing", known(4), known(4), 4, 4, 0, false, 3, 3, 0},
		{"by more", known(1), known(1), 1, 1, 0, false, 3, 3, 0},
		{"by less", known(5), known(5), 5, 4, 1, false, 3, 2, 1},
		{"not at all", known(7), known(7), 7, 7, 0, false, 3, 0, 3},
		{"during the pass, which did not read it", known(4), known(7), 4, 4, 0, false, 3, 3, 0},
		{"during the pass, which received other records twice", known(4), known(7), 7, 4, 0, false, 3, 3, 0},
		{"during the pass, which read a part of it", known(4), known(7), 6, 5, 1, false, 3, 1, 2},
		{"during the pass, which read all of it", known(4), known(7), 7, 7, 0, false, 3, 0, 3},
		{"during the pass, and another stream had stored it", known(4), known(7), 7, 4, 0, true, 3, 0, 3},
		{"fewer are stored than were announced first", known(6), known(6), 6, 4, 0, false, 3, 1, 2},
		{"after later versions were parked", known(4), known(4), 4, 4, 3, false, 3, 3, 0},
		{"the API has shrunk", known(9), known(9), 9, 9, 0, false, 1, 0, 1},
		{"no totals", domain.Total{}, domain.Total{}, 4, 4, 0, false, 3, 0, 3},
		{"nothing is missing", known(4), known(4), 4, 4, 0, false, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i, r := soundInventory(), &fakeRows{}
			i.shared = tt.shared
			i.at.AnnouncedFirst, i.at.AnnouncedLast, i.at.Offset = tt.first, tt.last, tt.position
			i.at.Inserted, i.at.Parked = tt.inserted, tt.parked
			for n := range tt.missing {
				r.missing = append(r.missing, domaintest.EventID(uint64(n)))
			}
			report, err := verify.New(i, &recorder{}, options(newCleanAPI(7, r))).Run(t.Context())
			if (err == nil) != (tt.differences == 0) || report.Walk.New != tt.newRecords || report.Findings[2].Differences != tt.differences {
				t.Errorf("got %v: %d new, %d differences; want %d and %d",
					err, report.Walk.New, report.Findings[2].Differences, tt.newRecords, tt.differences)
			}
			if shown := len(report.Findings[2].Shown); tt.differences > 0 && shown != tt.missing {
				t.Errorf("got %d shown of %d that may be lost, want all", shown, tt.missing)
			}
		})
	}
}
