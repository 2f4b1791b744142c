//go:build wireinject

package main

// These functions are never called. Wire reads which providers each of them lists, and generates a function of the same name in
// wire_gen.go. That function calls the providers in the necessary order.

import (
	"context"

	"github.com/google/wire"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/replay"
)

func initRunner(
	ctx context.Context, s cli.Settings, options cli.RunOptions, observer ingest.Observer,
) (cli.Runner, func(), error) {
	panic(wire.Build(
		datasync.DataSync, newClient, datasync.NewDecoder,
		newPool, newStore,
		newOptions, newTracing, newRunner,
	))
}

func initReader(ctx context.Context, s cli.Settings) (cli.Reader, func(), error) {
	panic(wire.Build(newPool, postgres.NewReader, wire.Bind(new(cli.Reader), new(*postgres.Reader))))
}

func initVerifier(
	ctx context.Context, s cli.Settings, options cli.VerifyOptions, observer cli.VerifyObserver,
) (cli.Verifier, func(), error) {
	panic(wire.Build(
		datasync.DataSync, datasync.NewDecoder,
		newPool, postgres.NewInventory, postgres.NewComparison,
		newVerifyOptions, newVerifier,
	))
}

func initReplayer(
	ctx context.Context, s cli.Settings, options cli.ReplayOptions, observer replay.Observer,
) (cli.Replayer, func(), error) {
	panic(wire.Build(datasync.DataSync, datasync.NewDecoder, newPool, postgres.NewReplayStore, newReplayer))
}

func initAdmin(ctx context.Context, s cli.Settings) (cli.Admin, func(), error) {
	panic(wire.Build(newPool, postgres.NewAdmin, wire.Bind(new(cli.Admin), new(*postgres.Admin))))
}
