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

// TestOpen_StalePidFile checks that Open succeeds if a crash has left a pid file whose process id and port are in use again. The
// process id belongs to another process of the same account. PostgreSQL would refuse to start because of this process. The port
// belongs to another program.
func TestOpen_StalePidFile(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	first := c.mustOpen(t, dir)
	d := first.dir
	pidFile := filepath.Join(d.data(), "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, first)
	foreign := exec.CommandContext(t.Context(), "sleep", "600") // seconds; longer than the test
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
	takenPort := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	// PostgreSQL writes the process id to the first line of the file and the port to the fourth.
	lines := strings.Split(string(text), "\n")
	lines[0] = strconv.Itoa(foreign.Process.Pid)
	lines[3] = takenPort
	if err := os.WriteFile(pidFile, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if d.account != nil {
		if err := os.Chown(pidFile, int(d.account.Uid), int(d.account.Gid)); err != nil {
			t.Fatal(err)
		}
	}

	second := c.mustOpen(t, dir)
	if !isAlive(t.Context(), second.URL()) || strings.Contains(second.URL(), ":"+takenPort+"/") {
		t.Errorf("got URL %s, want the URL of a running server with a port other than %s", second.URL(), takenPort)
	}
	if err := foreign.Process.Signal(syscall.Signal(0)); err != nil { // signal 0 only checks that the process exists
		t.Errorf("signal to the foreign process: got error %v, want the process to run still", err)
	}
}

// TestOpen_CopyOfFolderInUse checks that Open starts another server for a copy of a folder while the server of the original runs.
// The copied pid file names the server of the original, and this server accepts the copied password.
func TestOpen_CopyOfFolderInUse(t *testing.T) {
	c, parent := testConfig(t), makePublicTempDir(t)
	originalDir, copyDir := filepath.Join(parent, "original"), filepath.Join(parent, "copy")
	originalServer := c.mustOpen(t, originalDir)
	mustQuery(t, originalServer.URL(), "CREATE TABLE t ()")
	mustQuery(t, originalServer.URL(), "CHECKPOINT") // writes the table to the files
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", originalDir, copyDir).CombinedOutput(); err != nil {
		t.Fatalf("cp: got %v, %s, want no error", err, out)
	}

	copyServer := c.mustOpen(t, copyDir)
	if copyServer.URL() == originalServer.URL() {
		t.Fatalf("got URL %s for the copy, want a URL other than that of the original", copyServer.URL())
	}
	mustClose(t, copyServer)
	if !isAlive(t.Context(), originalServer.URL()) {
		t.Error("the server of the original has stopped when the server of the copy was closed")
	}
}

// TestConnectAndVerify_ForeignServer checks that connectAndVerify refuses the server of another folder. It also checks that
// connectAndVerify sends no password to a server that asks for the password in clear text.
func TestConnectAndVerify_ForeignServer(t *testing.T) {
	c := testConfig(t)
	own, other := c.mustOpen(t, makePublicTempDir(t)), c.mustOpen(t, makePublicTempDir(t))
	pm, err := other.dir.readPostmaster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.dir.connectAndVerify(t.Context(), pm); err == nil || !isPermanent(err) {
		t.Errorf("another folder's server: got %v, want a permanent error", err)
	}

	passwords := make(chan string, 1)
	pm.port = startCleartextServer(t, passwords)
	if _, err := own.dir.connectAndVerify(t.Context(), pm); err == nil {
		t.Error("a server that asks for the password in clear text: got no error, want an error")
	}
	if password := <-passwords; password != "" {
		t.Errorf("the foreign server got password %q, want none", password)
	}
}

// startCleartextServer starts a server that asks its first client for the password in clear text. The server sends the password to
// passwords, or "" if the client sends none.
func startCleartextServer(t *testing.T, passwords chan<- string) (port int) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer listener.Close() //nolint:errcheck // the test does not depend on it
		conn, err := listener.Accept()
		if err != nil {
			passwords <- ""
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
			passwords <- answer.Password
		} else {
			passwords <- ""
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}
