package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/domain"
)

// The folders of the private databases that pawl uses if DATABASE_URL is not set. The rows of the demo and real rows have a folder each.
const (
	dataFolder = ".pawl/data"
	demoFolder = ".pawl/demo"
)

// embeddedPrefix begins the database URL of a private PostgreSQL. The folder follows it.
const embeddedPrefix = "embedded:"

// withDatabase opens the database, calls open to create a T (a [Reader] or an [Admin]) on it, and calls work with the T. If work
// fails, withDatabase calls work again as the retry policy allows.
func withDatabase[T any](
	s *session, open func(context.Context, Settings) (T, func(), error), work func(context.Context, T) error,
) error {
	db, closeDatabase, err := s.openDatabase(mustExist)
	if err != nil {
		return err
	}
	defer closeDatabase()
	adapter, release, err := open(s.ctx, s.settingsFor(db))
	if err != nil {
		return err
	}
	defer release()
	return s.try(func(ctx context.Context) error { return work(ctx, adapter) })
}

// A missingDatabase says what a command does if the folder of a private database has no database.
type missingDatabase int

const (
	mustExist missingDatabase = iota // it ends with an error, because it has nothing to read
	mayCreate                        // it makes a database
)

// openDatabase makes the database of the settings accept connections and returns it. If the settings name no database, it uses a private
// one, see chooseFolder. If there is no error, the caller must call closeDatabase.
func (s *session) openDatabase(missing missingDatabase) (db Database, closeDatabase func(), err error) {
	databaseURL := s.settings.DatabaseURL
	if databaseURL == "" {
		folder, err := s.chooseFolder(missing)
		if err != nil {
			return Database{}, nil, err
		}
		using := "DATABASE_URL is not set: using the private database in " + folder
		if s.isAmbiguous() { // then the folder is the demo's
			using += "; there is another one in " + dataFolder + ": DATABASE_URL=" + embeddedPrefix + dataFolder
		}
		s.log.Info(using)
		databaseURL = embeddedPrefix + folder
	}
	folder, hasDatabase, isPrivate := s.wiring.PrivateFolder(databaseURL)
	if isPrivate && !hasDatabase && missing == mustExist {
		return Database{}, nil, s.noDatabaseError(folder + " has no database yet")
	}
	var release func() error
	report := func(step string) { s.log.Info(step) }
	err = s.try(func(ctx context.Context) (err error) {
		db, release, err = s.wiring.Database(ctx, databaseURL, report, s.consentToDownload)
		return err
	})
	if err != nil {
		return Database{}, nil, err
	}
	s.database = db
	closeDatabase = func() {
		if err := release(); err != nil {
			s.log.Warn(err.Error(), "code", domain.CodeOf(err))
		}
	}
	return db, closeDatabase, nil
}

// explain returns err with the reason that the database of the command knows, if it knows a better one.
func (s *session) explain(err error) error {
	if err == nil || s.database.Explain == nil {
		return err
	}
	return s.database.Explain(err)
}

// withFolderHint returns err. If err asks for another folder, and the command names its folder elsewhere than in DATABASE_URL, withFolderHint
// returns it with the hint of the command.
func (s *session) withFolderHint(err error) error {
	failure := domain.AsError(err)
	if failure == nil || failure.Remedy != domain.OtherFolder || s.folderHint == "" {
		return err
	}
	hinted := addHint(failure, s.folderHint)
	hinted.Remedy = 0
	return hinted
}

// consentToDownload returns nil if this release of PostgreSQL may be downloaded: the setting allows it, or the user at a terminal does.
func (s *session) consentToDownload(release string) error {
	if s.settings.Download {
		return nil
	}
	if s.canAsk() {
		agrees, err := s.askYes("This machine has no PostgreSQL that pawl can use. Download " + release + ", about 30 MB?")
		s.settings.Download = agrees // so that another attempt does not ask again
		if agrees || err != nil {
			return err
		}
	}
	major, _, _ := strings.Cut(release, ".")
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodePrivateDatabasePrograms, Op: "private PostgreSQL",
		Err:  errors.New("this machine has no PostgreSQL that pawl can use"),
		Hint: "install " + major + ", or set DATABASE_URL to the URL of a server, or let pawl download " + release + " with PAWL_DOWNLOAD=yes",
	}
}

