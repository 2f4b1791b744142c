package embeddedpg

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	logFile    = "log"
	oldLogFile = "log.old"

	maxLog = 8 << 20 // bytes, after which a user who attaches begins it anew
)

// newLog begins the log of a start and keeps the one before.
func (h *home) newLog() error {
	if err := h.root.Rename(logFile, oldLogFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := h.root.OpenFile(logFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(h.give(logFile), file.Close())
}

func (h *home) appendLog() (*os.File, error) {
	return h.root.OpenFile(logFile, os.O_WRONLY|os.O_APPEND, 0)
}

func (h *home) logPath() string { return filepath.Join(h.dir, logFile) }

// boundLog keeps a server that runs for months from filling the disk. It appends, so it goes on at the new end.
func (h *home) boundLog() {
	info, err := h.root.Lstat(logFile)
	if err != nil || info.Size() <= maxLog {
		return
	}
	if file, err := h.root.OpenFile(logFile, os.O_WRONLY, 0); err == nil {
		_ = file.Truncate(0) // a long log is only untidy
		_ = file.Close()
	}
}

func (h *home) logTail() []byte {
	file, err := h.root.Open(logFile)
	if err != nil {
		return nil
	}
	defer file.Close()                                   //nolint:errcheck // it is only read
	_, _ = file.Seek(-min(4096, size(file)), io.SeekEnd) // else it is read from the beginning
	text, _ := io.ReadAll(io.LimitReader(file, 4096))
	return text
}

func size(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}
