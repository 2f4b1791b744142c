// Package verify checks a stream: that its rows in the database are consistent with each other and, on request, that they
// are what the API returns.
package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// An Inventory checks the database and never changes it.
type Inventory interface {
	// Inspect makes all checks of domain.InventoryChecks in order, also after one has failed, and calls began before each of
	// them. All checks see the database at the same moment, even if a run commits meanwhile. If the stream was never claimed
	// the error is Invalid. With an error the inspection has the findings until then. Inspect makes one attempt.
	Inspect(ctx context.Context, stream domain.StreamID, began func(domain.Check)) (domain.Inspection, error)
}

// An Observer is called for each step, in order and from the goroutine of Run. Run waits for it, so it must be quick.
type Observer interface {
	// Checking is called when a check begins, and the one before has ended.
	Checking(check domain.Check)
	// Waiting is called when nothing will happen until w.Until, because of w.Err.
	Waiting(w retry.Wait)
	// Compared is called when a page of the API has been compared.
	Compared(page domain.DecodedPage)
}

// Options select the stream to verify.
type Options struct {
	Stream domain.StreamID
	Retry  retry.Policy // for the database
	API    *API         // to compare with; nil: only the database is checked
}

// A Report is the result of a verification.
type Report struct {
	domain.Inspection

	Walk Walk // of the API; zero if it was not read
}

// A Walk counts what the API returned in one pass.
type Walk struct {
	Pages    int64
	Received int64 // records
	Parked   int64 // of these, dead letters
	NotKept  int64 // of these, counted in another dead letter of their event, see domain.MaxOpenDeadLetters
	New      int64 // of these, neither stored nor parked, but probably newer than the last pass
}

// A Verifier verifies one stream.
type Verifier struct {
	inventory Inventory
	observer  Observer
	opts      Options
}

// New returns a verifier. It does nothing until Run.
func New(inventory Inventory, observer Observer, opts Options) *Verifier {
	return &Verifier{inventory: inventory, observer: observer, opts: opts}
}

// Run makes all checks and reports the finding of each. If a check fails, Run makes the remaining ones, too, and the error
// is Inconsistent. With any other error, such as Stopped when ctx ends, the report has only the checks that were
// completed. Run changes nothing, neither in the database nor in the API, and may be called again.
//
// The checks of the database all see it at one moment, even if a run commits meanwhile. The comparison with the API sees
// the database as it is while the API is read. It returns Invalid if the stream is not complete or was read from another
// source URL.
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
	return report, report.inconsistency()
}

// inspect makes the checks of the database. It retries only until the first check has begun: an error after that may have
// taken long, and a retry would take as long again.
func (v *Verifier) inspect(ctx context.Context) (domain.Inspection, error) {
	var inspection domain.Inspection
	var checkErr error
	err := v.opts.Retry.Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		begun := false
		inspection, err = v.inventory.Inspect(ctx, v.opts.Stream, func(check domain.Check) {
			begun = true
			v.observer.Checking(check)
		})
		if begun {
			checkErr = err
			return nil
		}
		return err
	})
	if err != nil {
		return inspection, err
	}
	return inspection, checkErr
}

// inconsistency returns an error that names the failed checks, nil if there are none.
func (r Report) inconsistency() error {
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
		Err: fmt.Errorf("%s in %s: %s",
			pluralize(differences, "difference"), pluralize(int64(len(checks)), "check"), strings.Join(checks, ", ")),
		Hint: "the report names them",
	}
}

func pluralize(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
