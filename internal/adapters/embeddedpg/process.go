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
)

const (
	startAttempts = 5

	fastTimeout      = 30 * time.Second      // after SIGINT, which makes the server write its buffers to disk
	immediateTimeout = 10 * time.Second      // after SIGQUIT, which makes the server recover at the next start
	pollInterval     = 20 * time.Millisecond // of poll and waitReady
)

// errKeepsEnding is the error of start after startAttempts attempts.
var errKeepsEnding = errors.New("the server ended again and again while it started")

// start starts the server and waits until it is ready. Before that, it waits until all processes of an earlier server have ended.
// If another program has taken the port meanwhile, start tries again.
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
			_ = child.stop(context.WithoutCancel(ctx)) // err is reported, since it explains the failure
		}
		if found || err != nil {
			return info, err
		}
		err = d.startError(ctx, child)
		if err == nil && attempt == startAttempts {
			err = errKeepsEnding
		}
		if err != nil {
			return serverInfo{}, d.op.wrap(ctx, err, "the server's log is "+d.logPath())
		}
	}
}

// startError returns the error of a launched server that has ended. It returns nil if another attempt may succeed: another program
// has the port, or child is nil because another server ran.
func (d *serverDir) startError(ctx context.Context, child *childServer) error {
	if child == nil || !isPortFree(ctx, child.port) {
		return nil
	}
	return programError("postgres", child.err, d.readLogTail())
}

// A childServer is a server that this process has launched. It continues after this process has ended, if others use it.
type childServer struct {
	cmd    *exec.Cmd
	port   int
	exited chan struct{}
	err    error // may be read after exited is closed
}

// launch starts a server that holds server.lock. If a server already runs, launch starts none and returns nil. The new server gets
// the port of the previous server if it is free, because other processes may still connect to that port.
func (d *serverDir) launch(ctx context.Context, bin string) (*childServer, error) {
	lock, err := d.lockServer(ctx, serverLockTimeout)
	if errors.Is(err, errServerRuns) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close() //nolint:errcheck // the server has its own handle of the open file
	stale, err := d.readPostmaster(ctx)
	if err != nil || stale.runs { // a user may have started this server by hand, without the lock
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
		// A crash has left a pid file, and meanwhile another process may have got the same pid. Then postgres would believe
		// that this process is a server, and would refuse to start. With this variable, postgres ignores this process. pg_ctl
		// sets the variable to the pid of its own parent. postgres still does its other checks and replaces the pid file.
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(stale.pid))
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

// serverSettings returns the arguments for a small server that one program uses. No setting makes a commit less durable.
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

// stop stops the server, also if the server has not written its pid file yet. For a nil *childServer it does nothing.
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

// stop stops the server that the pid file names, and waits until it has ended. It does nothing if this server does not run.
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

// terminate makes a server shut down and waits until it has ended. It first sends SIGINT, and SIGQUIT after a timeout. It never
// sends SIGKILL, because the server's child processes would survive that.
func terminate(ctx context.Context, pid int, signal func(syscall.Signal) error, hasEnded func() bool) error {
	for _, step := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{
		{signal: syscall.SIGINT, timeout: fastTimeout},
		{signal: syscall.SIGQUIT, timeout: immediateTimeout},
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

// findFreePort returns preferred if this port is free, and any free port otherwise. Another program may take the port before the
// caller uses it.
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
