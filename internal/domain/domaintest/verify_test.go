package domaintest_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// newVerifyUnderTest returns access to a new MemDatabase, with its inventory and its comparison.
func newVerifyUnderTest(*testing.T) domaintest.VerifyUnderTest {
	db := domaintest.NewMemDatabase()
	return domaintest.VerifyUnderTest{
		StoreUnderTest: newStoreUnderTest(db, useUnchanged), Inventory: db.Inventory(), Comparison: db.Comparison(),
		Delete: func(_ context.Context, id domain.EventID) error {
			db.Delete(id)
			return nil
		},
	}
}

func TestMemInventory(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.InventoryChecks(), newVerifyUnderTest)
}

func TestMemComparison(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ComparisonChecks(), newVerifyUnderTest)
}

// A brokenInventory is an inventory with one fault: edit changes each inspection.
type brokenInventory struct {
	domaintest.Inventory

	edit func(*domain.Inspection)
}

func (b brokenInventory) Inspect(
	ctx context.Context, stream domain.StreamID, begin func(domain.Check),
) (domain.Inspection, error) {
	inspection, err := b.Inventory.Inspect(ctx, stream, begin)
	b.edit(&inspection)
	return inspection, err
}

// TestInventoryChecks_BrokenInventories checks that each fault of an inventory fails the check that is about this fault.
func TestInventoryChecks_BrokenInventories(t *testing.T) {
	t.Parallel()
	dropDifferences := func(inspection *domain.Inspection) {
		for i, finding := range inspection.Findings {
			inspection.Findings[i] = domain.Finding{Check: finding.Check}
		}
	}
	dropLastFinding := func(inspection *domain.Inspection) {
		if n := len(inspection.Findings); n > 0 {
			inspection.Findings = inspection.Findings[:n-1]
		}
	}
	tests := []struct {
		name   string
		edit   func(*domain.Inspection)
		caught string // the check that must fail
	}{
		{name: "the last check is left out", edit: dropLastFinding, caught: "an inspection makes all checks in order"},
		{name: "differences are not found", edit: dropDifferences, caught: "a difference does not end the checks"},
		{
			name: "no dead letter is counted", edit: func(i *domain.Inspection) { i.Parked = 0 },
			caught: "a stream with events and dead letters has no differences",
		},
		{
			name: "other streams are not seen", edit: func(i *domain.Inspection) { i.Shared = false },
			caught: "an inspection reports an accepted short end and another stream",
		},
		{
			name: "findings are dropped", edit: func(i *domain.Inspection) { i.Findings = nil },
			caught: "a stopped inspection has the findings of the completed checks",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tested := newVerifyUnderTest(t)
			tested.Inventory = brokenInventory{Inventory: tested.Inventory, edit: tt.edit}
			wantCheckFails(t, domaintest.InventoryChecks(), tt.caught, tested)
		})
	}
}

// A brokenComparison is a comparison with one fault.
type brokenComparison struct {
	domaintest.Comparison

	begin func()                    // is called instead of Begin, unless it is nil
	edit  func(*domain.DecodedPage) // changes each page before it is compared, unless it is nil
}

func (b brokenComparison) Begin() {
	if b.begin != nil {
		b.begin()
		return
	}
	b.Comparison.Begin()
}

func (b brokenComparison) Compare(
	ctx context.Context, stream domain.StreamID, page domain.DecodedPage,
) (domain.PageComparison, error) {
	if b.edit != nil {
		b.edit(&page)
	}
	return b.Comparison.Compare(ctx, stream, page)
}

// TestComparisonChecks_BrokenComparisons checks that each fault of a comparison fails the check that is about this fault.
func TestComparisonChecks_BrokenComparisons(t *testing.T) {
	t.Parallel()
	dropRejects := func(p *domain.DecodedPage) { p.Rejects = nil }
	tests := []struct {
		name   string
		broken brokenComparison
		caught string // the check that must fail
	}{
		{name: "Begin does nothing", broken: brokenComparison{begin: func() {}}, caught: "Begin forgets which events were returned"},
		{name: "rejects are ignored", broken: brokenComparison{edit: dropRejects}, caught: "parked records are counted"},
		{
			name: "ids of rejects are ignored", broken: brokenComparison{edit: dropRejects},
			caught: "an event is returned if a reject with its id is compared",
		},
		{
			name:   "only the first event of a page is compared",
			broken: brokenComparison{edit: func(p *domain.DecodedPage) { p.Events = p.Events[:1] }},
			caught: "an event with other values is a difference",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tested := newVerifyUnderTest(t)
			tt.broken.Comparison = tested.Comparison
			tested.Comparison = tt.broken
			wantCheckFails(t, domaintest.ComparisonChecks(), tt.caught, tested)
		})
	}
}
