package embeddedpg

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
)

// servesData reports whether the process with this pid is a server that was started with this data folder. It reads the arguments
// of the process, because every account may read them. A process that has ended has no arguments, so servesData returns false.
func servesData(_ context.Context, pid int, data string) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline") //nolint:gosec // a number cannot leave /proc
	if err != nil {
		return false
	}
	args := strings.Split(string(line), "\x00")
	i := slices.Index(args, dataFlag)
	return i > 0 && i+1 < len(args) && args[i+1] == data
}
