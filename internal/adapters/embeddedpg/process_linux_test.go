package embeddedpg

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// The server outlives us, under an account that may be another's.
func TestServersProcessKnowsNoSecret(t *testing.T) {
	t.Setenv("API_KEY", "hunter2")
	srv := testSetup(t).mustOpen(t, passable(t))
	password, err := srv.home.password()
	if err != nil {
		t.Fatal(err)
	}
	pm, err := srv.home.postmaster(t.Context())
	if err != nil || !pm.runs {
		t.Fatalf("%+v, %v", pm, err)
	}
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pm.pid) + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), password) || strings.Contains(string(text), "hunter2") {
			t.Errorf("%s: %q", file, text)
		}
	}
}
