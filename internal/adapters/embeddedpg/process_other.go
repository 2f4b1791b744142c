//go:build unix && !linux

package embeddedpg

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const psTimeout = 5 * time.Second

// servesData reports whether the process is a server that was started with this data folder. It reads the process's arguments.
func servesData(ctx context.Context, pid int, data string) bool {
	ctx, cancel := context.WithTimeout(ctx, psTimeout)
	defer cancel()
	line, err := exec.CommandContext(ctx, "/bin/ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(line), " "+dataFlag+" "+data+" ")
}
