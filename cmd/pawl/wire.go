//go:build wireinject

package main

import (
	"context"

	"github.com/google/wire"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/app/ingest"
)

func initRunner(
	ctx context.Context, s cli.Settings, asked cli.RunOptions, observer ingest.Observer,
) (cli.Runner, func(), error) {
	panic(wire.Build(
		datasync.DataSync, newClient, datasync.NewDecoder,
		newPool, newStore,
		newOptions, newTracing, newRunner,
	))
}

func initStatus(ctx context.Context, s cli.Settings) (cli.StatusReader, func(), error) {
	panic(wire.Build(newPool, postgres.NewStatusReader, wire.Bind(new(cli.StatusReader), new(*postgres.StatusReader))))
}

func initVerifier(
	ctx context.Context, s cli.Settings, asked cli.VerifyOptions, observer cli.VerifyObserver,
) (cli.Verifier, func(), error) {
	panic(wire.Build(
		datasync.DataSync, datasync.NewDecoder,
		newPool, postgres.NewInventory, newComparison,
		newVerifyOptions, newVerifier,
	))
}
