package embeddedpg

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestOpen_StalePidFile: a crash leaves a pid file. By the next start its number may belong to another process of the same
// account, and PostgreSQL by itself would then refuse to start. Another server may have its port, too.
func TestOpen_StalePidFile(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	first := c.mustOpen(t, dir)
	d := first.dir
	file := filepath.Join(d.data(), "postmaster.pid")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, first)
	foreign := exec.CommandContext(t.Context(), "sleep", "600")
	foreign.SysProcAttr = &syscall.SysProcAttr{Credential: d.account}
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = foreign.Process.Kill()
		_ = foreign.Wait()
	}()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the test does not depend on it
	lines := strings.Split(string(text), "\n")
	lines[0] = strconv.Itoa(foreign.Process.Pid)
	lines[3] = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if d.account != nil {
		if err := os.Chown(file, int(d.account.Uid), int(d.account.Gid)); err != nil {
			t.Fatal(err)
		}
	}

	second := c.mustOpen(t, dir)
	if !isAlive(t.Context(), second.URL()) || strings.Contains(second.URL(), ":"+lines[3]+"/") {
		t.Errorf("got URL %s, want a running server on another port than %s", second.URL(), lines[3])
	}
	if err := foreign.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("signal the foreign process: %v", err)
	}
}

// TestOpen_CopyOfFolderInUse: a copy of a folder in use has a pid file that names the original's server, and its password.
// It must still get its own server.
func TestOpen_CopyOfFolderInUse(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	original, theCopy := filepath.Join(dir, "original"), filepath.Join(dir, "copy")
	first := c.mustOpen(t, original)
	mustQuery(t, first.URL(), "CREATE TABLE t ()")
	mustQuery(t, first.URL(), "CHECKPOINT")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", original, theCopy).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	second := c.mustOpen(t, theCopy)
	if second.URL() == first.URL() {
		t.Fatalf("got URL %s for the copy, want another server", second.URL())
	}
	mustClose(t, second)
	if !isAlive(t.Context(), first.URL()) {
		t.Error("closing the copy stopped the original")
	}
}

func TestConnectAndVerify_ForeignServer(t *testing.T) {
	c := testConfig(t)
	mine, other := c.mustOpen(t, makePublicTempDir(t)), c.mustOpen(t, makePublicTempDir(t))
	pm, err := other.dir.readPostmaster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.dir.connectAndVerify(t.Context(), pm); err == nil || !isPermanent(err) {
		t.Errorf("got %v for another folder's server, want a permanent error", err)
	}

	got := make(chan string, 1)
	pm.port = startCleartextServer(t, got)
	if _, err := mine.dir.connectAndVerify(t.Context(), pm); err == nil {
		t.Error("got no error for a server that asks for the password in clear text")
	}
	if answer := <-got; answer != "" {
		t.Errorf("the foreign server got %q, want nothing", answer)
	}
}

// startCleartextServer asks its first client for the password in clear text, and sends the answer to got.
func startCleartextServer(t *testing.T, got chan<- string) (port int) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer listener.Close() //nolint:errcheck // the test does not depend on it
		conn, err := listener.Accept()
		if err != nil {
			got <- ""
			return
		}
		defer conn.Close() //nolint:errcheck // the test does not depend on it
		backend := pgproto3.NewBackend(conn, conn)
		_, _ = backend.ReceiveStartupMessage()
		backend.Send(&pgproto3.AuthenticationCleartextPassword{})
		_ = backend.Flush()
		_ = backend.SetAuthType(pgproto3.AuthTypeCleartextPassword)
		message, _ := backend.Receive()
		if answer, ok := message.(*pgproto3.PasswordMessage); ok {
			got <- answer.Password
		} else {
			got <- ""
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}
