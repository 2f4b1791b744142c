package embeddedpg

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
)

// servesData reports whether the process is a server that was told to use this data folder. Everybody may read a
// process's arguments, unlike its working folder, and a process that has ended has none.
func servesData(_ context.Context, pid int, data string) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline") //nolint:gosec // a number is no way out
	if err != nil {
		return false
	}
	args := strings.Split(string(line), "\x00")
	i := slices.Index(args, dataFlag)
	return i > 0 && i+1 < len(args) && args[i+1] == data
}
