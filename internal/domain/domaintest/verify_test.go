package domaintest_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func newVerifyUnderTest() domaintest.VerifyUnderTest {
	db := domaintest.NewMemDatabase()
	plain := func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore { return s }
	return domaintest.VerifyUnderTest{
		StoreUnderTest: newStoreOn(db, plain), Inventory: db.Inventory(), Comparison: db.Comparison(),
		Delete: func(_ context.Context, id domain.EventID) error {
			db.Delete(id)
			return nil
		},
	}
}

func TestMemInventory(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.InventoryChecks(), func(*testing.T) domaintest.VerifyUnderTest { return newVerifyUnderTest() })
}

func TestMemComparison(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ComparisonChecks(), func(*testing.T) domaintest.VerifyUnderTest { return newVerifyUnderTest() })
}

// A brokenInventory changes the inspections of an inventory.
type brokenInventory struct {
	domaintest.Inventory

	edit func(*domain.Inspection)
}

func (b brokenInventory) Inspect(
	ctx context.Context, stream domain.StreamID, began func(domain.Check),
) (domain.Inspection, error) {
	inspection, err := b.Inventory.Inspect(ctx, stream, began)
	b.edit(&inspection)
	return inspection, err
}

// TestInventoryChecks_BrokenInventories shows that each fault of an inventory fails a check.
func TestInventoryChecks_BrokenInventories(t *testing.T) {
	t.Parallel()
	clearAll := func(i *domain.Inspection) {
		for n := range i.Findings {
			i.Findings[n] = domain.Finding{Check: i.Findings[n].Check}
		}
	}
	tests := []struct {
		name   string
		edit   func(*domain.Inspection)
		caught string // the check that must fail
	}{
		{
			"a check is left out", func(i *domain.Inspection) { i.Findings = i.Findings[:max(0, len(i.Findings)-1)] },
			"all checks are made in order",
		},
		{"differences are not found", clearAll, "a difference does not end the checks"},
		{
			"no dead letter is counted", func(i *domain.Inspection) { i.Parked = 0 },
			"a stream with events and dead letters has no differences",
		},
		{"other streams are not seen", func(i *domain.Inspection) { i.Shared = false }, "a short end and another stream are reported"},
		{
			"findings are dropped with an error", func(i *domain.Inspection) { i.Findings = nil },
			"an inspection that is stopped has the findings until then",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			under := newVerifyUnderTest()
			under.Inventory = brokenInventory{under.Inventory, tt.edit}
			wantCheckFails(t, domaintest.InventoryChecks(), tt.caught, under)
		})
	}
}

// A brokenComparison is a comparison with one fault.
type brokenComparison struct {
	domaintest.Comparison

	begin func()
	edit  func(*domain.DecodedPage)
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

// TestComparisonChecks_BrokenComparisons shows that each fault of a comparison fails a check.
func TestComparisonChecks_BrokenComparisons(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		broken brokenComparison
		caught string // the check that must fail
	}{
		{"begin does nothing", brokenComparison{begin: func() {}}, "begin forgets what was returned"},
		{"rejects are ignored", brokenComparison{edit: func(p *domain.DecodedPage) { p.Rejects = nil }}, "parked records are counted"},
		{
			"ids of rejects are ignored",
			brokenComparison{edit: func(p *domain.DecodedPage) { p.Rejects = nil }},
			"a reject returns the event of its id",
		},
		{
			"only ids are compared",
			brokenComparison{edit: func(p *domain.DecodedPage) { p.Events = p.Events[:1] }},
			"an event with other values is a difference",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			under := newVerifyUnderTest()
			tt.broken.Comparison = under.Comparison
			under.Comparison = tt.broken
			wantCheckFails(t, domaintest.ComparisonChecks(), tt.caught, under)
		})
	}
}
