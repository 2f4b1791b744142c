package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/domain"
)

// confirmNewStream asks the user whether a run should start a new stream, if the database has other streams but not this one. The name may
// be mistyped, and the run would then read everything once more. confirmNewStream asks only a user at a terminal, because a scheduled run
// has nobody who answers. It returns an Invalid error if the user does not want the new stream.
//
// If the streams cannot be read, it asks nothing: there may be no tables yet, and the run reports any other problem.
func (s *session) confirmNewStream(db Database) error {
	if !s.canAsk() {
		return nil
	}
	reader, release, err := s.wiring.Reader(s.ctx, s.settingsFor(db))
	if err != nil {
		return err
	}
	defer release()
	streams, err := reader.Streams(s.ctx)
	if err != nil || len(streams) == 0 || slices.Contains(streams, s.settings.Stream) {
		return nil
	}
	var names []string
	for _, stream := range streams {
		names = append(names, stream.String())
	}
	known := strings.Join(names, ", ")
	isNew, err := s.askYes(fmt.Sprintf("Stream %s is new; this database has: %s. Start a new stream?", s.settings.Stream, known))
	if isNew || err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeStreamUnknown, Op: "--" + streamFlag,
		Err:  fmt.Errorf("the new stream %s was not started", s.settings.Stream),
		Hint: "this database has: " + known,
	}
}

// canAsk reports whether a user at a terminal can answer questions.
func (s *session) canAsk() bool {
	return s.screen.Kind() != terminal.Plain && terminal.IsTerminal(s.Stdin)
}

// askYes asks a question and reports whether the answer is yes. Any other answer, and the end of the input, mean no.
func (s *session) askYes(question string) (bool, error) {
	fmt.Fprint(s.screen, question+" [y/N] ")
	answer, err := readLine(s.ctx, s.Process)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", nil
}

// askText asks for a text. shown is what stands for the text that counts if the user only types return; it is empty if there is none.
// Then the answer is empty, and so is askText's result.
func (s *session) askText(question, shown string) (string, error) {
	fmt.Fprint(s.screen, promptFor(question, shown))
	answer, err := readLine(s.ctx, s.Process)
	return answer, inputError(err)
}

// askSecret does the same as askText, except that the terminal does not show the answer.
func (s *session) askSecret(question, shown string) (string, error) {
	showInput, err := terminal.HideInput(s.Stdin) // before the question, because the user may answer at once
	if err != nil {
		return "", inputError(err)
	}
	defer showInput()
	answer, err := s.askText(question, shown)
	fmt.Fprintln(s.screen) // the terminal has not shown the user's return
	return answer, err
}

// promptFor returns a question with the text that counts if the user only types return.
func promptFor(question, shown string) string {
	if shown != "" {
		question += " [" + escapeUnprintable(shown) + "]"
	}
	return question + ": "
}

// inputError returns err, an error of reading an answer, as a domain.Error. It returns nil if err is nil.
func inputError(err error) error {
	if err == nil || domain.AsError(err) != nil {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the input has ended")
	}
	return &domain.Error{Kind: domain.Invalid, Code: domain.CodeUsage, Op: "read the answer", Err: err}
}

// readLine returns the next line of standard input without the white space around it. At the end of the input it returns what there is
// or, if there is nothing, io.EOF. If ctx ends first, it returns Stopped at once; then a goroutine still reads until the process ends,
// because a read from a terminal cannot be interrupted.
func readLine(ctx context.Context, p Process) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.Stdin).ReadString('\n') // an error means the end of the input
		lines <- line
	}()
	select {
	case line := <-lines:
		if line == "" {
			return "", io.EOF
		}
		return strings.TrimSpace(line), nil
	case <-ctx.Done():
		return "", &domain.Error{
			Kind: domain.Stopped, Code: domain.CodeStopped, Op: "read the answer", Err: errors.New("a signal asked pawl to stop"),
		}
	}
}