// settingsFor returns the settings with db's URL in place of the user's database URL, which may be embedded:DIR.
func (s *session) settingsFor(db Database) Settings {
	changed := s.settings
	changed.DatabaseURL = db.URL
	return changed
}

// chooseFolder returns the folder of the private database for settings without a database URL:
//   - the demo's folder, if no API is set and the demo has run here
//   - otherwise dataFolder, if it has a database, or if the command may make one and its user looks on
//
// Otherwise chooseFolder returns an error. A scheduled run that has lost its environment must not fill a new private database. If no API
// is set and both folders have a database, chooseFolder chooses only on a terminal: a scheduled check that has lost its environment must not
// report that the demo's database is healthy.
func (s *session) chooseFolder(missing missingDatabase) (string, error) {
	isTerminal := s.screen.Kind() != terminal.Plain
	switch {
	case s.isAmbiguous() && !isTerminal:
		return "", &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeDatabaseNotFound, Op: "DATABASE_URL",
			Err: errors.New("not set, and both " + dataFolder + " and " + demoFolder + " have a database"),
			Hint: "set DATABASE_URL=" + embeddedPrefix + dataFolder + ", or DATABASE_URL=" + embeddedPrefix + demoFolder +
				" for the rows of the demo",
		}
	case s.settings.APIBaseURL == "" && s.hasDatabase(demoFolder):
		return demoFolder, nil
	case s.hasDatabase(dataFolder):
		return dataFolder, nil
	case missing == mustExist:
		return "", s.noDatabaseError("not set, and " + dataFolder + " has no database")
	case !isTerminal:
		return "", settings.Missing(wantedDatabase())
	}
	return dataFolder, nil
}

// isAmbiguous reports whether chooseFolder has no reason to prefer one of the two folders, since both have a database and no API is set.
func (s *session) isAmbiguous() bool {
	return s.settings.APIBaseURL == "" && s.hasDatabase(demoFolder) && s.hasDatabase(dataFolder)
}

func wantedDatabase() settings.Wanted {
	return settings.Wanted{
		Name: "DATABASE_URL",
		Want: "postgres://user:password@host:5432/database, or " + embeddedPrefix + dataFolder + " for a private database in that folder, " +
			"or set DATABASE_URL_FILE to a file that holds it",
	}
}

// requireForRun returns an Invalid error that names all settings that a run needs and that are not set.
func (s *session) requireForRun(needsDatabase bool) error {
	missing := s.settings.MissingAPI()
	if needsDatabase && s.settings.DatabaseURL == "" {
		if _, err := s.chooseFolder(mayCreate); err != nil {
			missing = append(missing, wantedDatabase())
		}
	}
	return settings.Missing(missing...)
}

// hasDatabase reports whether a folder has a private database.
func (s *session) hasDatabase(folder string) bool {
	_, hasDatabase, _ := s.wiring.PrivateFolder(embeddedPrefix + folder)
	return hasDatabase
}

// noDatabaseError returns the Invalid error for a command that found no database. It names a private database nearby.
func (s *session) noDatabaseError(problem string) error {
	hint := "`pawl run` makes one, and `pawl demo` one to try it"
	if s.settings.DatabaseURL == "" && s.screen.Kind() == terminal.Plain { // then a run would not make one
		hint = "`DATABASE_URL=" + embeddedPrefix + dataFolder + " pawl run` makes one, and `pawl demo` one to try it"
	}
	folder, _, isPrivate := s.wiring.PrivateFolder(s.settings.DatabaseURL)
	candidates := []string{dataFolder, demoFolder}
	if isPrivate {
		candidates = append(candidates, filepath.Join(folder, filepath.Base(dataFolder)), filepath.Join(folder, filepath.Base(demoFolder)))
	}
	for _, candidate := range candidates {
		if s.hasDatabase(candidate) {
			hint = "there is one in " + candidate + ": DATABASE_URL=" + embeddedPrefix + candidate
			break
		}
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeDatabaseNotFound, Op: "DATABASE_URL", Err: errors.New(problem), Hint: hint,
	}
}
