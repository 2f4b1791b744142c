package cli

import (
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// observers is one ingest.Observer that tells several, in order.
type observers []ingest.Observer

func (all observers) Claimed(at domain.Checkpoint) {
	for _, o := range all {
		o.Claimed(at)
	}
}

func (all observers) Fetching(at domain.Position) {
	for _, o := range all {
		o.Fetching(at)
	}
}

func (all observers) Storing(page domain.DecodedPage) {
	for _, o := range all {
		o.Storing(page)
	}
}

func (all observers) Waiting(w retry.Wait) {
	for _, o := range all {
		o.Waiting(w)
	}
}

func (all observers) PassStarted(at domain.Position) {
	for _, o := range all {
		o.PassStarted(at)
	}
}

func (all observers) Committed(page domain.DecodedPage, res domain.CommitResult) {
	for _, o := range all {
		o.Committed(page, res)
	}
}
