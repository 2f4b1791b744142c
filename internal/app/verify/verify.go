// Package verify is the use case that proves a stream: that the database holds together by itself and, if asked, that it
// holds what the API returns.
package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// An Inventory is the database, looked at and never changed.
type Inventory interface {
	// Inspect makes all the checks of domain.InventoryChecks in order, whatever they find, and tells began of each before
	// it makes it. All that they see is of one moment, whatever a run commits meanwhile. A stream that was never claimed
	// is Invalid. With an error the inspection has the findings until then. It makes one attempt.
	Inspect(ctx context.Context, stream domain.StreamID, began func(domain.Check)) (domain.Inspection, error)
}

// Options are what is to be verified.
type Options struct {
	Stream domain.StreamID
	Retry  retry.Policy // for reaching the database
	API    *API         // to compare with; nil: the database by itself
}

// A Verifier proves one stream.
type Verifier struct {
	inventory Inventory
	observer  Observer
	opts      Options
}

// New returns a verifier. It does nothing until Run.
func New(inventory Inventory, observer Observer, opts Options) *Verifier {
	return &Verifier{inventory: inventory, observer: observer, opts: opts}
}

// Run makes every check and reports what each came to. If one of them does not hold, the error is Inconsistent; checks
// that follow are made all the same. With any other error, such as Stopped when ctx ends, the report has the checks that
// were brought to their end, and proves no more than those. It changes nothing, neither in the database nor upstream, and
// may be called again.
//
// The checks of the database see one moment of it, which a run that goes on does not disturb. A comparison with the API
// sees the database as it is while the API is walked, and is refused as Invalid where the stream is not complete or was
// read from elsewhere.
func (v *Verifier) Run(ctx context.Context) (Report, error) {
	var report Report
	var err error
	if report.Inspection, err = v.inspect(ctx); err != nil {
		return report, err
	}
	if v.opts.API != nil {
		if err := v.compare(ctx, &report); err != nil {
			return report, err
		}
	}
	return report, report.verdict()
}

// inspect tries again until the database is reached. What ends a check that has begun is not tried again: it may have
// taken long, and would once more.
func (v *Verifier) inspect(ctx context.Context) (domain.Inspection, error) {
	var inspection domain.Inspection
	var ended error
	err := v.opts.Retry.Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		begun := false
		inspection, err = v.inventory.Inspect(ctx, v.opts.Stream, func(check domain.Check) {
			begun = true
			v.observer.Checking(check)
		})
		if begun {
			ended = err
			return nil
		}
		return err
	})
	if err != nil {
		return inspection, err
	}
	return inspection, ended
}

// verdict is the error that names what does not hold.
func (r Report) verdict() error {
	var differences int64
	var checks []string
	for _, f := range r.Findings {
		if f.Differences > 0 {
			differences += f.Differences
			checks = append(checks, f.Check.String())
		}
	}
	if differences == 0 {
		return nil
	}
	return &domain.Error{
		Kind: domain.Inconsistent, Op: "verify stream " + r.Stream.Checkpoint.Stream.String(),
		Err:  fmt.Errorf("%s in %s: %s", counted(differences, "difference"), counted(int64(len(checks)), "check"), strings.Join(checks, ", ")),
		Hint: "the report names them",
	}
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
