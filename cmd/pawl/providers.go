package main

import (
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"runtime/debug"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/embeddedpg"
	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/adapters/telemetry"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
)

// Wire does not check that the adapters implement the interfaces of the application.
var (
	_ domain.EventSource = (*datasync.Client)(nil)
	_ domain.Decoder     = (*datasync.Decoder)(nil)
	_ domain.EventStore  = (*postgres.Store)(nil)
	_ cli.Runner         = (*telemetry.Runner)(nil)
	_ cli.Reader         = (*postgres.Reader)(nil)
	_ cli.Admin          = (*postgres.Admin)(nil)
	_ cli.Verifier       = (*verify.Verifier)(nil)
	_ verify.Inventory   = (*postgres.Inventory)(nil)
	_ verify.Comparison  = (*postgres.Comparison)(nil)
	_ cli.Replayer       = (*replay.Replayer)(nil)
	_ replay.Store       = (*postgres.ReplayStore)(nil)
)

func jitter() float64 { return rand.Float64() } //nolint:gosec // it only spreads retries

// newRunClient returns the client of a run and limits the process's memory.
func newRunClient(s cli.Settings, p datasync.Profile) (*datasync.Client, error) {
	limitMemory(s.MaxPageBytes)
	return newClient(s, p)
}

// newClient returns a client without a limit for the memory. A walk of verify needs it: it stores 16 bytes for each record,
// so that no limit fits.
func newClient(s cli.Settings, p datasync.Profile) (*datasync.Client, error) {
	return datasync.New(datasync.Config{
		BaseURL: s.APIBaseURL, APIKey: s.APIKey, Profile: p,
		MinDelay: s.RequestDelay, Timeout: s.Timeout, MaxPageBytes: s.MaxPageBytes, UserAgent: "pawl/" + build().Version,
	})
}

// limitMemory makes the garbage collector work harder near the documented maximum: four times the largest page, plus
// 64 MiB. A GOMEMLIMIT in the environment prevails.
func limitMemory(maxPageBytes int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(memoryLimit(maxPageBytes))
	}
}

// memoryLimit returns the limit for the garbage collector in bytes. It leaves room below the documented maximum, because the
// collector may exceed its limit a little. It is never near the 25 MiB that the program itself needs, because the collector
// would then run all the time.
func memoryLimit(maxPageBytes int64) int64 {
	const (
		fixed    = (64 - 48) << 20
		minLimit = 64 << 20
	)
	return max(4*maxPageBytes+fixed, minLimit)
}

func newTracing(ctx context.Context, s cli.Settings, run cli.RunOptions) (*telemetry.Tracing, func()) {
	telemetry.ReportSDKErrors(run.Warn)
	tracing := telemetry.Open(ctx, telemetry.Config{Stream: s.Stream, Version: build().Version, Warn: run.Warn})
	return tracing, tracing.Close
}

func newOptions(s cli.Settings, run cli.RunOptions, client *datasync.Client) ingest.Options {
	return ingest.Options{
		Stream: s.Stream, SourceURL: client.SourceURL(), PageSize: s.PageSize, MaxRejectRatio: s.RejectRatio,
		NewPass: run.NewPass, AcceptShortEnd: run.AcceptShortEnd, Retry: run.Retry,
	}
}

func newRunner(
	t *telemetry.Tracing, client *datasync.Client, decoder *datasync.Decoder, store *postgres.Store,
	observer ingest.Observer, opts ingest.Options,
) cli.Runner {
	source := t.Source(client, client.Endpoint())
	return t.Runner(ingest.New(source, decoder, t.Store(store), t.Observer(observer), opts))
}

// newVerifyOptions returns options with a client only if the API is to be read: the settings need not name an API otherwise.
func newVerifyOptions(
	s cli.Settings, run cli.VerifyOptions, observer cli.VerifyObserver,
	profile datasync.Profile, decoder *datasync.Decoder, rows *postgres.Comparison,
) (verify.Options, error) {
	opts := verify.Options{Stream: s.Stream, Retry: run.Retry}
	if !run.AgainstAPI {
		return opts, nil
	}
	client, err := newClient(s, profile)
	if err != nil {
		return verify.Options{}, err
	}
	opts.API = &verify.API{
		SourceURL: client.SourceURL(), Rows: rows,
		Pages: func(ctx context.Context, policy retry.Policy, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error] {
			return ingest.Walk(ctx, client, decoder, observer, ingest.WalkOptions{
				PageSize: s.PageSize, Retry: policy, AcceptShortEnd: acceptShortEnd,
			})
		},
	}
	return opts, nil
}

func newVerifier(inventory *postgres.Inventory, observer cli.VerifyObserver, opts verify.Options) cli.Verifier {
	return verify.New(inventory, observer, opts)
}

func newReplayer(
	s cli.Settings, run cli.ReplayOptions, store *postgres.ReplayStore, decoder *datasync.Decoder, observer replay.Observer,
) cli.Replayer {
	return replay.New(store, decoder, observer, replay.Options{Stream: s.Stream, Letters: run.Letters, Retry: run.Retry})
}

func newPool(ctx context.Context, s cli.Settings) (*pgxpool.Pool, func(), error) {
	pool, err := postgres.Open(ctx, s.DatabaseURL, s.Stream)
	if err != nil {
		return nil, nil, err
	}
	return pool, pool.Close, nil
}

func newStore(pool *pgxpool.Pool) (*postgres.Store, func()) {
	store := postgres.NewStore(pool)
	return store, store.Close
}

// openDatabase starts the private server of embedded:DIR, or attaches to it if it runs already. It leaves any other server
// alone.
func openDatabase(ctx context.Context, databaseURL string, report func(string)) (cli.Database, func() error, error) {
	dir, ok := embeddedpg.Folder(databaseURL)
	if !ok {
		return cli.Database{URL: databaseURL}, func() error { return nil }, nil
	}
	server, err := embeddedpg.Open(ctx, dir, report)
	if err != nil {
		return cli.Database{}, nil, err
	}
	return cli.Database{URL: server.URL(), Bin: server.Bin()}, server.Close, nil
}
