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

	maxLog  = 8 * megabyte // truncateLongLog empties a longer log
	maxTail = 4096         // the greatest number of bytes that readLogTail returns
)

// rotateLog renames the log of the previous start to log.old and creates an empty log.
func (d *serverDir) rotateLog() error {
	if err := d.root.Rename(logFile, oldLogFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := d.root.OpenFile(logFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(d.chown(logFile), file.Close())
}

// openLog opens the log of rotateLog for the output of a server.
func (d *serverDir) openLog() (*os.File, error) {
	return d.root.OpenFile(logFile, os.O_WRONLY|os.O_APPEND, 0)
}

func (d *serverDir) logPath() string { return filepath.Join(d.path, logFile) }

// truncateLongLog empties the log if it is longer than maxLog, so that a server that runs for months does not fill the disk. The
// server has opened the log for appending, so it continues to write at the beginning of the emptied file.
func (d *serverDir) truncateLongLog() {
	info, err := d.root.Lstat(logFile)
	if err != nil || info.Size() <= maxLog {
		return
	}
	if file, err := d.root.OpenFile(logFile, os.O_WRONLY, 0); err == nil {
		_ = file.Truncate(0) // if this fails, the log only stays long
		_ = file.Close()
	}
}

// readLogTail returns the end of the log, or nil if the log cannot be read. It may be called after d.close.
func (d *serverDir) readLogTail() []byte {
	file, err := os.Open(d.logPath()) //nolint:gosec // the user names the folder
	if err != nil {
		return nil
	}
	defer file.Close() //nolint:errcheck // the file is only read
	tailSize := min(maxTail, fileSize(file))
	_, _ = file.Seek(-tailSize, io.SeekEnd) // if Seek fails, the beginning of the log is read
	tail, _ := io.ReadAll(io.LimitReader(file, maxTail))
	return tail
}

// fileSize returns the size of a file in bytes, or 0 if it is unknown.
func fileSize(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}
