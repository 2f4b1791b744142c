package embeddedpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
)

const startAttempts = 5

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

// start starts the server once nothing is left of the one before, and again if the port was taken in between.
func (h *home) start(ctx context.Context, bin string) (running, error) {
	if err := h.newLog(); err != nil {
		return running{}, h.op.invalid(fmt.Errorf("begin the server's log: %w", err), hintWritable)
	}
	for attempt := 1; ; attempt++ {
		child, err := h.launch(ctx, bin)
		if err != nil {
			return running{}, h.op.unless(ctx, err, "the server's log is "+h.logPath())
		}
		up, there, err := h.await(ctx, child)
		if err != nil && !leftAlone(err) {
			_ = child.stop(context.WithoutCancel(ctx)) // it would only hide what went wrong before
		}
		if there || err != nil {
			return up, err
		}
		if err := h.verdict(ctx, child); err != nil || attempt == startAttempts {
			return running{}, h.op.unless(ctx, cmp.Or(err, errGone), "the server's log is "+h.logPath())
		}
	}
}

var errGone = errors.New("the server ended again and again while it started")

// verdict is why the launched server ended, nil if trying again may help.
func (h *home) verdict(ctx context.Context, child *launched) error {
	if child == nil || !portIsFree(ctx, child.port) {
		return nil
	}
	return failed("postgres", child.err, h.logTail())
}
