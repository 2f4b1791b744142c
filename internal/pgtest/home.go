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

// A home is the folder of a local server, with the account the server runs under and a guard that cleans up should this
// process be killed.
type home struct {
	dir, bin string
	account  *syscall.Credential // nil: our own
	guard    *exec.Cmd
	lease    io.Closer // the guard's standard input
}

func newHome(ctx context.Context, bin string) (*home, error) {
	account, err := pgprograms.Unprivileged()
	if err != nil {
		return nil, err
	}
	h := &home{bin: bin, account: account}
	var failures []error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if err = h.settle(ctx, parent); err == nil {
			return h, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// settle makes the folder and posts the guard there. Running a program shows whether the account can reach the folder:
// root's own temporary folder is often closed to it.
func (h *home) settle(ctx context.Context, parent string) error {
	dir, err := os.MkdirTemp(parent, "pawl-pgtest-")
	if err != nil {
		return err
	}
	h.dir = dir
	if err = h.give(dir); err == nil {
		if err = h.command(ctx, "initdb", "--version").Run(); err == nil {
			err = h.postGuard()
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("use %s: %w", dir, err), os.RemoveAll(dir))
	}
	return nil
}

func (h *home) give(path string) error {
	if h.account == nil {
		return nil
	}
	return os.Chown(path, int(h.account.Uid), int(h.account.Gid))
}

// command runs one of PostgreSQL's programs in the folder. A process group of its own keeps Ctrl-C from it: the server
// ends when this process has.
func (h *home) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(h.bin, program), args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.account, Setpgid: true}
	return cmd
}

func (h *home) data() string    { return filepath.Join(h.dir, "data") }
func (h *home) logFile() string { return filepath.Join(h.dir, "log") }

func (h *home) log() []byte {
	text, err := os.ReadFile(h.logFile())
	if err != nil {
		return []byte(err.Error())
	}
	return text
}
