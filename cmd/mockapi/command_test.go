package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestACommandFindsTheMockInItsEnvironment(t *testing.T) {
	const script = `echo "$API_BASE_URL"; echo "$API_KEY"; echo "$MOCKAPI_ADMIN_URL"; echo oops >&2`
	code, stdout, stderr := do(t, "--api-key", "k 1", "--", "sh", "-c", script)
	want := regexp.MustCompile(`^http://127\.0\.0\.1:(\d+)/api/v1\nk 1\nhttp://127\.0\.0\.1:(\d+)/_mock\n$`)
	ports := want.FindStringSubmatch(stdout)
	if code != 0 || ports == nil || ports[1] != ports[2] {
		t.Errorf("%d, stdout %q", code, stdout)
	}
	if !strings.Contains(stderr, "oops\n") || !strings.Contains(stderr, "http://127.0.0.1:"+ports[1]+"/api/v1") {
		t.Errorf("stderr %q", stderr)
	}
}

// A command with a key of its own, by one of the other ways to give it one, would be turned away.
func TestACommandHasNoOtherKey(t *testing.T) {
	env := []string{"PATH=" + os.Getenv("PATH"), "API_KEY=own", "API_KEY_FILE=/own", "TARGET_API_KEY=own", "API_KEY_NAME=kept"}
	var out bytes.Buffer
	code := realMain(t.Context(), []string{"--", "sh", "-c", "env | grep API_KEY | sort"}, env, &out, io.Discard)
	if want := "API_KEY=demo-key\nAPI_KEY_NAME=kept\n"; code != 0 || out.String() != want {
		t.Errorf("%d, %q, want %q", code, out.String(), want)
	}
}

// What listens everywhere is reached on the loopback.
func TestACommandCanReachAnyAddress(t *testing.T) {
	for address, host := range map[string]string{"0.0.0.0:0": "127.0.0.1", ":0": "127.0.0.1", "127.0.0.2:0": "127.0.0.2"} {
		_, stdout, stderr := do(t, "--listen", address, "--", "sh", "-c", `echo "$API_BASE_URL"`)
		if !strings.HasPrefix(stdout, "http://"+host+":") {
			t.Errorf("%s: %q, %s", address, stdout, stderr)
		}
	}
}

// Only who asked for an address that is taken is asked what may have taken it.
func TestAnAddressThatIsTaken(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for address, hint := range map[string]bool{taken.Addr().String(): true, "127.0.0.1:99999": false, "nonsense": false} {
		code, _, stderr := do(t, "--listen", address)
		if code != 2 || !strings.HasPrefix(stderr, "mockapi: --listen: ") || strings.Contains(stderr, "another one") != hint {
			t.Errorf("%s: %d, %q", address, code, stderr)
		}
	}
}
