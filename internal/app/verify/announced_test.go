package verify_test

import (
	"testing"

	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestAWholeWalkSettlesWhatWasAnnounced: fewer records are stored than announced, and all that the API returns are among them.
func TestAWholeWalkSettlesWhatWasAnnounced(t *testing.T) {
	t.Parallel()
	short := func() *inventory {
		i := sound()
		i.at.Offset, i.at.Inserted, i.at.AnnouncedFirst = 5, 4, domain.Total{N: 5, Known: true}
		i.at.AnnouncedLast = i.at.AnnouncedFirst
		i.findings = append(i.findings, domain.Finding{Check: domain.CheckAnnounced, Differences: 1, Shown: []domain.Difference{{What: "4 of 5"}}})
		return i
	}
	tests := []struct {
		name    string
		change  func(i *inventory, r *rows, source *domaintest.ScriptedSource)
		settled bool
	}{
		{"all is stored or parked", func(*inventory, *rows, *domaintest.ScriptedSource) {}, true},
		{"a record is missing", func(_ *inventory, r *rows, _ *domaintest.ScriptedSource) {
			r.missing = []domain.EventID{domaintest.EventID(1)}
		}, false},
		{"a record is missing that may be new", func(i *inventory, r *rows, _ *domaintest.ScriptedSource) {
			i.at.AnnouncedFirst.N, r.missing = 4, []domain.EventID{domaintest.EventID(1)}
		}, false},
		{"the walk breaks off", func(_ *inventory, _ *rows, s *domaintest.ScriptedSource) {
			s.At("4", domaintest.FailWith(domain.Unauthorized))
		}, false},
		{"the pass received fewer", func(i *inventory, _ *rows, _ *domaintest.ScriptedSource) { i.at.Offset = 4 }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i, r, source := short(), &rows{}, domaintest.NewCleanStream(5, 2)
			tt.change(i, r, source)
			report, err := verify.New(i, &witness{}, options(apiOn(source, r))).Run(t.Context())
			announced := report.Findings[2]
			if settled := announced.Differences == 0 && len(announced.Shown) == 0; settled != tt.settled || tt.settled != (err == nil) {
				t.Errorf("%v: %+v", err, announced)
			}
		})
	}
}

// TestAnAPIThatGrows returns events that are not stored yet: as many as it announces more than the last pass accounts for.
// The API returns 7 records.
func TestAnAPIThatGrows(t *testing.T) {
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
		fresh       int64
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
		{"it has shrunk", known(9), known(9), 9, 9, 0, false, 1, 0, 1},
		{"nobody knows", domain.Total{}, domain.Total{}, 4, 4, 0, false, 3, 0, 3},
		{"nothing is missing", known(4), known(4), 4, 4, 0, false, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i, r := sound(), &rows{}
			i.shared = tt.shared
			i.at.AnnouncedFirst, i.at.AnnouncedLast, i.at.Offset = tt.first, tt.last, tt.position
			i.at.Inserted, i.at.Parked = tt.inserted, tt.parked
			for n := range tt.missing {
				r.missing = append(r.missing, domaintest.EventID(uint64(n)))
			}
			report, err := verify.New(i, &witness{}, options(streamOf(7, 2, r))).Run(t.Context())
			if (err == nil) != (tt.differences == 0) || report.Walk.New != tt.fresh || report.Findings[2].Differences != tt.differences {
				t.Errorf("%v: new %d, differences %d", err, report.Walk.New, report.Findings[2].Differences)
			}
			if shown := len(report.Findings[2].Shown); tt.differences > 0 && shown != tt.missing {
				t.Errorf("%d are shown of %d that may be lost", shown, tt.missing)
			}
		})
	}
}
