package cli

import "context"

// openDatabase makes the database in the settings ready and puts the URL to connect to in its place. What it returns
// must be released when the database is no longer used.
func (s *session) openDatabase() (db Database, release func(), err error) {
	if err := s.settings.needDatabase(); err != nil {
		return Database{}, nil, err
	}
	err = s.try(func(ctx context.Context) (err error) {
		db, release, err = s.wiring.Database(ctx, s.settings.DatabaseURL, func(what string) { s.log.Info(what) })
		return err
	})
	s.settings.DatabaseURL = db.URL
	return db, release, err
}
