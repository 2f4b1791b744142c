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
	localTimeout = time.Minute // of openLocal, without a download
	portAttempts = 5           // another program may take a port before postgres does
)

// openLocal starts a server in a temporary folder, with the programs on this machine. The server listens only on the
// loopback address. It has a random password, because every user of the machine can connect to that address. It has no
// socket in the file system, because the path of the socket could be too long for the system.
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
		var srv *server
		srv, err = dir.openServer(ctx, password)
		if err == nil {
			return srv, nil
		}
	}
	return nil, errors.Join(err, dir.remove())
}

// openServer starts the server of the folder on a free port. When the server is stopped, the folder is removed.
func (d *localDir) openServer(ctx context.Context, password string) (*server, error) {
	port, err := findFreePort(ctx)
	if err != nil {
		return nil, err
	}
	postgres, err := d.startServer(ctx, port)
	if err != nil {
		return nil, err
	}
	hostPort := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	stop := func(ctx context.Context) error { return errors.Join(postgres.quit(ctx), d.remove()) }
	return newServer(superuserURL(hostPort, password), stop), nil
}

// findPrograms returns the folder of PostgreSQL's programs. If the machine has no such folder, findPrograms downloads the
// programs into the user's cache, where later test processes find them.
func findPrograms(ctx context.Context, logf logf) (string, error) {
	if found := pgprograms.Folders(); len(found) > 0 {
		return found[0], nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	report, consent := func(line string) { logf("pgtest: %s", line) }, func(string) error { return nil }
	embedded, err := embeddedpg.Open(ctx, filepath.Join(cache, "pawl-pgtest"), report, consent)
	if err != nil {
		return "", err
	}
	return embedded.Bin(), embedded.Close() //nolint:contextcheck // Close has no context
}

// findFreePort returns a port that no program uses at the moment. If another program takes the port before postgres does,
// postgres ends with an error, and openLocal tries again.
func findFreePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// initdb creates the data folder. It uses the locale C, because every system has it.
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

// startServer starts postgres and waits until the pid file says that postgres is ready. It does not try to connect, because
// another server could answer at the port.
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
			return nil, errors.Join(fmt.Errorf("postgres is not ready: %w\n%s", ctx.Err(), d.readLog()), postgres.kill())
		}
	}
	return postgres, nil
}

// isReady reports whether the pid file of postgres has the process id pid and the status "ready".
func (d *localDir) isReady(pid int) bool {
	file, err := os.ReadFile(filepath.Join(d.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	const pidLine, statusLine = 0, 7 // as in PostgreSQL's pidfile.h, but counted from 0
	lines := strings.Split(string(file), "\n")
	if len(lines) <= statusLine {
		return false
	}
	return lines[pidLine] == strconv.Itoa(pid) && strings.TrimSpace(lines[statusLine]) == "ready"
}

// A process is a started postgres, the main process of a server.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
	err    error         // the result of cmd.Wait; may be read only after exited is closed
}

// launch starts a command whose output goes to the log file.
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

// quit stops the server at once and waits for its end. It sends SIGQUIT, after which the server does not write its buffers
// to disk. If ctx ends before the server does, quit kills the server.
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

// isAlive reports whether there is a process with this id. The process may belong to another user.
func isAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
