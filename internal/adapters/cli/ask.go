package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
	if s.screen.Kind() == terminal.Plain || !terminal.IsTerminal(s.Stdin) {
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
	fmt.Fprintf(s.screen, "Stream %s is new; this database has: %s. Start a new stream? [y/N] ", s.settings.Stream, known)
	answer, err := readLine(s.ctx, s.Process)
	if err != nil {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return nil
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeStreamUnknown, Op: "--" + streamFlag,
		Err:  fmt.Errorf("the new stream %s was not started", s.settings.Stream),
		Hint: "this database has: " + known,
	}
}

// readLine returns the next line of standard input. At the end of the input it returns what there is. If ctx ends first, it returns Stopped
// at once; then a goroutine still reads until the process ends, because a read from a terminal cannot be interrupted.
func readLine(ctx context.Context, p Process) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.Stdin).ReadString('\n') // an error means the end of the input
		lines <- line
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", &domain.Error{
			Kind: domain.Stopped, Code: domain.CodeStopped, Op: "read the answer", Err: errors.New("a signal asked pawl to stop"),
		}
	}
}
