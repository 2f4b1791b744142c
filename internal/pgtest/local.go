//go:build unix

package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg"
	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

const (
	localTimeout = time.Minute
	portAttempts = 5
)

// openLocal starts a server in a temporary folder, with the programs on this machine. It listens on the loopback address
// only, with a random password, since every user of the machine can connect there. It has no socket in the file system:
// the socket's path could be too long for the system.
func openLocal(ctx context.Context, logf logf) (*server, error) {
	bin, err := findPrograms(ctx, logf)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	dir, err := newLocalDir(ctx, bin)
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := dir.initdb(ctx, password); err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	for range portAttempts {
		var port int
		var postgres *process
		port, err = findFreePort(ctx)
		if err == nil {
			postgres, err = dir.startServer(ctx, port)
		}
		if err == nil {
			hostPort := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			stop := func(ctx context.Context) error { return errors.Join(postgres.quit(ctx), dir.remove()) }
			return newServer(superuserURL(hostPort, password), stop), nil
		}
	}
	return nil, errors.Join(err, dir.remove())
}

// findPrograms returns the folder of PostgreSQL's programs. If the machine has none, they are downloaded once for all test
// processes, as for `pawl run`.
func findPrograms(ctx context.Context, logf logf) (string, error) {
	if found := pgprograms.Folders(); len(found) > 0 {
		return found[0], nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	embedded, err := embeddedpg.Open(ctx, filepath.Join(cache, "pawl-pgtest"), func(line string) { logf("pgtest: %s", line) })
	if err != nil {
		return "", err
	}
	return embedded.Bin(), embedded.Close() //nolint:contextcheck // Close has no context
}

// findFreePort returns a port that is free. If another program takes it afterwards, postgres ends and openLocal tries
// again.
func findFreePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// initdb makes the data folder. It uses the C locale, which every system has.
func (d *localDir) initdb(ctx context.Context, password string) error {
	file := filepath.Join(d.path, "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		return err
	}
	if err := d.chown(file); err != nil {
		return err
	}
	out, err := d.command(ctx, "initdb", "--pgdata", d.data(), "--username", "postgres", "--pwfile", file,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Remove(file)
}

// startServer starts postgres and waits until its pid file reports that it is ready. A connection to the port would prove
// less: another server could answer.
func (d *localDir) startServer(ctx context.Context, port int) (*process, error) {
	args := append([]string{
		"-D", d.data(), "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
	}, serverSettings()...)
	postgres, err := d.launch(d.command(context.WithoutCancel(ctx), "postgres", args...))
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !d.isReady(postgres.pid()) {
		select {
		case <-tick.C:
		case <-postgres.exited:
			return nil, fmt.Errorf("postgres ended: %w\n%s", postgres.err, d.readLog())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("postgres does not get ready: %w\n%s", ctx.Err(), d.readLog()), postgres.kill())
		}
	}
	return postgres, nil
}

// isReady reads postgres's pid file: the first line is its pid, the eighth its status.
func (d *localDir) isReady(pid int) bool {
	file, err := os.ReadFile(filepath.Join(d.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(file), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// A process is a running server process. A goroutine waits for its end.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // valid once exited is closed
}

func (d *localDir) launch(cmd *exec.Cmd) (*process, error) {
	log, err := os.Create(d.logFile())
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the process has inherited the open file
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// quit stops the server at once. It skips the checkpoint of a normal shutdown, which only speeds up the next start.
func (p *process) quit(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.kill())
	}
}

func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	<-p.exited
	return err
}

// isAlive reports whether there is a process with this id, of any user.
func isAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
