package domaintest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/pawldata/pawl/internal/domain"
)

func driftIsNewOnce(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	p := page(at.Position, 1)
	p.Drift = []domain.DriftCount{{Path: "a", Kind: "new field", Count: 1, Value: []byte(`"x"`)}}
	first, err := s.Commit(ctx, batch(at, p))
	if err != nil {
		return err
	}
	p.To.Pass++ // within a pass no page may repeat another
	p.Drift = append(p.Drift, domain.DriftCount{Path: "a", Kind: "other", Count: 1, Value: []byte("1")})
	second, err := s.Commit(ctx, batch(first.Checkpoint, p))
	if err != nil {
		return err
	}
	fresh := slices.Concat(first.NewDrift, second.NewDrift)
	for i := range fresh {
		if fresh[i].FirstPageID == 0 || fresh[i].FirstPageID != fresh[i].LastPageID {
			return errors.New("an entry does not name its page")
		}
		fresh[i].FirstPageID, fresh[i].LastPageID = 0, 0
	}
	wanted := []domain.DriftEntry{{Path: "a", Kind: "new field", Count: 1, Sample: `"x"`}, {Path: "a", Kind: "other", Count: 1, Sample: "1"}}
	if !reflect.DeepEqual(fresh, wanted) {
		return fmt.Errorf("new drift %+v, want %+v", fresh, wanted)
	}
	return nil
}
