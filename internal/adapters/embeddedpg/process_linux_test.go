package embeddedpg

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestServerProcess_NoSecrets: the server outlives this process and may run as another account.
func TestServerProcess_NoSecrets(t *testing.T) {
	t.Setenv("API_KEY", "hunter2")
	srv := testConfig(t).mustOpen(t, makePublicTempDir(t))
	password, err := srv.dir.readPassword()
	if err != nil {
		t.Fatal(err)
	}
	pm, err := srv.dir.readPostmaster(t.Context())
	if err != nil || !pm.runs {
		t.Fatalf("%+v, %v", pm, err)
	}
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pm.pid) + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), password) || strings.Contains(string(text), "hunter2") {
			t.Errorf("%s contains a secret: %q", file, text)
		}
	}
}
