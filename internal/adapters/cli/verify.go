package cli

import (
	"context"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/app/verify"
)

type verifyCommand struct {
	AgainstAPI bool `name:"against-api" help:"Read the whole API once more, store nothing, and compare every record with its row or dead letter."`
	JSON       bool `name:"json" help:"Print one JSON object with every check and its differences."`
}

// VerifyOptions are what one verification is asked for beyond the settings.
type VerifyOptions struct {
	AgainstAPI bool
	Retry      retry.Policy
}

// A Verifier proves the stream, as verify.Verifier does.
type Verifier interface {
	Run(ctx context.Context) (verify.Report, error)
}

// A VerifyObserver is told how a verification gets on, and a walk of the API that belongs to it.
type VerifyObserver interface {
	verify.Observer
	ingest.WalkObserver
}

// Run is called by kong.
func (c *verifyCommand) Run(s *session) error {
	if c.AgainstAPI {
		if err := s.settings.needAPI(); err != nil {
			return err
		}
	}
	_, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	observer := newVerifyObserver(s)
	asked := VerifyOptions{AgainstAPI: c.AgainstAPI, Retry: s.policy()}
	verifier, release, err := s.wiring.Verify(s.ctx, s.settings, asked, observer)
	if err != nil {
		return err
	}
	defer release()
	report, err := verifier.Run(s.ctx)
	observer.stop()
	if len(report.Findings) == 0 {
		return err
	}
	if printErr := printReport(s.Stdout, report, c.JSON); err == nil {
		err = printErr
	}
	return err
}
