package embeddedpg

import (
	"os"
	"strconv"
	"testing"
)

// serverProcesses is what everybody, and what the account, can read of the server's process.
func serverProcesses(t *testing.T, pid int) []string {
	t.Helper()
	var texts []string
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}
