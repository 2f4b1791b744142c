package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	startAttempts = 5 // the greatest number of attempts to start a server

	// The times that a server gets to end after a signal. PostgreSQL calls the two ways to shut down fast and immediate. A fast
	// shutdown (SIGINT) writes all buffers to disk. An immediate shutdown (SIGQUIT) does not, so the next start must recover.
	fastShutdownTimeout      = 30 * time.Second
	immediateShutdownTimeout = 10 * time.Second

	pollInterval = 20 * time.Millisecond // of poll and waitReady
)

// errKeepsEnding is the error of start after startAttempts attempts.
var errKeepsEnding = errors.New("the server ended again and again while it started")

// start starts the server and waits until it is ready. launch first waits until an earlier server has ended. If another program
// takes the port before the server does, start tries again.
func (d *serverDir) start(ctx context.Context, bin string) (serverInfo, error) {
	if err := d.rotateLog(); err != nil {
		return serverInfo{}, d.op.folderError(fmt.Errorf("begin the server's log: %w", err), "")
	}
	for attempt := 1; ; attempt++ {
		child, err := d.launch(ctx, bin)
		if err != nil {
			return serverInfo{}, d.op.wrapError(ctx, domain.CodePrivateDatabaseStart, err, "the server's log is "+d.logPath())
		}
		info, found, err := d.waitReady(ctx, child)
		if err != nil && !mayBecomeReady(err) {
			// This server cannot become ready any more. The error of stop is dropped, because err explains the failure.
			_ = child.stop(context.WithoutCancel(ctx))
		}
		if found || err != nil {
			return info, err
		}
		// waitReady has found no server, because the server ended before it was ready.
		err = d.startError(ctx, child)
		if err == nil && attempt == startAttempts {
			err = errKeepsEnding
		}
		if err != nil {
			return serverInfo{}, d.op.wrapError(ctx, domain.CodePrivateDatabaseStart, err, "the server's log is "+d.logPath())
		}
	}
}

// startError returns an error that says why no server is ready, or nil if start should try again. It returns nil in two cases:
// another program has taken the port, or child is nil because another server ran when launch was called.
func (d *serverDir) startError(ctx context.Context, child *childServer) error {
	if child == nil || !isPortFree(ctx, child.port) {
		return nil
	}
	return programError("postgres", child.err, d.readLogTail())
}

// A childServer is a server that this process has launched. It continues to run after this process has ended, if other processes
// use it.
type childServer struct {
	cmd    *exec.Cmd
	port   int
	exited chan struct{} // closed when the server has ended
	err    error         // the result of the server's process; may be read after exited is closed
}

// launch waits until all processes of an earlier server have ended, and then starts a server that holds server.lock. If a server
// is running, launch starts no server and returns nil. The new server gets the port of the previous server if that port is free,
// because other processes may still connect to it.
func (d *serverDir) launch(ctx context.Context, bin string) (*childServer, error) {
	lock, err := d.lockServer(ctx, serverLockTimeout) // waits for the processes of an earlier server
	if errors.Is(err, errServerRuns) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close() //nolint:errcheck // the server has its own handle of the open file
	previous, err := d.readPostmaster(ctx)
	if err != nil || previous.runs { // a server that a user has started by hand does not hold the lock
		return nil, err
	}
	port, err := findFreePort(ctx, previous.port)
	if err != nil {
		return nil, err
	}
	log, err := d.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the server has its own handle of this file, too
	args := append([]string{dataFlag, d.data()}, serverSettings(port)...)
	cmd := d.command(context.WithoutCancel(ctx), bin, "postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock} // the server and its child processes inherit the lock
	if previous.pid != 0 {
		// A crash has left a pid file, and now its pid may belong to another process. postgres would take that process for a
		// running server, and would refuse to start. PG_GRANDPARENT_PID makes postgres ignore the process with this pid. postgres
		// still does its other checks and replaces the pid file. PostgreSQL has this variable for pg_ctl, which sets it to the
		// pid of its own parent.
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(previous.pid))
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	child := &childServer{cmd: cmd, port: port, exited: make(chan struct{})}
	go func() { // ends when the server ends
		child.err = cmd.Wait()
		close(child.exited)
	}()
	return child, nil
}

// serverSettings returns the arguments for a server with few clients. No setting makes a commit less durable.
func serverSettings(port int) []string {
	var args []string
	for _, setting := range []string{
		"port=" + strconv.Itoa(port),
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=", // no socket, because its path could be too long for the system
		"max_connections=50",
		"jit=off",
		"logging_collector=off",
		"log_checkpoints=off",
		"log_min_error_statement=panic", // because statements contain data of the users
	} {
		args = append(args, "-c", setting)
	}
	return args
}

// hasEnded reports whether the server has ended. For a nil *childServer it returns true.
func (c *childServer) hasEnded() bool {
	if c == nil {
		return true
	}
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// stop stops the server and waits until it has ended. It needs no pid file, because a server that has just started may not have
// written it yet. For a nil *childServer it does nothing.
func (c *childServer) stop(ctx context.Context) error {
	if c.hasEnded() {
		return nil
	}
	signal := func(s syscall.Signal) error {
		err := c.cmd.Process.Signal(s)
		if errors.Is(err, os.ErrProcessDone) {
			return nil
		}
		return err
	}
	return terminate(ctx, c.cmd.Process.Pid, signal, c.hasEnded)
}

// stop stops the server that the pid file names, and waits until it has ended. If this server does not run, stop does nothing.
func (d *serverDir) stop(ctx context.Context) error {
	pm, err := d.readPostmaster(ctx)
	if err != nil || !pm.runs {
		return err
	}
	signal := func(s syscall.Signal) error {
		err := syscall.Kill(pm.pid, s)
		if errors.Is(err, syscall.ESRCH) { // the process has ended already
			return nil
		}
		return err
	}
	hasEnded := func() bool { return !servesData(ctx, pm.pid, pm.data) }
	if err := terminate(ctx, pm.pid, signal, hasEnded); err != nil {
		return d.op.transientError(domain.CodePrivateDatabaseBusy, err, "stop it by hand if it is still there")
	}
	return nil
}

// terminate makes a server shut down and waits until it has ended. It first sends SIGINT. If the server does not end in time, it
// sends SIGQUIT. It never sends SIGKILL, because the child processes of a server that was killed continue to run.
func terminate(ctx context.Context, pid int, signal func(syscall.Signal) error, hasEnded func() bool) error {
	for _, step := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{
		{signal: syscall.SIGINT, timeout: fastShutdownTimeout},
		{signal: syscall.SIGQUIT, timeout: immediateShutdownTimeout},
	} {
		if err := signal(step.signal); err != nil {
			return fmt.Errorf("stop the server, process %d: %w", pid, err)
		}
		if poll(ctx, step.timeout, hasEnded) {
			return nil
		}
	}
	return fmt.Errorf("the server, process %d, does not stop", pid)
}

// poll calls condition until it returns true. It returns false after timeout or when ctx ends.
func poll(ctx context.Context, timeout time.Duration, condition func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// findFreePort returns preferred if this port is free, and any free port otherwise. If preferred is 0, no port is preferred. The
// port does not stay reserved, so another program may take it at any time.
func findFreePort(ctx context.Context, preferred int) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", loopbackAddress(preferred))
	if err != nil && preferred != 0 {
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", loopbackAddress(0))
	}
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

func isPortFree(ctx context.Context, port int) bool {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", loopbackAddress(port))
	return err == nil && l.Close() == nil
}

func loopbackAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
