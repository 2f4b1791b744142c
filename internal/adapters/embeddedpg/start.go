package embeddedpg

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"time"
)

const (
	startAttempts = 40 // at retryInterval: what a crash left needs some seconds to go
	retryInterval = 250 * time.Millisecond
)

// settings are those of a small server for one program. Nothing here makes a commit less durable.
func settings(port int) []string {
	var args []string
	for _, setting := range []string{
		"port=" + strconv.Itoa(port),
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=", // a socket's path could be too long for the system
		"max_connections=50",
		"jit=off",
		"logging_collector=off",
		"log_checkpoints=off",
		"log_min_error_statement=panic", // statements hold the users' data
	} {
		args = append(args, "-c", setting)
	}
	return args
}

// start starts the server, again if its port was taken in between, or as long as something that a crash left may be in
// its way: the processes of a killed server take a moment to notice.
func (h *home) start(ctx context.Context, bin string) (running, error) {
	if err := h.newLog(); err != nil {
		return running{}, h.op.invalid(fmt.Errorf("begin the server's log: %w", err), hintWritable)
	}
	for attempt := 1; ; attempt++ {
		stale, err := h.postmaster(ctx)
		if err != nil {
			return running{}, err
		}
		child, err := h.launch(ctx, bin, stale)
		if err != nil {
			return running{}, h.op.unless(ctx, fmt.Errorf("start PostgreSQL: %w", err), "")
		}
		up, there, err := h.await(ctx, child)
		if there || err != nil {
			if err != nil && !leftAlone(err) {
				_ = child.stop(context.WithoutCancel(ctx)) // it would only hide what went wrong before
			}
			return up, err
		}
		if attempt == startAttempts || (stale.pid == 0 && portIsFree(ctx, child.port)) {
			return running{}, h.op.unless(ctx, failed("postgres", child.err, h.logTail()), "the server's log is "+h.logPath())
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return running{}, h.op.ended(ctx)
		}
	}
}

// A launched server is a child of this process, which it outlives if others use it.
type launched struct {
	cmd    *exec.Cmd
	port   int
	exited chan struct{}
	err    error // valid once exited is closed
}

// launch prefers the port of the server before, to which others may still try to connect.
func (h *home) launch(ctx context.Context, bin string, stale postmaster) (*launched, error) {
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
	cmd.Stdout, cmd.Stderr = log, log
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

func (l *launched) ended() bool {
	select {
	case <-l.exited:
		return true
	default:
		return false
	}
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
