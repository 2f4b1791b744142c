//go:build wireinject

package main

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
	ctx context.Context, s cli.Settings, run cli.RunOptions, observer ingest.Observer,
) (cli.Runner, func(), error) {
	panic(wire.Build(
		datasync.DataSync, newRunClient, datasync.NewDecoder,
		newPool, newStore,
		newOptions, newTracing, newRunner,
	))
}

func initStatus(ctx context.Context, s cli.Settings) (cli.StatusReader, func(), error) {
	panic(wire.Build(newPool, postgres.NewStatusReader, wire.Bind(new(cli.StatusReader), new(*postgres.StatusReader))))
}

func initVerifier(
	ctx context.Context, s cli.Settings, run cli.VerifyOptions, observer cli.VerifyObserver,
) (cli.Verifier, func(), error) {
	panic(wire.Build(
		datasync.DataSync, datasync.NewDecoder,
		newPool, postgres.NewInventory, postgres.NewComparison,
		newVerifyOptions, newVerifier,
	))
}

func initLetters(ctx context.Context, s cli.Settings) (cli.Letters, func(), error) {
	panic(wire.Build(newPool, postgres.NewLetters, wire.Bind(new(cli.Letters), new(*postgres.Letters))))
}

func initReplayer(
	ctx context.Context, s cli.Settings, run cli.ReplayOptions, observer replay.Observer,
) (cli.Replayer, func(), error) {
	panic(wire.Build(datasync.DataSync, datasync.NewDecoder, newPool, postgres.NewReplays, newReplayer))
}

func initDrift(ctx context.Context, s cli.Settings) (cli.DriftReader, func(), error) {
	panic(wire.Build(newPool, postgres.NewDriftRegister, wire.Bind(new(cli.DriftReader), new(*postgres.DriftRegister))))
}

func initMover(ctx context.Context, s cli.Settings) (cli.Mover, func(), error) {
	panic(wire.Build(newPool, postgres.NewMover, wire.Bind(new(cli.Mover), new(*postgres.Mover))))
}
