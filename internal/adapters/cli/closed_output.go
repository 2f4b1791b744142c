package cli

import (
	"errors"
	"io"
	"sync"
	"syscall"

	"github.com/pawldata/pawl/internal/domain"
)

// errOutputClosed is the reason of a stop because nobody reads pawl's output any more.
var errOutputClosed = errors.New("nobody reads its output any more")

// An outputState knows whether somebody reads pawl's output.
type outputState struct {
	once    sync.Once
	channel chan struct{}
}

// newOutputState returns the state of an output that somebody reads.
func newOutputState() outputState { return outputState{channel: make(chan struct{})} }

// closed returns a channel that is closed when the first write has failed because nobody reads the output any more.
func (o *outputState) closed() <-chan struct{} { return o.channel }

// isClosed reports whether a write has failed because nobody reads the output any more.
func (o *outputState) isClosed() bool {
	select {
	case <-o.channel:
		return true
	default:
		return false
	}
}

// watchOutput returns a writer that writes to next, and that tells state when nobody reads next any more: the other end of a pipe is closed,
// as in `pawl status | head -1`.
func watchOutput(next io.Writer, state *outputState) io.Writer {
	return watchedOutput{next: next, state: state}
}

type watchedOutput struct {
	next  io.Writer
	state *outputState
}

// Write implements io.Writer.
func (w watchedOutput) Write(p []byte) (int, error) {
	n, err := w.next.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		w.state.once.Do(func() { close(w.state.channel) })
	}
	return n, err
}

// SyscallConn implements syscall.Conn, so that pawl recognises a terminal. It returns an error if the writer below has no file descriptor.
func (w watchedOutput) SyscallConn() (syscall.RawConn, error) {
	if file, ok := w.next.(syscall.Conn); ok {
		return file.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// withClosedOutput returns err. If err is a consequence of an output that nobody reads any more, it returns a Stopped error instead. It also
// reports whether only the output is missing: whoever closed it, for example with `| head -1`, wanted no more.
func (s *session) withClosedOutput(err error) (isSilent bool, result error) {
	isSilent = domain.CodeOf(err) == domain.CodeOutputFailed
	isStopped := domain.KindOf(err) == domain.Stopped && domain.CodeOf(err) == domain.CodeStopped
	if err == nil || !s.output.isClosed() || !isSilent && !isStopped {
		return false, err
	}
	return isSilent, &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "stopped", Err: errOutputClosed}
}
