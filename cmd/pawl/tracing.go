package main

import (
	"context"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/adapters/telemetry"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

func newTracing(ctx context.Context, s cli.Settings, asked cli.RunOptions) (*telemetry.Tracing, func()) {
	telemetry.Heed(asked.Warn)
	tracing := telemetry.Open(ctx, telemetry.Config{Stream: s.Stream, Version: version(), Warn: asked.Warn})
	return tracing, tracing.Close
}

// newRunner is where tracing wraps around what it tells of.
func newRunner(
	t *telemetry.Tracing, client *datasync.Client, decoder *datasync.Decoder, store *postgres.Store,
	observer ingest.Observer, opts ingest.Options,
) cli.Runner {
	source := t.Source(client, client.Endpoint())
	return t.Runner(ingest.New(source, decoder, t.Store(store), tracedObserver{observer, t}, opts))
}

// A tracedObserver passes on to tracing what the ports cannot tell it.
type tracedObserver struct {
	ingest.Observer

	tracing *telemetry.Tracing
}

// Waiting implements ingest.Observer.
func (o tracedObserver) Waiting(w retry.Wait) {
	o.tracing.Waiting(w.For, w.Err)
	o.Observer.Waiting(w)
}

// Committed implements ingest.Observer.
func (o tracedObserver) Committed(page domain.DecodedPage, res domain.CommitResult) {
	o.tracing.Committed(page, res)
	o.Observer.Committed(page, res)
}
