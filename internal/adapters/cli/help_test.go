package cli_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestHelp_Settings checks that the help of the settings names all kinds of settings and has no value of a secret.
func TestHelp_Settings(t *testing.T) {
	t.Parallel()
	code, stdout, _ := pawl(t, validEnv(), cli.Wiring{}, "help", "settings")
	if code != cli.ExitDone || strings.Contains(stdout, password) {
		t.Errorf("got exit %d, want exit 0 and no password in\n%s", code, stdout)
	}
	words := strings.Join(strings.Fields(stdout), " ") // without line breaks
	for _, want := range []string{
		"API_BASE_URL", "BATCH_SIZE", "RATE_LIMIT_DELAY_MS", "PAWL_STREAM", "Default 5000.", "API_KEY, TARGET_API_KEY", "API_KEY_FILE",
		"DATABASE_URL postgres://", "DATABASE_URL_FILE", "--log-format=FORMAT",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("got no %s in\n%s", want, stdout)
		}
	}
	for _, unwanted := range []string{"Usage:", "Commands:", "--help"} {
		if strings.Contains(stdout, unwanted) {
			t.Errorf("got %s, want only settings:\n%s", unwanted, stdout)
		}
	}
}

// commandInHelp matches a line of a command's name and its description. Group 1 is the name.
var commandInHelp = regexp.MustCompile(`(?m)^ {2}([a-z]+(?: [a-z]+)?) {2}`)

// commandsInHelp returns the commands that the help of args lists, and all commands below them.
func commandsInHelp(t *testing.T, args ...string) (all [][]string) {
	t.Helper()
	_, help, _ := pawl(t, nil, cli.Wiring{}, append(args, "--help")...)
	_, list, _ := strings.Cut(help, "\nCommands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, found := range commandInHelp.FindAllStringSubmatch(list, -1) {
		command := strings.Fields(found[1])
		all = append(append(all, command), commandsInHelp(t, command...)...)
	}
	return all
}

// TestHelp_Commands checks the help of every command: it fits into 80 columns, it shows the command's own flags first and no setting, and
// it has an example, which is also in the help of pawl.
func TestHelp_Commands(t *testing.T) {
	t.Parallel()
	_, main, _ := pawl(t, nil, cli.Wiring{}, "--help")
	commands := commandsInHelp(t)
	if len(commands) < 16 {
		t.Fatalf("got %d commands in the help, want all: %v", len(commands), commands)
	}
	for _, command := range append(commands, nil, []string{"help", "settings"}) {
		args := command
		isSettings := len(command) > 0 && command[0] == "help"
		if !isSettings {
			args = append(append([]string{}, command...), "--help")
		}
		code, help, stderr := pawl(t, nil, cli.Wiring{}, args...)
		if code != cli.ExitDone || stderr != "" {
			t.Errorf("%v: got exit %d and error %q, want exit 0", args, code, stderr)
		}
		for line := range strings.Lines(help) {
			if columns := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); columns > 80 {
				t.Errorf("%v: got a line of %d columns, want at most 80: %q", args, columns, line)
			}
		}
		if isSettings || len(command) == 0 {
			continue
		}
		name := strings.Join(command, " ")
		_, example, hasExample := strings.Cut(help, " in the folder of `pawl demo`:\n")
		if !hasExample || !strings.Contains(example, "pawl "+name) || !strings.Contains(main, example) {
			t.Errorf("%s: got example %q, want one with this command that is in the help of pawl too", name, example)
		}
		if strings.Contains(help, "PAWL_STREAM") || !strings.Contains(help, "pawl help settings") {
			t.Errorf("%s: want no setting and the command that shows them in\n%s", name, help)
		}
	}
	_, help, _ := pawl(t, nil, cli.Wiring{}, "verify", "--help")
	own, shared := strings.Index(help, "--against-api    "), strings.Index(help, "-h, --help")
	if own < 0 || shared < own {
		t.Errorf("got the flags in a wrong order, want verify's own first:\n%s", help)
	}
}
