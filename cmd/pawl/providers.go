package main

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime/debug"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/embeddedpg"
	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
)

// What wire cannot check: that the adapters are what the application asks for.
var (
	_ domain.EventSource = (*datasync.Client)(nil)
	_ domain.Decoder     = (*datasync.Decoder)(nil)
	_ domain.EventStore  = (*postgres.Store)(nil)
	_ cli.StatusReader   = (*postgres.StatusReader)(nil)
	_ cli.Runner         = (*ingest.Runner)(nil)
	_ cli.Verifier       = (*verify.Verifier)(nil)
	_ verify.Inventory   = (*postgres.Inventory)(nil)
	_ verify.Comparison  = (*postgres.Comparison)(nil)
	_ cli.Letters        = (*postgres.Letters)(nil)
	_ cli.DriftReader    = (*postgres.DriftRegister)(nil)
	_ cli.Mover          = (*postgres.Mover)(nil)
	_ cli.Replayer       = (*replay.Replayer)(nil)
	_ replay.Store       = (*postgres.Replays)(nil)
)

func jitter() float64 { return rand.Float64() } //nolint:gosec // spreads retries, keeps no secret

// newRunClient returns the client of a run, whose memory it bounds. (A walk of verify keeps something of each record, so
// that no limit fits it.)
func newRunClient(s cli.Settings, p datasync.Profile) (*datasync.Client, error) {
	limitMemory(s.MaxPageBytes)
	return newClient(s, p)
}

func newClient(s cli.Settings, p datasync.Profile) (*datasync.Client, error) {
	return datasync.New(datasync.Config{
		BaseURL: s.APIBaseURL, APIKey: s.APIKey, Profile: p,
		MinDelay: s.RequestDelay, Timeout: s.Timeout, MaxPageBytes: s.MaxPageBytes, UserAgent: "pawl/" + version(),
	})
}

// limitMemory makes the garbage collector work harder before the process exceeds what an answer may take, four times
// the largest page and 64 MiB. GOMEMLIMIT wins if it is set.
func limitMemory(maxPageBytes int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(memoryLimit(maxPageBytes))
	}
}

// memoryLimit returns the number of bytes that the collector aims at. The program needs about 25 MiB itself, and the
// collector may exceed the limit a little. With a limit near what the program needs it would run all the time.
func memoryLimit(maxPageBytes int64) int64 {
	const (
		fixed = (64 - 48) << 20
		least = 64 << 20
	)
	return max(4*maxPageBytes+fixed, least)
}

func newOptions(s cli.Settings, asked cli.RunOptions, client *datasync.Client) ingest.Options {
	return ingest.Options{
		Stream: s.Stream, SourceURL: client.SourceURL(), PageSize: s.PageSize, MaxRejectRatio: s.RejectRatio,
		NewPass: asked.NewPass, AcceptShortEnd: asked.AcceptShortEnd, Retry: asked.Retry,
	}
}

func newReplayer(
	s cli.Settings, asked cli.ReplayOptions, store *postgres.Replays, decoder *datasync.Decoder, observer replay.Observer,
) cli.Replayer {
	return replay.New(store, decoder, observer, replay.Options{Stream: s.Stream, Letters: asked.Letters, Retry: asked.Retry})
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

// openDatabase starts a private server for embedded:DIR, or attaches to it. Any other server is somebody else's.
func openDatabase(ctx context.Context, databaseURL string, say func(string)) (cli.Database, func() error, error) {
	dir, ok := embeddedpg.Folder(databaseURL)
	if !ok {
		return cli.Database{URL: databaseURL}, func() error { return nil }, nil
	}
	server, err := embeddedpg.Open(ctx, dir, say)
	if err != nil {
		return cli.Database{}, nil, err
	}
	return cli.Database{URL: server.URL(), Bin: server.Bin()}, server.Close, nil
}
