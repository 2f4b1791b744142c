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

// A crash leaves a pid file, and by the next start its number may be another process's of the same account: PostgreSQL
// by itself would refuse to start then. Its port may be another server's too.
func TestStalePidFile(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	first := o.mustOpen(t, dir)
	h := first.home
	file := filepath.Join(h.data(), "postmaster.pid")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, first)
	foreign := exec.CommandContext(t.Context(), "sleep", "600")
	foreign.SysProcAttr = &syscall.SysProcAttr{Credential: h.account}
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
	defer listener.Close() //nolint:errcheck // nobody is told
	lines := strings.Split(string(text), "\n")
	lines[0] = strconv.Itoa(foreign.Process.Pid)
	lines[3] = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if h.account != nil {
		if err := os.Chown(file, int(h.account.Uid), int(h.account.Gid)); err != nil {
			t.Fatal(err)
		}
	}

	second := o.mustOpen(t, dir)
	if !answers(t.Context(), second.URL()) || strings.Contains(second.URL(), ":"+lines[3]+"/") {
		t.Errorf("attached to %s", second.URL())
	}
	if err := foreign.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the foreign process: %v", err)
	}
}

// A copy of a folder in use comes with a pid file that names the original's server, and with its password.
func TestCopyOfAFolderInUseHasAServerOfItsOwn(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	original, theCopy := filepath.Join(dir, "original"), filepath.Join(dir, "copy")
	first := o.mustOpen(t, original)
	mustQuery(t, first.URL(), "CREATE TABLE t ()")
	mustQuery(t, first.URL(), "CHECKPOINT")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", original, theCopy).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	second := o.mustOpen(t, theCopy)
	if second.URL() == first.URL() {
		t.Fatalf("both are %s", first.URL())
	}
	mustClose(t, second)
	if !answers(t.Context(), first.URL()) {
		t.Error("closing the copy stopped the original")
	}
}

func TestForeignServerOnThePort(t *testing.T) {
	o := testSetup(t)
	mine, other := o.mustOpen(t, passable(t)), o.mustOpen(t, passable(t))
	pm, err := other.home.postmaster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.home.meet(t.Context(), pm); err == nil || !pointless(err) {
		t.Errorf("another folder's server was taken for ours: %v", err)
	}

	got := make(chan string, 1)
	pm.port = cleartextServer(t, got)
	if _, err := mine.home.meet(t.Context(), pm); err == nil {
		t.Error("something that asks for the password was taken for ours")
	}
	if answer := <-got; answer != "" {
		t.Errorf("it was told %q", answer)
	}
}

// cleartextServer asks the first that connects for his password, and reports it.
func cleartextServer(t *testing.T, got chan<- string) (port int) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer listener.Close() //nolint:errcheck // nobody is told
		conn, err := listener.Accept()
		if err != nil {
			got <- ""
			return
		}
		defer conn.Close() //nolint:errcheck // nobody is told
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
