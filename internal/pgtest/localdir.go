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

// A localDir is the folder of a local server. Another process, the cleaner, removes the folder when this process has ended,
// even if this process is killed.
type localDir struct {
	path         string
	bin          string              // the folder of PostgreSQL's programs
	account      *syscall.Credential // the account of the server; nil means the account of this process
	cleaner      *exec.Cmd
	cleanerStdin io.Closer // when this pipe is closed, the cleaner removes the folder
}

// newLocalDir creates a folder for a server. It tries several parent folders, because the server's account may have no
// access to some of them.
func newLocalDir(ctx context.Context, bin string) (*localDir, error) {
	account, err := pgprograms.Unprivileged()
	if err != nil {
		return nil, err
	}
	d := &localDir{bin: bin, account: account}
	var failures []error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if err = d.create(ctx, parent); err == nil {
			return d, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// create creates the folder and starts its cleaner. It runs initdb --version in the folder, because this command fails if
// the server's account cannot enter the folder. The temporary folder of root is often closed to other accounts.
func (d *localDir) create(ctx context.Context, parent string) error {
	path, err := os.MkdirTemp(parent, "pawl-pgtest-")
	if err != nil {
		return err
	}
	d.path = path
	err = d.chown(path)
	if err == nil {
		err = d.command(ctx, "initdb", "--version").Run()
	}
	if err == nil {
		err = d.startCleaner()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("use %s: %w", path, err), os.RemoveAll(path))
	}
	return nil
}

// cleanerScript waits until its standard input ends. That happens when this process closes the pipe or ends for any
// reason, even by SIGKILL. Then the script stops the server, if the server is running, and removes the folder. The script
// tries this up to ten times, because a process of the server may still be writing files.
const cleanerScript = `
while read -r line; do :; done
{ read -r pid <"$1/data/postmaster.pid" && kill -QUIT "$pid"; } 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && exit; sleep 1; done 2>/dev/null
exit 1
`

// startCleaner starts the process that removes the folder. The cleaner detects the end of this process by a pipe. A
// parent-death signal would not work on every Unix, and would come when the thread that started the cleaner ends.
func (d *localDir) startCleaner() error {
	cleaner := exec.Command("/bin/sh", "-c", cleanerScript, "pgtest-cleaner", d.path) //nolint:noctx // the cleaner outlives this process
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

// remove makes the cleaner remove the folder, and waits until the cleaner has ended.
func (d *localDir) remove() error {
	if err := d.cleanerStdin.Close(); err != nil {
		return err
	}
	return d.cleaner.Wait()
}

// chown makes the server's account the owner of a file or folder.
func (d *localDir) chown(path string) error {
	if d.account == nil {
		return nil
	}
	return os.Chown(path, int(d.account.Uid), int(d.account.Gid))
}

// command returns a command that runs one of PostgreSQL's programs in the folder. The program gets its own process group.
// Otherwise Ctrl-C would end the server before the tests of this process end.
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
