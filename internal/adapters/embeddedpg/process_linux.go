package embeddedpg

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
)

// servesData reports whether the process with this pid is a server that was started with this data folder. It reads the arguments
// of the process, because every account may read them. A process that has ended has no arguments, so servesData returns false. Only
// the servesData of other systems needs a context.
func servesData(_ context.Context, pid int, data string) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline") //nolint:gosec // a number cannot leave /proc
	if err != nil {
		return false
	}
	args := strings.Split(string(line), "\x00")
	flag := slices.Index(args, dataFlag)
	isFlagWithValue := flag > 0 && flag+1 < len(args)
	return isFlagWithValue && args[flag+1] == data
}
