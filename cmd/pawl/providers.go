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

// The compiler checks here that the adapters implement the interfaces. Wire, which generates wire_gen.go, does not check that.
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

// newClient returns a client and does not limit the memory of the process. `pawl verify` must have no limit: it holds 16 bytes for each
// record of the API, and their number is not known before.
func newClient(s cli.Settings, p datasync.Profile) (*datasync.Client, error) {
	return datasync.New(datasync.Config{
		BaseURL: s.APIBaseURL, APIKey: s.APIKey, Profile: p,
		MinDelay: s.RequestDelay, Timeout: s.Timeout, MaxPageBytes: s.MaxPageBytes, UserAgent: "pawl/" + build().Version,
	})
}

// limitMemory sets the memory limit of the garbage collector, unless GOMEMLIMIT in the environment sets one. The collector works harder
// near the limit.
func limitMemory(maxPageBytes int64) {
	const onlyRead, noLimit = -1, math.MaxInt64
	if debug.SetMemoryLimit(onlyRead) == noLimit {
		debug.SetMemoryLimit(memoryLimit(maxPageBytes))
	}
}

// memoryLimit returns the limit for the garbage collector in bytes. The documentation of pawl promises a maximum of four times the
// largest page plus 64 MiB. The limit is lower than that by a reserve, because the collector may exceed its limit a little. The limit is
// at least minLimit, because the program needs 25 MiB even without a page. With a limit near that, the collector would run all the time.
func memoryLimit(maxPageBytes int64) int64 {
	const (
		mebibyte = 1 << 20
		reserve  = 48 * mebibyte
		minLimit = 64 * mebibyte
	)
	documentedMax := 4*maxPageBytes + 64*mebibyte
	return max(documentedMax-reserve, minLimit)
}

// newTracing starts tracing for `pawl run`. Problems with traces are warnings, which do not stop the run.
func newTracing(ctx context.Context, s cli.Settings, options cli.RunOptions) (*telemetry.Tracing, func()) {
	telemetry.ReportSDKErrors(options.Warn)
	tracing := telemetry.Open(ctx, telemetry.Config{Stream: s.Stream, Version: build().Version, Warn: options.Warn})
	return tracing, tracing.Close
}

func newOptions(s cli.Settings, options cli.RunOptions, client *datasync.Client) ingest.Options {
	return ingest.Options{
		Stream: s.Stream, SourceURL: client.SourceURL(), PageSize: s.PageSize, MaxRejectRatio: s.RejectRatio,
		NewPass: options.NewPass, AcceptShortEnd: options.AcceptShortEnd, Retry: options.Retry, MaxBufferBytes: s.MaxBuffer,
	}
}

func newRunner(
	t *telemetry.Tracing, client *datasync.Client, decoder *datasync.Decoder, store *postgres.Store,
	observer ingest.Observer, opts ingest.Options,
) cli.Runner {
	source := t.Source(client, client.Endpoint())
	return t.Runner(ingest.New(source, decoder, t.Store(store), t.Observer(observer), opts))
}

// newVerifyOptions returns the options of a verification. It creates a client only for --against-api, because otherwise the settings may
// name no API.
func newVerifyOptions(
	s cli.Settings, options cli.VerifyOptions, observer cli.VerifyObserver,
	profile datasync.Profile, decoder *datasync.Decoder, rows *postgres.Comparison,
) (verify.Options, error) {
	verifyOptions := verify.Options{Stream: s.Stream, Retry: options.Retry}
	if !options.AgainstAPI {
		return verifyOptions, nil
	}
	client, err := newClient(s, profile)
	if err != nil {
		return verify.Options{}, err
	}
	verifyOptions.API = &verify.API{
		SourceURL: client.SourceURL(), Rows: rows,
		Pages: func(ctx context.Context, policy retry.Policy, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error] {
			return ingest.Walk(ctx, client, decoder, observer, ingest.WalkOptions{
				PageSize: s.PageSize, Retry: policy, AcceptShortEnd: acceptShortEnd,
			})
		},
	}
	return verifyOptions, nil
}

func newVerifier(inventory *postgres.Inventory, observer cli.VerifyObserver, opts verify.Options) cli.Verifier {
	return verify.New(inventory, observer, opts)
}

func newReplayer(
	s cli.Settings, options cli.ReplayOptions, store *postgres.ReplayStore, decoder *datasync.Decoder, observer replay.Observer,
) cli.Replayer {
	return replay.New(store, decoder, observer, replay.Options{Stream: s.Stream, Letters: options.Letters, Retry: options.Retry})
}

// newPool returns a pool of connections to the database of the settings, and the function that closes the pool.
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

// openDatabase is the function Database of cli.Wiring. For embedded:DIR it starts the private server in that folder, or uses the server
// if it runs already. For any other URL it only returns this URL.
func openDatabase(ctx context.Context, databaseURL string, report func(string)) (cli.Database, func() error, error) {
	dir, isEmbedded := embeddedpg.Folder(databaseURL)
	if !isEmbedded {
		return cli.Database{URL: databaseURL}, func() error { return nil }, nil
	}
	server, err := embeddedpg.Open(ctx, dir, report)
	if err != nil {
		return cli.Database{}, nil, err
	}
	return cli.Database{URL: server.URL(), Bin: server.Bin()}, server.Close, nil
}
