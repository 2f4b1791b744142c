package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	dataFlag = "-D"
	ready    = "ready"
)

// A postmaster is what the server's own pid file says, which it writes when it starts and removes when it has stopped.
type postmaster struct {
	pid    int // 0: there is no file
	data   string
	port   int
	status string // starting, ready, stopping, …
	runs   bool   // the process is there and serves this data; if not, a crash left the file
}

func (h *home) postmaster(ctx context.Context) (postmaster, error) {
	text, err := h.root.ReadFile(filepath.Join(dataFolder, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return postmaster{}, nil
	}
	if err != nil {
		return postmaster{}, h.op.invalid(fmt.Errorf("look for a running server: %w", err), "")
	}
	pm := parsePostmaster(string(text))
	pm.runs = pm.pid > 0 && sameFolder(pm.data, h.data()) && servesData(ctx, pm.pid, pm.data)
	return pm, nil
}

// parsePostmaster takes what is there: the file grows while the server starts.
func parsePostmaster(text string) postmaster {
	lines := strings.Split(text, "\n")
	line := func(n int) string {
		if n > len(lines) {
			return ""
		}
		return strings.TrimSpace(lines[n-1])
	}
	var pm postmaster
	if pid, err := strconv.Atoi(line(1)); err == nil && pid > 1 { // standalone servers write theirs as a negative number
		pm.pid = pid
	}
	pm.port, _ = strconv.Atoi(line(4)) // 0 until it is known
	if len(lines) > 1 {
		pm.data = lines[1]
	}
	pm.status = line(8)
	return pm
}

// sameFolder tells a folder's other names from a copy of the folder, whose pid file names the original's server.
func sameFolder(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b) //nolint:gosec // the user names the folder
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// binOf is the folder of the programs that the server was last started from: the server keeps its own command line.
func (h *home) binOf() (string, error) {
	text, err := h.root.ReadFile(filepath.Join(dataFolder, "postmaster.opts"))
	if err != nil {
		return "", h.op.invalid(fmt.Errorf("look for the server's programs: %w", err), "")
	}
	program, _, _ := strings.Cut(string(text), ` "`)
	return filepath.Dir(program), nil
}
