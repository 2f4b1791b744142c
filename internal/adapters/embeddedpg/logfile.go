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

	maxLog = 8 << 20 // bytes; a longer log is emptied when a process attaches
)

// rotateLog renames the log of the last start to log.old and makes an empty one.
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

func (d *serverDir) openLog() (*os.File, error) {
	return d.root.OpenFile(logFile, os.O_WRONLY|os.O_APPEND, 0)
}

func (d *serverDir) logPath() string { return filepath.Join(d.path, logFile) }

// truncateLongLog empties a long log, so that a server that runs for months does not fill the disk. The server opened the
// log for appending, so it goes on writing at the new end.
func (d *serverDir) truncateLongLog() {
	info, err := d.root.Lstat(logFile)
	if err != nil || info.Size() <= maxLog {
		return
	}
	if file, err := d.root.OpenFile(logFile, os.O_WRONLY, 0); err == nil {
		_ = file.Truncate(0) // a long log does no other harm
		_ = file.Close()
	}
}

func (d *serverDir) readLogTail() []byte {
	file, err := d.root.Open(logFile)
	if err != nil {
		return nil
	}
	defer file.Close()                                       //nolint:errcheck // it is only read
	_, _ = file.Seek(-min(4096, fileSize(file)), io.SeekEnd) // if this fails, it reads from the beginning
	text, _ := io.ReadAll(io.LimitReader(file, 4096))
	return text
}

func fileSize(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}
