//go:build wireinject

package main

import (
	"context"

	"github.com/google/wire"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
)

func initRunner(
	ctx context.Context, s cli.Settings, asked cli.RunOptions, observer ingest.Observer,
) (*ingest.Runner, func(), error) {
	panic(wire.Build(
		datasync.DataSync,
		newClient, wire.Bind(new(domain.EventSource), new(*datasync.Client)),
		datasync.NewDecoder, wire.Bind(new(domain.Decoder), new(*datasync.Decoder)),
		newPool, newStore, wire.Bind(new(domain.EventStore), new(*postgres.Store)),
		newOptions, ingest.New,
	))
}

func initStatus(ctx context.Context, s cli.Settings) (cli.StatusReader, func(), error) {
	panic(wire.Build(newPool, postgres.NewStatusReader, wire.Bind(new(cli.StatusReader), new(*postgres.StatusReader))))
}
