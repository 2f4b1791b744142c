//go:build unix && !linux

package embeddedpg

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const psTimeout = 5 * time.Second // of the program ps

// servesData reports whether the process with this pid is a server that was started with this data folder. It reads the arguments
// of the process.
func servesData(ctx context.Context, pid int, data string) bool {
	ctx, cancel := context.WithTimeout(ctx, psTimeout)
	defer cancel()
	line, err := exec.CommandContext(ctx, "/bin/ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(line), " "+dataFlag+" "+data+" ")
}
