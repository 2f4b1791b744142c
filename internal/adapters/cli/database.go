package cli

import "context"

// openDatabase makes the database in the settings ready and puts the URL to connect to in its place. What it returns
// must be closed when the database is no longer used.
func (s *session) openDatabase() (db Database, closeDatabase func(), err error) {
	if err := s.settings.needDatabase(); err != nil {
		return Database{}, nil, err
	}
	var leave func() error
	err = s.try(func(ctx context.Context) (err error) {
		db, leave, err = s.wiring.Database(ctx, s.settings.DatabaseURL, func(what string) { s.log.Info(what) })
		return err
	})
	s.settings.DatabaseURL = db.URL
	return db, func() {
		if err := leave(); err != nil {
			s.log.Warn(err.Error())
		}
	}, err
}
