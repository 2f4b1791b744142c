package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

// parse reads the command line, the environment and the .env file, and sets the values and their origins. If the user asked for
// help, parse prints the help and returns neither a command nor an error.
func (s *session) parse(loader *settings.Loader) (*kong.Context, error) {
	var g grammar
	helpPrinted := false
	afterHelp := kong.Exit(func(int) { helpPrinted = true }) // kong calls this function only after it has printed the help
	help := kong.Help(printHelp)
	if asksForSettings(s.Args) {
		help = kong.Help(printSettingsHelp)
	}
	parser, err := newParser(&g, kong.Writers(s.Stdout, s.screen), afterHelp, help, kong.Resolvers(loader.Resolver()))
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(commandArgs(s.Args, commandNames(parser.Model.Node)))
	if err == nil && !helpPrinted && command.Selected().Name != "psql" { // psql gets its arguments unchanged
		err = checkUTF8(s.Args)
	}
	// These need no setting. `pawl help` must explain an error of the loader, too, and shells start `pawl completion` in any folder.
	needsNone := err == nil && !helpPrinted && slices.Contains([]string{"help", "version", "completion"}, command.Selected().Name)
	switch {
	case helpPrinted:
		return nil, nil
	case loader.Err() != nil && !needsNone:
		return nil, loader.Err()
	case err != nil:
		return nil, commandLineError(err)
	}
	s.origins = loader.Complete(command, &g.Values)
	s.values = g.Values
	return command, nil
}

func newParser(g *grammar, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(g, append(options,
		kong.Name("pawl"), kong.Description(description), kong.ValueFormatter(formatFlagHelp),
		kong.ExplicitGroups(flagGroups()),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, FlagsLast: true, WrapUpperBound: helpWidth}),
	)...)
}

// commandArgs returns the arguments in the form that kong knows. Without arguments, pawl shows its help. It also knows the words that
// other programs know: `pawl help`, `pawl help run` and `pawl --version`. `pawl help settings` is a help of its own, see asksForSettings.
// Only `pawl help` with another word runs the command help.
func commandArgs(args, commands []string) []string {
	const help = "--help"
	switch {
	case len(args) == 0:
		return []string{help}
	case asksForSettings(args):
		return []string{help}
	case args[0] == "help" && (len(args) == 1 || slices.Contains(commands, args[1])):
		return append(slices.Clone(args[1:]), help)
	case args[0] == "--version":
		return append([]string{"version"}, args[1:]...)
	}
	return args
}

// commandLineError returns an Invalid error about a command line that kong cannot parse. If the user has made a flag of an environment
// name, such as --batch-size, its hint is how to set that setting.
func commandLineError(err error) error {
	if writeErr, ok := errors.AsType[*fs.PathError](err); ok { // the help could not be written
		return outputError(writeErr)
	}
	failure := &domain.Error{Kind: domain.Invalid, Code: domain.CodeUsage, Op: "command line", Err: withoutAdvice(err), Hint: "see `pawl --help`"}
	if mayHoldSecret(err.Error()) {
		failure.Err = errors.New("an argument or a flag is not possible; it is not shown, because it may hold a secret")
		failure.Hint = "set API_BASE_URL, API_KEY and DATABASE_URL in the environment or in .env"
		return failure
	}
	_, flag, isFlag := strings.Cut(err.Error(), "unknown flag --")
	flag, _, _ = strings.Cut(flag, ",")
	setting, findErr := settings.Find(strings.ToUpper(strings.ReplaceAll(flag, "-", "_")))
	switch {
	case !isFlag || findErr != nil:
	case setting.Name() == "PAWL_DOWNLOAD":
		failure.Hint = "set PAWL_DOWNLOAD in the environment or in .env"
	case setting.Flag == "":
		failure.Hint = "other users can read the arguments of a process: set " + setting.Name() + " in the environment or in .env"
	default:
		failure.Hint = "use --" + setting.Flag
	}
	return failure
}

// mayHoldSecret reports whether a text from the command line may hold a URL with a password, or the assignment of a secret.
func mayHoldSecret(text string) bool {
	assignsSecret := func(name string) bool { return strings.Contains(text, name+"=") }
	return strings.Contains(text, "://") || strings.Contains(text, "@") || slices.ContainsFunc(settings.SecretNames(), assignsSecret)
}

// withoutAdvice returns err, an error of kong, without kong's advice to write --flag="-1", because no flag of pawl takes a negative value.
func withoutAdvice(err error) error {
	text, _, hasAdvice := strings.Cut(err.Error(), " (short flag); perhaps try ")
	if !hasAdvice {
		return err
	}
	return errors.New(text)
}

// checkUTF8 returns an error if an argument is not UTF-8, because the database would refuse it.
func checkUTF8(args []string) error {
	for _, arg := range args {
		if !utf8.ValidString(arg) && mayHoldSecret(arg) {
			return errors.New("an argument is not UTF-8")
		}
		if !utf8.ValidString(arg) {
			return fmt.Errorf("%s is not UTF-8", strconv.QuoteToASCII(arg))
		}
	}
	return nil
}
