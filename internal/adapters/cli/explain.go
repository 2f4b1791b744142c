package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

// An explanation says what a code means and what the user can do.
type explanation struct {
	code      domain.Code
	exitCodes []int
	cause     string
	remedy    string
}

// explanations returns one explanation for each code, in alphabetical order.
func explanations() []explanation {
	all := slices.Concat(apiExplanations(), streamExplanations(), databaseExplanations(), schemaExplanations(),
		privateDatabaseExplanations(), programExplanations())
	slices.SortFunc(all, func(a, b explanation) int { return strings.Compare(string(a.code), string(b.code)) })
	return all
}

type helpCommand struct {
	Topic string `arg:"" help:"A command, the word settings, or the code in square brackets at the end of a message."`
}

// Help returns the details for `pawl help --help`. kong calls it.
func (c *helpCommand) Help() string {
	return "For a code it prints the cause, what to do and the exit code, also if the settings are wrong. Without a topic it lists the commands."
}

// toleratesWrongSettings implements settingsTolerant. The topic may be the message about the wrong setting.
func (c *helpCommand) toleratesWrongSettings() {}

// Run executes `pawl help` with a topic. kong calls it. commandArgs has replaced `pawl help` with a command by the command's --help, unless
// flags stand before the word help.
func (c *helpCommand) Run(s *session, k *kong.Context) error {
	topic := strings.Trim(c.Topic, "[]") // as it stands in the message
	commands := commandNames(k.Model.Node)
	switch {
	case topic == settingsTopic:
		return s.printTopic(printSettingsHelp)
	case slices.Contains(commands, topic):
		return s.printTopic(printHelp, topic)
	case mayHoldSecret(topic):
		return &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeUsage, Op: "help", Err: errors.New("there is no such command and no such code"),
			Hint: "see `pawl --help`",
		}
	}
	known := slices.Concat(commands, []string{settingsTopic})
	for _, e := range explanations() {
		if string(e.code) == topic {
			return outputError(e.write(s.Stdout))
		}
		known = append(known, string(e.code))
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeUsage, Op: "help", Err: fmt.Errorf("there is no command and no code %q", c.Topic),
		Hint: "did you mean `pawl help " + settings.MostSimilar(topic, known) + "`?",
	}
}

// printTopic prints the help of a command, or of pawl without a command, as printer writes it.
func (s *session) printTopic(printer kong.HelpPrinter, command ...string) error {
	const helpFlag = "--help"
	var g grammar
	parser, err := newParser(&g, kong.Writers(s.Stdout, s.screen), kong.Help(printer), kong.Exit(func(int) {}))
	if err != nil {
		return err
	}
	_, _ = parser.Parse(append(command, helpFlag)) // it prints the help, and then an error says what else the command needs
	return nil
}

// commandNames returns the names of the commands directly below node.
func commandNames(node *kong.Node) (names []string) {
	for _, child := range node.Children {
		names = append(names, child.Name)
	}
	return names
}

// write writes the explanation for a terminal.
func (e explanation) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s\n\n%s\n\n%s\n\n%s\n",
		e.code, wrapText(e.cause), wrapText("What to do: "+e.remedy), e.exitCodeText())
	return err
}

// exitCodeText returns a line with the exit codes of the commands that end with this code.
func (e explanation) exitCodeText() string {
	var texts []string
	for _, code := range e.exitCodes {
		texts = append(texts, strconv.Itoa(code))
	}
	return "Exit code: " + strings.Join(texts, " or ")
}
