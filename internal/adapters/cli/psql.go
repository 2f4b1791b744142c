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

	"github.com/pawldata/pawl/internal/domain"
)

type psqlCommand struct {
	Args []string `arg:"" optional:"" help:"Arguments for psql. Pawl's own flags go before the word psql."`
}

// An statusError ends pawl with the code of the program it ran in its place.
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
	return s.attend(cmd)
}

// attend runs a program that has the terminal to itself: ^C is for it to heed, and not for pawl.
func (s *session) attend(cmd *exec.Cmd) error {
	if err := s.hand(cmd); err != nil {
		return psqlError(err)
	}
	defer s.takeBack()
	return psqlStatus(cmd, cmd.Wait())
}

func psqlStatus(cmd *exec.Cmd, err error) error {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled():
		return statusError(exitSignal(status.Signal()))
	case !cmd.ProcessState.Success():
		return statusError(cmd.ProcessState.ExitCode())
	}
	return psqlError(err) // of copying its output, for example
}

// findPsql prefers the psql that came with the server.
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

func psqlError(err error) error {
	if err == nil {
		return nil
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: "psql", Err: err, Hint: "install PostgreSQL's client programs (postgresql-client)",
	}
}

// psqlEnviron returns the environment for psql without two kinds of variables. psql reads PGSERVICE… and PGHOSTADDR before
// those that say where the database is, and pgx knows nothing of them. And psql needs no secret of pawl's: whatever it
// starts (\!, a pager, an editor) could read them. The connection's password comes from PsqlEnviron.
func psqlEnviron(environ []string) (rest []string) {
	secrets := secretNames()
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		detour := strings.HasPrefix(name, "PGSERVICE") || strings.HasPrefix(name, "PGHOSTADDR")
		if !detour && !slices.Contains(secrets, name) {
			rest = append(rest, pair)
		}
	}
	return rest
}
