package cli

import (
	"context"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// prepareSchema updates the schema, checks it or does nothing, as the setting --migrate says.
func (s *session) prepareSchema(databaseURL string, notify func(retry.Wait)) error {
	return s.outage().Do(s.ctx, notify, func(ctx context.Context) error {
		switch s.settings.Migrate {
		case settings.MigrateAuto:
			applied, err := s.updateSchema(ctx, databaseURL)
			for _, name := range applied {
				s.log.Info("migration applied", "name", name)
			}
			return err
		case settings.MigrateCheck:
			return s.wiring.CheckSchema(ctx, databaseURL)
		}
		return s.refuseNewerSchema(ctx, databaseURL) // settings.MigrateOff
	})
}

// refuseNewerSchema returns an Invalid error if a newer version of pawl has migrated the database. This version could write wrong rows, or
// misread the rows of the newer one. It returns any other error that leaves the version unknown. An older or missing schema is no error.
func (s *session) refuseNewerSchema(ctx context.Context, databaseURL string) error {
	err := s.wiring.CheckSchema(ctx, databaseURL)
	if code := domain.CodeOf(err); code == domain.CodeSchemaOutdated || code == domain.CodeSchemaNotFound {
		return nil
	}
	return err
}

// tryRefuseNewerSchema calls refuseNewerSchema until the schema is read or the policy allows no other call.
func (s *session) tryRefuseNewerSchema(databaseURL string) error {
	return s.try(func(ctx context.Context) error { return s.refuseNewerSchema(ctx, databaseURL) })
}

// openAdmin calls the function Admin of the wiring, unless a newer version of pawl has migrated the database.
func (s *session) openAdmin(ctx context.Context, changed Settings) (Admin, func(), error) {
	if err := s.tryRefuseNewerSchema(changed.DatabaseURL); err != nil {
		return nil, nil, err
	}
	return s.wiring.Admin(ctx, changed)
}

// openReader calls the function Reader of the wiring, unless a newer version of pawl has migrated the database. `pawl status` does not use
// it, so that an older version still shows which version ran last.
func (s *session) openReader(ctx context.Context, changed Settings) (Reader, func(), error) {
	if err := s.tryRefuseNewerSchema(changed.DatabaseURL); err != nil {
		return nil, nil, err
	}
	return s.wiring.Reader(ctx, changed)
}

// openCurrentAdmin calls the function Admin of the wiring, unless the schema is not the one that this version of pawl needs.
func (s *session) openCurrentAdmin(ctx context.Context, changed Settings) (Admin, func(), error) {
	if err := s.try(func(ctx context.Context) error { return s.wiring.CheckSchema(ctx, changed.DatabaseURL) }); err != nil {
		return nil, nil, err
	}
	return s.wiring.Admin(ctx, changed)
}
