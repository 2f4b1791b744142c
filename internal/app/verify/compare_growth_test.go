package verify_test

import (
	"testing"

	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestCompare_GrowingAPI checks how many of the missing records Run counts as new, and how many as differences. The API
// announces and returns seven records. The stream has the records that are inserted or parked. If the API can have grown by n
// records since the stream received them, at most n missing records are new. n is seven minus
// [domain.Inspection.Accounted].
func TestCompare_GrowingAPI(t *testing.T) {
	t.Parallel()
	const apiRecords = 7
	tests := []struct {
		name             string
		first, last      int64 // the totals that the API announced during the last pass; 0 if it announced none
		offset           int64 // the number of records that the last pass received
		inserted, parked int64
		shared           bool // another stream stores into the same table
		missing          int  // the number of the API's records that are neither stored nor parked
		wantNew          int64
		wantDifferences  int64
	}{
		{
			name:  "the API has grown by 3 since the pass",
			first: 4, last: 4, offset: 4, inserted: 4, missing: 3, wantNew: 3,
		},
		{
			name:  "the API has grown by more than 3",
			first: 1, last: 1, offset: 1, inserted: 1, missing: 3, wantNew: 3,
		},
		{
			name:  "the API has grown by 2",
			first: 5, last: 5, offset: 5, inserted: 4, parked: 1, missing: 3, wantNew: 2, wantDifferences: 1,
		},
		{
			name:  "the API has not grown",
			first: 7, last: 7, offset: 7, inserted: 7, missing: 3, wantDifferences: 3,
		},
		{
			name:  "the API grew during the pass, which received none of the new records",
			first: 4, last: 7, offset: 4, inserted: 4, missing: 3, wantNew: 3,
		},
		{
			name:  "the API grew during the pass, which received 3 old records twice",
			first: 4, last: 7, offset: 7, inserted: 4, missing: 3, wantNew: 3,
		},
		{
			name:  "the API grew during the pass, which received 2 of the new records",
			first: 4, last: 7, offset: 6, inserted: 5, parked: 1, missing: 3, wantNew: 1, wantDifferences: 2,
		},
		{
			name:  "the API grew during the pass, which received all new records",
			first: 4, last: 7, offset: 7, inserted: 7, missing: 3, wantDifferences: 3,
		},
		{
			name:  "the API grew during the pass, and another stream had stored the new records",
			first: 4, last: 7, offset: 7, inserted: 4, shared: true, missing: 3, wantDifferences: 3,
		},
		{
			name:  "fewer records are stored than were announced first",
			first: 6, last: 6, offset: 6, inserted: 4, missing: 3, wantNew: 1, wantDifferences: 2,
		},
		{
			name:  "other versions of stored events were parked",
			first: 4, last: 4, offset: 4, inserted: 4, parked: 3, missing: 3, wantNew: 3,
		},
		{
			name:  "the API has shrunk",
			first: 9, last: 9, offset: 9, inserted: 9, missing: 1, wantDifferences: 1,
		},
		{
			name:   "the API announced no totals during the pass",
			offset: 4, inserted: 4, missing: 3, wantDifferences: 3,
		},
		{
			name:  "nothing is missing",
			first: 4, last: 4, offset: 4, inserted: 4,
		},
	}
	// newTotal returns a total of n records, which is unknown if n is 0.
	newTotal := func(n int64) domain.Total { return domain.Total{N: n, Known: n > 0} }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inventory, rows := newConsistentInventory(), &fakeRows{}
			inventory.shared = tt.shared
			inventory.checkpoint.AnnouncedFirst, inventory.checkpoint.AnnouncedLast = newTotal(tt.first), newTotal(tt.last)
			inventory.checkpoint.Offset = tt.offset
			inventory.checkpoint.Inserted, inventory.checkpoint.Parked = tt.inserted, tt.parked
			for n := range tt.missing { // the API returns the events from 0 to apiRecords-1
				rows.missing = append(rows.missing, domaintest.EventID(uint64(n)))
			}
			report, err := verify.New(inventory, &recorder{}, newOptions(newCleanAPI(apiRecords, rows))).Run(t.Context())
			if tt.wantDifferences == 0 {
				domaintest.CheckKind(t, err, domaintest.NoError)
			} else {
				domaintest.CheckKind(t, err, domain.Inconsistent)
			}
			finding := findingOf(t, report, domain.CheckReturned)
			if report.Walk.New != tt.wantNew || finding.Differences != tt.wantDifferences {
				t.Errorf("got %d new records, %d differences; want %d, %d",
					report.Walk.New, finding.Differences, tt.wantNew, tt.wantDifferences)
			}
			if shown := len(finding.Shown); tt.wantDifferences > 0 && shown != tt.missing {
				t.Errorf("got %d missing records shown, want all %d, because it is unknown which are lost", shown, tt.missing)
			}
		})
	}
}
