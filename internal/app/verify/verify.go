// Package verify checks that the rows of a stream in the database are consistent with each other. On request it also checks
// that the rows agree with the records that the API returns.
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
	// Inspect makes all checks of [domain.InventoryChecks] in order, and calls begin before each of them. A check that
	// finds differences does not stop the others. All checks see the database at the same moment, even if a run commits
	// pages at the same time.
	//
	// Inspect makes one attempt. If the stream was never claimed, Inspect returns Invalid. If it returns an error, the
	// inspection has the findings of the checks that were completed.
	Inspect(ctx context.Context, stream domain.StreamID, begin func(domain.Check)) (domain.Inspection, error)
}

// An Observer is notified of each step of a verification. Run calls its methods in order, from one goroutine, and waits
// until they return. So they must be quick.
type Observer interface {
	// Checking is called before each check.
	Checking(check domain.Check)
	// Waiting is called before each wait. w.Err is the reason for the wait.
	Waiting(w retry.Wait)
	// Compared is called after each page of the API is compared.
	Compared(page domain.DecodedPage)
}

// Options are the settings of a verification.
type Options struct {
	Stream domain.StreamID
	Retry  retry.Policy // limits the attempts and waits for each page of the API
	Outage retry.Policy // limits the time in which the database may fail, for each operation
	API    *API         // the API to compare with; if it is nil, Run checks only the database
}

// A Report is the result of a verification.
type Report struct {
	domain.Inspection

	Walk Walk // the counts of the comparison with the API; zero if the API was not read
}

// A Walk counts the records that the API returned in one pass.
type Walk struct {
	Pages    int64
	Received int64 // all records
	Parked   int64 // the records that are parked
	NotKept  int64 // the records that are only counted in another dead letter of their event, see domain.MaxOpenDeadLetters
	New      int64 // the records that are neither stored nor parked, but are probably newer than the last pass
}

// A Verifier verifies one stream.
type Verifier struct {
	inventory Inventory
	observer  Observer
	opts      Options
}

// New returns a verifier. The verifier does nothing until Run is called.
func New(inventory Inventory, observer Observer, opts Options) *Verifier {
	return &Verifier{inventory: inventory, observer: observer, opts: opts}
}

// Run makes all checks and reports the finding of each. If a check finds differences, Run continues with the next check, and
// returns Inconsistent at the end. If Run returns any other error, such as Stopped because ctx ended, the report has the
// findings so far. Run changes nothing in the database or at the API, and may be called again.
//
// All checks of the database see its state at the same moment, even if a run commits pages at the same time. The comparison
// with the API also sees changes that are made to the database while the API is read. If the stream is not complete, or was
// read from another source URL, it cannot be compared. Then Run returns Invalid after the checks of the database.
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

// inspect makes the checks of the database. After an error it tries again only if no check had begun, because the checks can
// take very long.
func (v *Verifier) inspect(ctx context.Context) (domain.Inspection, error) {
	var inspection domain.Inspection
	var checkErr error // the error that came after the first check had begun
	err := v.opts.Outage.Do(ctx, v.observer.Waiting, func(ctx context.Context) (err error) {
		begun := false
		inspection, err = v.inventory.Inspect(ctx, v.opts.Stream, func(check domain.Check) {
			begun = true
			v.observer.Checking(check)
		})
		if begun {
			checkErr = err
			return nil // so that Do does not try again
		}
		return err
	})
	if err != nil {
		return inspection, err
	}
	return inspection, checkErr
}

// inconsistency returns an error that names the checks that found differences. It returns nil if no check found any.
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
		Kind: domain.Inconsistent, Code: domain.CodeVerifyDifferences, Op: "verify stream " + r.Stream.Checkpoint.Stream.String(),
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
