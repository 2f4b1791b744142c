package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

type initCommand struct {
	Force bool `name:"force" help:"Replace an existing .env."`
}

// Help returns the details for `pawl init --help`. kong calls it.
func (c *initCommand) Help() string {
	return "It asks on a terminal. Elsewhere it takes API_BASE_URL or --api-base-url, and API_KEY, DATABASE_URL or their files from the " +
		"environment. It tries the API with one request for a small page, which the API's rate limit counts and may refuse, and the database with one " +
		"connection. Then it writes .env in this folder, readable only by you, with all settings that are set, and says how long a full " +
		"run will take. It changes nothing in the database, and makes none."
}

// envFileHeader is the beginning of a .env file that pawl writes.
const envFileHeader = "# Settings for pawl, written by `pawl init`. The environment and flags prevail over this file. It holds secrets.\n" +
	"# Put a value with $, #, quotes or spaces in single quotes: pawl then takes it unchanged.\n"

// Run executes `pawl init`. kong calls it.
func (c *initCommand) Run(s *session) error {
	s.stopsAtOnce.Store(true)
	s.stopHint = "it has written no " + settings.DefaultEnvFile
	if err := c.checkFile(s); err != nil {
		return err
	}
	i := initialisation{session: s, values: s.values}
	if err := i.untilRight(i.askAPI, i.tryAPI); err != nil {
		return err
	}
	if i.values.DatabaseURL == "" && i.values.DatabaseURLFile == "" {
		i.values.DatabaseURL = embeddedPrefix + dataFolder
	}
	if err := i.untilRight(i.askDatabase, i.tryDatabase); err != nil {
		return err
	}
	text, err := i.values.EnvText(envFileHeader)
	if err != nil {
		return err
	}
	if err := settings.WritePrivateFile(settings.DefaultEnvFile, text); err != nil {
		return &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeEnvFileInvalid, Op: "write " + settings.DefaultEnvFile, Err: err,
			Hint: "run it in a folder that you may write to",
		}
	}
	i.warnAboutEnvironment()
	return outputError(i.printResult(s.Stdout))
}

// checkFile returns an Invalid error if there is a .env file that must not be replaced. On a terminal it asks the user.
func (c *initCommand) checkFile(s *session) error {
	_, err := os.Lstat(settings.DefaultEnvFile)
	if c.Force || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if s.canAsk() {
		replace, err := s.askYes("There is a " + settings.DefaultEnvFile + " already. Replace it? pawl keeps its settings, but no other line")
		if replace || err != nil {
			return err
		}
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeEnvFileInvalid, Op: settings.DefaultEnvFile, Err: errors.New("it exists already and stays as it is"),
		Hint: "`pawl init --force` replaces it",
	}
}

// An initialisation holds what `pawl init` has found out so far.
type initialisation struct {
	*session

	values  settings.Values    // the settings to write
	checked Settings           // the values after their check
	page    domain.DecodedPage // the first page of the API
	refused bool               // the rate limit has refused the request for the page
	until   time.Time          // when the API allows a request again; zero if it did not say so
	about   string             // what is known about the database
}

// untilRight calls ask and then try. On a terminal it does so until try succeeds, and writes what was wrong. Elsewhere it calls only try,
// once.
func (i *initialisation) untilRight(ask, try func() error) error {
	for {
		if i.canAsk() {
			if err := ask(); err != nil {
				return err
			}
		}
		err := try()
		if err == nil || !i.canAsk() || domain.KindOf(err) == domain.Stopped {
			return err
		}
		writeError(i.screen, i.settings, i.withSimilarName(err), "")
	}
}

// askAPI asks for the base URL and the key of the API.
func (i *initialisation) askAPI() error {
	address, err := i.askText("The API's base URL, like https://host/api/v1", i.shown("API_BASE_URL"))
	if err != nil {
		return err
	}
	if address != "" {
		i.values.APIBaseURL = address
	}
	key, err := i.askSecret("The API's key (it is not shown)", i.shown("API_KEY"))
	if err != nil {
		return err
	}
	if key != "" {
		i.values.APIKey, i.values.APIKeyFile = key, ""
	}
	return nil
}

// askDatabase asks for the URL of the database.
func (i *initialisation) askDatabase() error {
	databaseURL, err := i.askText("The database, postgres://user:password@host:5432/database or "+embeddedPrefix+"DIR",
		i.shown("DATABASE_URL"))
	if err != nil {
		return err
	}
	if databaseURL != "" {
		i.values.DatabaseURL, i.values.DatabaseURLFile = databaseURL, ""
	}
	return nil
}

// shown returns the value of a setting as a question may show it: a secret is masked.
func (i *initialisation) shown(name string) string {
	checked, _ := i.values.Check(i.origins) // a wrong value is shown too
	for _, line := range settings.Show(i.values, checked, i.origins) {
		if line.Name == name {
			return line.Value
		}
	}
	return ""
}

