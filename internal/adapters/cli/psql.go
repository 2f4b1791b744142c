package cli

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type psqlCommand struct {
	Args []string `arg:"" optional:"" help:"Arguments for psql. Pawl's own flags stand before the word psql."`
}

// A statusError ends pawl with the exit code of psql.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Run is called by kong.
func (c *psqlCommand) Run(s *session, k *kong.Context) error {
	if slices.Equal(c.Args, []string{"--help"}) {
		return k.PrintUsage(false)
	}
	db, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	connection, err := s.wiring.PsqlEnviron(db.URL)
	if err != nil {
		return err
	}
	program, err := findPsql(db.Bin)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(s.ctx, program, c.Args...) //nolint:gosec // running psql with what the user gives it is the purpose
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Stdout, s.Stderr
	cmd.Env = append(psqlEnviron(s.Environ), connection...)
	return s.runInForeground(cmd)
}

// findPsql returns the path of psql. It prefers the psql in bin, which is the server's own.
func findPsql(bin string) (string, error) {
	if bin != "" {
		if program, err := exec.LookPath(filepath.Join(bin, "psql")); err == nil {
			return program, nil
		}
	}
	program, err := exec.LookPath("psql")
	if err != nil {
		return "", psqlError(errors.New("psql is not on this machine"))
	}
	return program, nil
}

// psqlEnviron returns the environment for psql without two kinds of variables. psql prefers PGSERVICE… and PGHOSTADDR to the
// variables for the connection, and pgx ignores them. And psql needs none of pawl's secrets: every program that it starts (\!, a
// pager, an editor) could read them. The password of the connection comes from Wiring.PsqlEnviron.
func psqlEnviron(environ []string) (rest []string) {
	secrets := settings.SecretNames()
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		redirects := strings.HasPrefix(name, "PGSERVICE") || strings.HasPrefix(name, "PGHOSTADDR")
		if !redirects && !slices.Contains(secrets, name) {
			rest = append(rest, pair)
		}
	}
	return rest
}

// runInForeground runs a program that has the terminal to itself. The terminal sends ^C to the program; pawl ignores it.
func (s *session) runInForeground(cmd *exec.Cmd) error {
	if err := s.startForeground(cmd); err != nil {
		return psqlError(err)
	}
	defer s.endForeground()
	return psqlStatus(cmd, cmd.Wait())
}

// psqlStatus returns the result of psql as a statusError, nil for success. err is what cmd.Wait returned.
func psqlStatus(cmd *exec.Cmd, err error) error {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled():
		return statusError(signalExitCode(status.Signal()))
	case !cmd.ProcessState.Success():
		return statusError(cmd.ProcessState.ExitCode())
	}
	return psqlError(err) // for example of copying its output
}

// psqlError returns err as an Invalid error, nil for nil.
func psqlError(err error) error {
	if err == nil {
		return nil
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: "psql", Err: err, Hint: "install PostgreSQL's client programs (postgresql-client)",
	}
}
