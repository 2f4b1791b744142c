package main

import (
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
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

func newClient(s cli.Settings, p datasync.Profile) (*datasync.Client, error) {
	return datasync.New(datasync.Config{
		BaseURL: s.APIBaseURL, APIKey: s.APIKey, Profile: p,
		MinDelay: s.RequestDelay, Timeout: s.Timeout, MaxPageBytes: s.MaxPageBytes, UserAgent: "pawl/" + build().Version,
	})
}

// A memoryLimiter is the source of `pawl run`. It limits the memory of the garbage collector by the largest page that it has received,
// unless GOMEMLIMIT in the environment sets a limit. The collector works harder near the limit. `pawl verify` needs no limit, because it
// holds 16 bytes for each record of the API, so that its need of memory is not known before.
type memoryLimiter struct {
	domain.EventSource

	buffer      int64 // --max-buffer-bytes
	largestPage int64 // in bytes
}

// limitMemory returns a source that reads from next and limits the memory. buffer is --max-buffer-bytes.
func limitMemory(next domain.EventSource, buffer int64) domain.EventSource {
	const onlyRead = -1
	if debug.SetMemoryLimit(onlyRead) != math.MaxInt64 { // the environment sets a limit
		return next
	}
	l := &memoryLimiter{EventSource: next, buffer: buffer}
	debug.SetMemoryLimit(l.limit())
	return l
}

// FetchPage implements domain.EventSource.
func (l *memoryLimiter) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	page, err := l.EventSource.FetchPage(ctx, req)
	if page.Receipt.Bytes > l.largestPage {
		l.largestPage = page.Receipt.Bytes
		debug.SetMemoryLimit(l.limit())
	}
	return page, err
}

// limit returns the limit for the garbage collector, in bytes. pawl needs about 25 MiB without pages. A page needs its own size while it
// is received and while it is stored, and about its size again for its events. The pages that wait in the default buffer need 11 MiB
// beyond what the largest page needs. A larger buffer needs three times its further bytes.
func (l *memoryLimiter) limit() int64 {
	const withDefaultBuffer, defaultBuffer = 36 << 20, 8 << 20
	return withDefaultBuffer + 3*max(l.buffer-defaultBuffer, 0) + 3*l.largestPage
}

func newTracing(ctx context.Context, s cli.Settings, options cli.RunOptions) (*telemetry.Tracing, func()) {
	telemetry.ReportSDKErrors(options.Warn)
	tracing := telemetry.Open(ctx, telemetry.Config{Stream: s.Stream, Version: build().Version, Warn: options.Warn})
	return tracing, tracing.Close
}

func newOptions(s cli.Settings, options cli.RunOptions, client *datasync.Client) ingest.Options {
	return ingest.Options{
		Stream: s.Stream, SourceURL: client.SourceURL(), PageSize: s.PageSize, MaxRejectRatio: s.RejectRatio,
		NewPass: options.NewPass, AcceptShortEnd: options.AcceptShortEnd, Retry: options.Retry, Outage: options.Outage,
		MaxBufferBytes: s.MaxBuffer, MaxPages: options.MaxPages, Grace: s.Grace,
	}
}

func newRunner(
	t *telemetry.Tracing, client *datasync.Client, decoder *datasync.Decoder, store *postgres.Store,
	observer ingest.Observer, opts ingest.Options,
) cli.Runner {
	source := t.Source(limitMemory(client, opts.MaxBufferBytes), client.Endpoint())
	states := ingest.NewStates(t.Observer(observer), store.SetState)
	return reportingRunner{next: t.Runner(ingest.New(source, decoder, t.Store(store), states, opts)), states: states}
}

// A reportingRunner reports the end of the run, with its error.
type reportingRunner struct {
	next   cli.Runner
	states *ingest.States
}

// Run implements cli.Runner.
func (r reportingRunner) Run(ctx context.Context) (domain.Summary, error) {
	sum, err := r.next.Run(ctx)
	r.states.End(err)
	return sum, err
}

// newVerifyOptions returns the options of a verification. It creates a client only for --against-api, because otherwise the settings may
// name no API.
func newVerifyOptions(
	s cli.Settings, options cli.VerifyOptions, observer cli.VerifyObserver,
	profile datasync.Profile, decoder *datasync.Decoder, rows *postgres.Comparison,
) (verify.Options, error) {
	verifyOptions := verify.Options{Stream: s.Stream, Retry: options.Retry, Outage: options.Outage}
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
				PageSize: s.PageSize, Retry: policy, AcceptShortEnd: acceptShortEnd, KnownStream: true,
			})
		},
	}
	return verifyOptions, nil
}

// readPages implements the function Pages of cli.Wiring.
func readPages(
	ctx context.Context, s cli.Settings, opts ingest.WalkOptions, observer ingest.FetchObserver,
) (iter.Seq2[domain.DecodedPage, error], error) {
	profile := datasync.DataSync()
	client, err := newClient(s, profile)
	if err != nil {
		return nil, err
	}
	return ingest.Walk(ctx, client, datasync.NewDecoder(profile), observer, opts), nil
}

func newVerifier(inventory *postgres.Inventory, observer cli.VerifyObserver, opts verify.Options) cli.Verifier {
	return verify.New(inventory, observer, opts)
}

func newReplayer(
	s cli.Settings, options cli.ReplayOptions, store *postgres.ReplayStore, decoder *datasync.Decoder, observer replay.Observer,
) cli.Replayer {
	return replay.New(store, decoder, observer, replay.Options{Stream: s.Stream, Letters: options.Letters, Outage: options.Outage})
}

// newPool returns a pool of connections to the database of the settings, and the function that closes the pool.
func newPool(ctx context.Context, s cli.Settings) (*pgxpool.Pool, func(), error) {
	pool, err := postgres.Open(ctx, s.DatabaseURL, s.Stream)
	if err != nil {
		return nil, nil, err
	}
	return pool, pool.Close, nil
}

func newStore(pool *pgxpool.Pool, options cli.RunOptions) (*postgres.Store, func()) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	store := postgres.NewStore(pool, postgres.RunnerProfile{
		RunnerIdentity: domain.RunnerIdentity{Host: host, PID: os.Getpid(), Version: build().Version}, Warn: options.Warn,
	})
	return store, store.Close
}

// privateFolder implements the function PrivateFolder of cli.Wiring.
func privateFolder(databaseURL string) (dir string, hasDatabase, isPrivate bool) {
	dir, isPrivate = embeddedpg.Folder(databaseURL)
	return dir, isPrivate && embeddedpg.HasDatabase(dir), isPrivate
}

// openDatabase is the function Database of cli.Wiring. For embedded:DIR it starts the private server in that folder, or uses the server
// if it runs already. For any other URL it only returns this URL.
func openDatabase(
	ctx context.Context, databaseURL string, report func(string), consent func(release string) error,
) (cli.Database, func() error, error) {
	dir, isEmbedded := embeddedpg.Folder(databaseURL)
	if !isEmbedded {
		return cli.Database{URL: databaseURL, Name: postgres.DatabaseName(databaseURL)}, func() error { return nil }, nil
	}
	server, err := embeddedpg.Open(ctx, dir, report, consent)
	if err != nil {
		return cli.Database{}, nil, err
	}
	return cli.Database{
		URL: server.URL(), Name: filepath.Clean(dir), Bin: server.Bin(), Explain: server.Explain, HasEnded: server.HasEnded,
	}, server.Close, nil
}
