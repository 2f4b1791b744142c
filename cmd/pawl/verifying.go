package main

import (
	"context"
	"iter"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
)

// newVerifyOptions makes what speaks to the API only where it is asked for: the settings need not name one otherwise.
func newVerifyOptions(
	s cli.Settings, asked cli.VerifyOptions, observer cli.VerifyObserver,
	profile datasync.Profile, decoder *datasync.Decoder, rows *postgres.Comparison,
) (verify.Options, error) {
	opts := verify.Options{Stream: s.Stream, Retry: asked.Retry}
	if !asked.AgainstAPI {
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
