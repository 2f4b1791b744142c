package embeddedpg

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestServerProcess_NoSecrets checks that the arguments and the environment of the server's process contain no secrets. The server
// may run as another account than pawl, and that account could read the secrets.
func TestServerProcess_NoSecrets(t *testing.T) {
	const apiKey = "hunter2"
	t.Setenv("API_KEY", apiKey)
	srv := testConfig(t).mustOpen(t, makePublicTempDir(t))
	password, err := srv.dir.readPassword()
	if err != nil {
		t.Fatal(err)
	}
	pm, err := srv.dir.readPostmaster(t.Context())
	if err != nil || !pm.runs {
		t.Fatalf("got server %+v, %v, want one that runs", pm, err)
	}
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pm.pid) + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), password) || strings.Contains(string(text), apiKey) {
			t.Errorf("got %s %q, want neither the password nor the API key in it", file, text)
		}
	}
}
