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

// The compiler checks here that the adapters implement the interfaces. Wire does not check that.
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

func jitter() float64 { return rand.Float64() } //nolint:gosec // the number only spreads retries over time

// newRunClient returns the client for `pawl run`, and limits the memory of the process.
func newRunClient(s cli.Settings, p datasync.Profile) (*datasync.Client, error) {
	limitMemory(s.MaxPageBytes)
	return newClient(s, p)
}

// newClient returns a client and does not limit the memory of the process. `pawl verify` needs no limit, because it holds 16 bytes for
// each record of the API, so that its need of memory is not known before.
func newClient(s cli.Settings, p datasync.Profile) (*datasync.Client, error) {
	return datasync.New(datasync.Config{
		BaseURL: s.APIBaseURL, APIKey: s.APIKey, Profile: p,
		MinDelay: s.RequestDelay, Timeout: s.Timeout, MaxPageBytes: s.MaxPageBytes, UserAgent: "pawl/" + build().Version,
	})
}

// limitMemory sets the memory limit of the garbage collector, unless GOMEMLIMIT in the environment sets one. The collector works harder
// near the limit.
func limitMemory(maxPageBytes int64) {
	const onlyRead = -1
	if debug.SetMemoryLimit(onlyRead) == math.MaxInt64 { // no limit is set
		debug.SetMemoryLimit(memoryLimit(maxPageBytes))
	}
}

// memoryLimit returns the limit for the garbage collector in bytes. pawl documents a maximum of four times the largest page plus
// 64 MiB. The limit is lower by a reserve, because the collector may exceed its limit a little. But the limit is never near the 25 MiB
// that the program needs without a page, because the collector would then run all the time.
func memoryLimit(maxPageBytes int64) int64 {
	const (
		mebibyte = 1 << 20
		reserve  = 48 * mebibyte
		minLimit = 64 * mebibyte
	)
	documentedMax := 4*maxPageBytes + 64*mebibyte
	return max(documentedMax-reserve, minLimit)
}

func newTracing(ctx context.Context, s cli.Settings, run cli.RunOptions) (*telemetry.Tracing, func()) {
	telemetry.ReportSDKErrors(run.Warn)
	tracing := telemetry.Open(ctx, telemetry.Config{Stream: s.Stream, Version: build().Version, Warn: run.Warn})
	return tracing, tracing.Close
}

func newOptions(s cli.Settings, run cli.RunOptions, client *datasync.Client) ingest.Options {
	return ingest.Options{
		Stream: s.Stream, SourceURL: client.SourceURL(), PageSize: s.PageSize, MaxRejectRatio: s.RejectRatio,
		NewPass: run.NewPass, AcceptShortEnd: run.AcceptShortEnd, Retry: run.Retry, MaxBufferBytes: s.MaxBuffer,
	}
}

func newRunner(
	t *telemetry.Tracing, client *datasync.Client, decoder *datasync.Decoder, store *postgres.Store,
	observer ingest.Observer, opts ingest.Options,
) cli.Runner {
	source := t.Source(client, client.Endpoint())
	return t.Runner(ingest.New(source, decoder, t.Store(store), t.Observer(observer), opts))
}

// newVerifyOptions returns the options of a verification. It creates a client only for --against-api, because the settings need not name
// an API otherwise.
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

// openDatabase implements Database of cli.Wiring. For embedded:DIR it starts the private server in that folder, or uses the server if it
// already runs. For any other URL it returns that URL and does nothing else.
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
