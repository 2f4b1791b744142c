package embeddedpg

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// A launched server is a child of this process, which it outlives if others use it.
type launched struct {
	cmd    *exec.Cmd
	port   int
	exited chan struct{}
	err    error // valid once exited is closed
}

// launch starts a server and gives it the lease. It starts none, and returns nil, if one turns out to run. It prefers
// the port of the one before, to which others may still try to connect.
func (h *home) launch(ctx context.Context, bin string) (*launched, error) {
	lease, err := h.lease(ctx, leasePatience)
	if errors.Is(err, errServed) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer lease.Close() //nolint:errcheck // the server has its own
	stale, err := h.postmaster(ctx)
	if err != nil || stale.runs { // it may have been started by hand, without a lease
		return nil, err
	}
	port, err := freePort(ctx, stale.port)
	if err != nil {
		return nil, err
	}
	log, err := h.appendLog()
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the server has its own
	args := append([]string{dataFlag, h.data()}, settings(port)...)
	cmd := h.command(context.WithoutCancel(ctx), bin, "postgres", args...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{lease}
	if stale.pid != 0 {
		// Another process may have the number that a crash left in the pid file. This is how pg_ctl tells postgres of a
		// process that is no server; postgres then goes on to its other checks, and it is the one to replace the file.
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(stale.pid))
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	l := &launched{cmd: cmd, port: port, exited: make(chan struct{})}
	go func() { // ends with the server or with this process
		l.err = cmd.Wait()
		close(l.exited)
	}()
	return l, nil
}

// ended is true for no server, too.
func (l *launched) ended() bool {
	if l == nil {
		return true
	}
	select {
	case <-l.exited:
		return true
	default:
		return false
	}
}

// stop ends a server that may not have got as far as writing its pid file.
func (l *launched) stop(ctx context.Context) error {
	if l.ended() {
		return nil
	}
	signal := func(s syscall.Signal) error {
		if err := l.cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	}
	return terminate(ctx, l.cmd.Process.Pid, signal, l.ended)
}

// freePort is one that was free a moment ago: the wanted one, or any.
func freePort(ctx context.Context, wanted int) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(wanted))
	if err != nil && wanted != 0 {
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", loopback(0))
	}
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

func portIsFree(ctx context.Context, port int) bool {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(port))
	return err == nil && l.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
