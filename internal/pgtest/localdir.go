//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

// A localDir is the folder of a local server. A cleaner process removes it, also if this process is killed.
type localDir struct {
	path         string
	bin          string              // PostgreSQL's programs
	account      *syscall.Credential // that the server runs as; nil: this process's own
	cleaner      *exec.Cmd
	cleanerStdin io.Closer
}

// newLocalDir makes a folder in the first temporary folder that the server's account can use.
func newLocalDir(ctx context.Context, bin string) (*localDir, error) {
	account, err := pgprograms.Unprivileged()
	if err != nil {
		return nil, err
	}
	d := &localDir{bin: bin, account: account}
	var failures []error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if err = d.make(ctx, parent); err == nil {
			return d, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// make makes the folder and starts its cleaner. It runs initdb --version there to check that the account can enter the
// folder: root's own temporary folder is often closed to it.
func (d *localDir) make(ctx context.Context, parent string) error {
	path, err := os.MkdirTemp(parent, "pawl-pgtest-")
	if err != nil {
		return err
	}
	d.path = path
	if err = d.chown(path); err == nil {
		if err = d.command(ctx, "initdb", "--version").Run(); err == nil {
			err = d.startCleaner()
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("use %s: %w", path, err), os.RemoveAll(path))
	}
	return nil
}

// cleanerScript reads its standard input to the end. That end comes when this process closes the pipe, or has ended, also
// by SIGKILL. Then the script stops the server if one runs and removes the folder. It tries several times, as a server
// process may still be writing.
const cleanerScript = `
while read -r line; do :; done
{ read -r pid <"$1/data/postmaster.pid" && kill -QUIT "$pid"; } 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && exit; sleep 1; done 2>/dev/null
exit 1
`

// startCleaner starts the process that removes the folder. It uses a pipe rather than a parent-death signal: a pipe works
// on every Unix, and does not depend on the thread that started the process.
func (d *localDir) startCleaner() error {
	cleaner := exec.Command("/bin/sh", "-c", cleanerScript, "pgtest-cleaner", d.path) //nolint:noctx // it outlives this process
	cleaner.Dir = "/"
	cleaner.Env = []string{"PATH=/usr/bin:/bin"}
	cleaner.SysProcAttr = &syscall.SysProcAttr{Credential: d.account, Setpgid: true}
	stdin, err := cleaner.StdinPipe()
	if err != nil {
		return err
	}
	if err := cleaner.Start(); err != nil {
		return err
	}
	d.cleaner, d.cleanerStdin = cleaner, stdin
	return nil
}

// remove makes the cleaner remove the folder and waits for it.
func (d *localDir) remove() error {
	if err := d.cleanerStdin.Close(); err != nil {
		return err
	}
	return d.cleaner.Wait()
}

// chown gives a file to the server's account.
func (d *localDir) chown(path string) error {
	if d.account == nil {
		return nil
	}
	return os.Chown(path, int(d.account.Uid), int(d.account.Gid))
}

// command returns a command that runs one of PostgreSQL's programs in the folder. The program gets a process group of its
// own, so that Ctrl-C does not reach it: the server must end after this process.
func (d *localDir) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, program), args...)
	cmd.Dir = d.path
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.account, Setpgid: true}
	return cmd
}

func (d *localDir) data() string    { return filepath.Join(d.path, "data") }
func (d *localDir) logFile() string { return filepath.Join(d.path, "log") }

func (d *localDir) readLog() []byte {
	text, err := os.ReadFile(d.logFile())
	if err != nil {
		return []byte(err.Error())
	}
	return text
}
