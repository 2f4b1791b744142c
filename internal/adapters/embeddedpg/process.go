package embeddedpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

const (
	startAttempts = 5

	fastTimeout      = 30 * time.Second // for SIGINT: the server writes its buffers to disk
	immediateTimeout = 10 * time.Second // for SIGQUIT: the server recovers at the next start
	pollInterval     = 20 * time.Millisecond
)

var errKeepsEnding = errors.New("the server ended again and again while it started")

// start starts the server and waits until it is ready. It first waits until no process of an earlier server is left. It
// tries again if another program has taken the port meanwhile.
func (d *serverDir) start(ctx context.Context, bin string) (serverInfo, error) {
	if err := d.rotateLog(); err != nil {
		return serverInfo{}, d.op.invalid(fmt.Errorf("begin the server's log: %w", err), hintWritable)
	}
	for attempt := 1; ; attempt++ {
		child, err := d.launch(ctx, bin)
		if err != nil {
			return serverInfo{}, d.op.wrap(ctx, err, "the server's log is "+d.logPath())
		}
		info, found, err := d.waitReady(ctx, child)
		if err != nil && !mayBecomeReady(err) {
			_ = child.stop(context.WithoutCancel(ctx)) // err explains more than a second error
		}
		if found || err != nil {
			return info, err
		}
		if err := d.startError(ctx, child); err != nil || attempt == startAttempts {
			return serverInfo{}, d.op.wrap(ctx, cmp.Or(err, errKeepsEnding), "the server's log is "+d.logPath())
		}
	}
}

// startError returns why a launched server ended, nil if another attempt may succeed.
func (d *serverDir) startError(ctx context.Context, child *childServer) error {
	if child == nil || !isPortFree(ctx, child.port) {
		return nil
	}
	return programError("postgres", child.err, d.readLogTail())
}

// A childServer is a server that this process has launched. It outlives this process if others use it.
type childServer struct {
	cmd    *exec.Cmd
	port   int
	exited chan struct{}
	err    error // valid once exited is closed
}

// launch starts a server that holds server.lock. It returns nil and starts none if a server already runs. It prefers the
// port of the server before, as other processes may still try to connect to it.
func (d *serverDir) launch(ctx context.Context, bin string) (*childServer, error) {
	lock, err := d.lockServer(ctx, serverLockTimeout)
	if errors.Is(err, errServerRuns) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close() //nolint:errcheck // the server has inherited the open file
	stale, err := d.readPostmaster(ctx)
	if err != nil || stale.runs { // it may have been started by hand, without the lock
		return nil, err
	}
	port, err := findFreePort(ctx, stale.port)
	if err != nil {
		return nil, err
	}
	log, err := d.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // as above
	args := append([]string{dataFlag, d.data()}, serverSettings(port)...)
	cmd := d.command(context.WithoutCancel(ctx), bin, "postgres", args...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{lock}
	if stale.pid != 0 {
		// A crash has left a pid file, and another process may have its number by now. postgres would take that process for
		// a server and refuse to start. With this variable, which pg_ctl sets for its own parent, it ignores that process.
		// It still does its other checks, and it replaces the file itself.
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(stale.pid))
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	child := &childServer{cmd: cmd, port: port, exited: make(chan struct{})}
	go func() { // ends with the server or with this process
		child.err = cmd.Wait()
		close(child.exited)
	}()
	return child, nil
}

// serverSettings returns the arguments for a small server with one client program. None of them makes a commit less
// durable.
func serverSettings(port int) []string {
	var args []string
	for _, setting := range []string{
		"port=" + strconv.Itoa(port),
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=", // a socket's path could be too long for the system
		"max_connections=50",
		"jit=off",
		"logging_collector=off",
		"log_checkpoints=off",
		"log_min_error_statement=panic", // statements contain the users' data
	} {
		args = append(args, "-c", setting)
	}
	return args
}

// hasEnded reports whether the server has ended. It returns true for a nil *childServer.
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

// stop ends the server, also one that has not yet written its pid file. A nil *childServer has nothing to stop.
func (c *childServer) stop(ctx context.Context) error {
	if c.hasEnded() {
		return nil
	}
	signal := func(s syscall.Signal) error {
		if err := c.cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	}
	return terminate(ctx, c.cmd.Process.Pid, signal, c.hasEnded)
}

// stop stops the server that the pid file names, if it runs, and waits until it has ended.
func (d *serverDir) stop(ctx context.Context) error {
	pm, err := d.readPostmaster(ctx)
	if err != nil || !pm.runs {
		return err
	}
	signal := func(s syscall.Signal) error {
		if err := syscall.Kill(pm.pid, s); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return nil
	}
	hasEnded := func() bool { return !servesData(ctx, pm.pid, pm.data) }
	if err := terminate(ctx, pm.pid, signal, hasEnded); err != nil {
		return d.op.transient(err, "stop it by hand if it is still there")
	}
	return nil
}

// terminate asks a server to shut down, and after a timeout to shut down at once. It never kills a server: the server's
// child processes would survive.
func terminate(ctx context.Context, pid int, signal func(syscall.Signal) error, hasEnded func() bool) error {
	for _, step := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{{syscall.SIGINT, fastTimeout}, {syscall.SIGQUIT, immediateTimeout}} {
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

// findFreePort returns preferred if that port is free, else any free port. Another program may take it afterwards.
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