// trialPageSize is the number of events in the page that tries the API.
const trialPageSize = 100

// tryAPI reads the first page of the API. If the rate limit refuses the request, tryAPI succeeds without a page and does not wait: the
// address is right.
func (i *initialisation) tryAPI() error {
	if err := i.check(); err != nil {
		return err
	}
	if err := i.checked.RequireAPI(); err != nil {
		return err
	}
	fmt.Fprintln(i.screen, "Asking the API for one page; its rate limit counts this request.")
	opts := ingest.WalkOptions{PageSize: min(i.checked.PageSize, trialPageSize), Retry: i.oneTry()}
	opts.Retry.MaxWait = 0
	pages, err := i.wiring.Pages(i.ctx, i.checked, opts, &logObserver{log: i.log})
	if err != nil {
		return err
	}
	for page, err := range pages {
		i.page, i.refused = page, domain.KindOf(err) == domain.RateLimited
		if i.refused {
			i.until = refusedUntil(err)
			return nil
		}
		return err
	}
	return nil
}

// refusedUntil returns when the API allows a request again, as an error in the chain of err says. It returns the zero time if none does.
func refusedUntil(err error) time.Time {
	for failure := domain.AsError(err); failure != nil; failure = domain.AsError(failure.Err) {
		if !failure.Until.IsZero() {
			return failure.Until
		}
	}
	return time.Time{}
}

// tryDatabase connects to the database. It does not start a private one, because that would make a database in the folder.
func (i *initialisation) tryDatabase() error {
	if err := i.check(); err != nil {
		return err
	}
	folder, hasDatabase, isPrivate := i.wiring.PrivateFolder(i.checked.DatabaseURL)
	switch {
	case isPrivate && folder == "":
		return settings.Invalid("DATABASE_URL", "it names no folder; it should be like "+embeddedPrefix+dataFolder)
	case isPrivate && strings.HasPrefix(folder, "~"):
		return settings.Invalid("DATABASE_URL", "it begins with ~, which only a shell replaces by a home folder: write the whole path")
	case isPrivate && hasDatabase:
		i.about = "the private database in " + folder
		return nil
	case isPrivate:
		i.about = "a private database in " + folder + ", which the first run makes"
		return nil
	}
	fmt.Fprintln(i.screen, "Connecting to the database.")
	return i.oneTry().Do(i.ctx, (&logObserver{log: i.log}).Waiting, i.tryServer)
}

// tryServer checks that the server answers, and that it lets a run store events.
func (i *initialisation) tryServer(ctx context.Context) error {
	databaseURL := i.checked.DatabaseURL
	err := i.wiring.CheckSchema(ctx, databaseURL)
	needsTables := domain.RemedyOf(err) == domain.MigrateAsOwner
	if err != nil && !needsTables {
		return err
	}
	createsTables := needsTables && i.checked.Migrate == settings.MigrateAuto
	switch {
	case createsTables:
		i.about = "it answers; the first run makes pawl's tables"
	case needsTables:
		i.about = "it answers; make pawl's tables with `pawl migrate` before the first run"
	default:
		i.about = "it answers, and has pawl's tables"
	}
	if createsTables && i.checked.MigrateURL != "" {
		if err := i.wiring.CheckRights(ctx, i.checked.MigrateURL, true); err != nil {
			return err
		}
		createsTables = false // another user does it
	}
	return i.wiring.CheckRights(ctx, databaseURL, createsTables)
}

// check checks the values and stores the result.
func (i *initialisation) check() (err error) {
	i.checked, err = i.values.Check(i.origins)
	return err
}

// oneTry returns the retry policy of the settings with a single attempt.
func (i *initialisation) oneTry() retry.Policy {
	policy := i.policy()
	policy.Tries = 1
	return policy
}

// warnAboutEnvironment warns about the settings that the user has changed, but whose former value prevails because it is in the
// environment.
func (i *initialisation) warnAboutEnvironment() {
	environment := settings.NewEnvironment(i.Environ) // without .env
	for _, setting := range []struct {
		variables     []string
		before, after string
	}{
		{[]string{"API_BASE_URL"}, i.settings.APIBaseURL, i.checked.APIBaseURL},
		{[]string{"API_KEY", "TARGET_API_KEY", "API_KEY_FILE"}, i.settings.APIKey, i.checked.APIKey},
		{[]string{"DATABASE_URL", "DATABASE_URL_FILE"}, i.settings.DatabaseURL, i.checked.DatabaseURL},
	} {
		for _, variable := range setting.variables {
			if setting.before != setting.after && environment.Get(variable) != "" {
				i.log.Warn("the environment has " + variable + " with another value, which prevails over " + settings.DefaultEnvFile + ": unset it")
			}
		}
	}
}
