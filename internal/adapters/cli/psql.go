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
	Args []string `arg:"" optional:"" help:"Arguments for psql. Write pawl's own flags before the word psql."`
}

// Run executes `pawl psql`. kong calls it.
func (c *psqlCommand) Run(s *session, k *kong.Context) error {
	if slices.Equal(c.Args, []string{"--help"}) {
		const shortUsage = false
		return k.PrintUsage(shortUsage)
	}
	db, closeDatabase, err := s.openDatabase(mustExist)
	if err != nil {
		return err
	}
	defer closeDatabase()
	serverVariables, err := s.wiring.PsqlEnviron(db.URL)
	if err != nil {
		return err
	}
	program, err := findPsql(db.Bin)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(s.ctx, program, c.Args...) //nolint:gosec // running psql with what the user gives it is the purpose
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.unwatched.Stdout, s.unwatched.Stderr
	cmd.Env = append(psqlEnviron(s.Environ, db.Bin != ""), serverVariables...)
	return s.runInForeground(cmd)
}

// findPsql returns the path of psql. bin is the folder of the server's own programs, or empty. findPsql prefers the psql in bin.
func findPsql(bin string) (string, error) {
	if bin != "" {
		if program, err := exec.LookPath(filepath.Join(bin, "psql")); err == nil {
			return program, nil
		}
	}
	program, err := exec.LookPath("psql")
	if err != nil {
		return "", psqlError(fmt.Errorf("psql is not on this machine: %w", err))
	}
	return program, nil
}

// psqlEnviron returns environ without the variables that psql must not get:
//   - PGSERVICE… and PGHOSTADDR. psql prefers them to the variables of Wiring.PsqlEnviron, so it would connect to another server
//     than pawl.
//   - all variables of libpq if the database is private, because they are meant for another server.
//   - pawl's secrets. Every program that psql starts (\!, a pager, an editor) could read them. psql gets its password from
//     Wiring.PsqlEnviron.
func psqlEnviron(environ []string, isPrivate bool) (allowed []string) {
	secrets := settings.SecretNames()
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		namesServer := strings.HasPrefix(name, "PGSERVICE") || strings.HasPrefix(name, "PGHOSTADDR") ||
			isPrivate && strings.HasPrefix(name, "PG")
		isSecret := slices.Contains(secrets, name)
		if !namesServer && !isSecret {
			allowed = append(allowed, pair)
		}
	}
	return allowed
}

// runInForeground runs psql, which uses the terminal instead of pawl, and returns the result of psqlStatus. If the user types ^C,
// psql and pawl both get the signal, and pawl ignores it.
func (s *session) runInForeground(cmd *exec.Cmd) error {
	if err := s.startForeground(cmd); err != nil {
		return psqlError(err)
	}
	defer s.endForeground()
	return psqlStatus(cmd, cmd.Wait())
}

// psqlStatus returns an exitStatus if psql failed or a signal ended it. If psql succeeded, psqlStatus returns waitErr, the error of
// cmd.Wait, as an Invalid error, or nil if waitErr is nil.
func psqlStatus(cmd *exec.Cmd, waitErr error) error {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled():
		return exitStatus(signalExitCode(status.Signal()))
	case !cmd.ProcessState.Success():
		return exitStatus(cmd.ProcessState.ExitCode())
	}
	return psqlError(waitErr) // for example an error of copying psql's output
}

// psqlError returns an Invalid error that wraps err, or nil if err is nil.
func psqlError(err error) error {
	if err == nil {
		return nil
	}
	failure := &domain.Error{Kind: domain.Invalid, Code: domain.CodePsqlFailed, Op: "psql", Err: err}
	if errors.Is(err, exec.ErrNotFound) {
		failure.Hint = "install PostgreSQL's client programs (postgresql-client)"
	}
	return failure
}
