package embeddedpg

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestOpen_UnusableFolders(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	file := filepath.Join(dir, "file")
	writeForeignFile(t, file)
	occupied := filepath.Join(dir, "occupied")
	writeForeignFile(t, filepath.Join(occupied, serverDirName))
	incomplete := filepath.Join(dir, "incomplete")
	writeForeignFile(t, filepath.Join(incomplete, serverDirName, dataFolder, "base"))

	for name, tt := range map[string]struct{ dir, want string }{
		"none":                        {" ", "embedded:./"},
		"a file":                      {file, file},
		"below a file":                {file + "/data", file},
		"a line break":                {dir + "/a\nb", `a\nb`},
		"too long a path":             {dir + strings.Repeat("/aaaaaaaaaaaaaaa", 60), "bytes long"},
		"too long a name":             {dir + "/" + strings.Repeat("a", 300), "name too long"},
		"our folder's name is a file": {occupied, serverDirName},
		"half a database":             {incomplete, "no whole database"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := c.open(t.Context(), tt.dir, func(string) {})
			if err == nil {
				mustClose(t, srv)
			}
			checkInvalid(t, err, tt.want)
		})
	}
	for _, name := range []string{file, filepath.Join(occupied, serverDirName), filepath.Join(incomplete, serverDirName, dataFolder, "base")} {
		if text, err := os.ReadFile(name); err != nil || string(text) != "mine" {
			t.Errorf("%s: got %q, %v; want it unchanged", name, text, err)
		}
	}
}

func TestOpen_LeavesOtherFilesAlone(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	for _, name := range []string{"data/PG_VERSION", "log", stagingPrefix + "x/file", "password"} {
		writeForeignFile(t, filepath.Join(dir, name))
	}
	mustClose(t, c.mustOpen(t, dir))
	for _, name := range []string{"data/PG_VERSION", "log", stagingPrefix + "x/file", "password"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != "mine" {
			t.Errorf("%s: got %q, %v; want it unchanged", name, text, err)
		}
	}
}

func TestOpen_RootFallbackFolder(t *testing.T) {
	requireRoot(t)
	c := testConfig(t)
	c.fallbackRoot = filepath.Join(makePublicTempDir(t), "var", "pawl")
	closed := t.TempDir() // the testing package closes it to other accounts
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "data")

	for range 2 { // the second uses the folder of the first
		var lines transcript
		srv, err := c.open(t.Context(), dir, lines.report)
		if err != nil {
			t.Fatalf("%v\n%v", err, &lines)
		}
		mustQuery(t, srv.URL(), "CREATE TABLE IF NOT EXISTS kept ()")
		if !strings.HasPrefix(srv.dir.path, c.fallbackRoot) || strings.Count(lines.String(), srv.dir.path) != 1 {
			t.Errorf("the data is in %s, want it in the fallback folder and reported once; got\n%v", srv.dir.path, &lines)
		}
		mustClose(t, srv)
	}
	if err := os.Chmod(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	makePublic(t, closed)
	srv := c.mustOpen(t, dir)
	if mustQuery(t, srv.URL(), "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") != 1 {
		t.Error("the data in the fallback folder was not used after the folder became accessible")
	}
}

// makePublic lets other accounts enter the testing package's folders.
func makePublic(t *testing.T, dir string) {
	t.Helper()
	for ; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpen_RootRunsServerAsFolderOwner(t *testing.T) {
	requireRoot(t)
	c, dir := testConfig(t), makePublicTempDir(t)
	nobody := lookUpAccount(t, "nobody")
	if err := os.Chown(dir, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	srv := c.mustOpen(t, filepath.Join(dir, "made", "by root"))
	info, err := os.Stat(filepath.Join(srv.dir.data(), "postmaster.pid"))
	if err != nil || ownerOf(info) != nobody.Uid {
		t.Errorf("the server runs as user %d, %v; want %d", ownerOf(info), err, nobody.Uid)
	}
	// The folders that root made belong to the owner, who can use them without root.
	u := startUserProcess(t, filepath.Join(dir, "made", "by root"), nobody)
	if url := u.mustOpen(t); url != srv.URL() {
		t.Errorf("the owner got URL %s, want root's %s", url, srv.URL())
	}
	mustClose(t, srv)
	u.close(t)
	u = startUserProcess(t, filepath.Join(dir, "made", "by root"), nobody)
	u.mustOpen(t)
	u.close(t)
}

func TestOpen_UserOtherThanRoot(t *testing.T) {
	requireRoot(t)
	requirePrograms(t)
	nobody := lookUpAccount(t, "nobody")
	dir := makePublicTempDir(t)
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(own, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	first, second := startUserProcess(t, filepath.Join(own, "data"), nobody), startUserProcess(t, filepath.Join(own, "data"), nobody)
	if a, b := first.mustOpen(t), second.mustOpen(t); a != b {
		t.Errorf("got URLs %s and %s, want the same", a, b)
	}
	first.kill(t)
	second.close(t)

	roots := filepath.Join(dir, "roots")
	mustClose(t, testConfig(t).mustOpen(t, roots))
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{
		filepath.Join(dir, "made"):    "permission denied",
		filepath.Join(closed, "made"): "permission denied",
		roots:                         "belongs to user",
	} {
		_, output := startUserProcess(t, folder, nobody).outcome()
		if !strings.Contains(output, "failed invalid") || !strings.Contains(output, want) || !strings.Contains(output, folder) {
			t.Errorf("%s: got %q, want an invalid error with %q", folder, output, want)
		}
	}
}

func TestOpen_TruncatesLongLog(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	srv := c.mustOpen(t, dir)
	log := filepath.Join(srv.dir.path, logFile)
	if err := os.Truncate(log, maxLog+1); err != nil {
		t.Fatal(err)
	}
	c.mustOpen(t, dir)
	mustQuery(t, srv.URL(), "SELECT pg_reload_conf()::int") // it writes a line
	waitFor(t, "the log to be truncated", func() bool {
		info, err := os.Stat(log)
		return err == nil && info.Size() > 0 && info.Size() < 1000
	})
}

// checkInvalid checks that err is Invalid, has a hint, and contains want in its text or its hint.
func checkInvalid(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || domain.KindOf(err) != domain.Invalid {
		t.Fatalf("got kind %v: %v, want Invalid", domain.KindOf(err), err)
	}
	if text := err.Error() + "; " + domain.HintOf(err); !strings.Contains(text, want) {
		t.Errorf("got %q, want %q in it", text, want)
	}
	if domain.HintOf(err) == "" {
		t.Errorf("got no hint with: %v", err)
	}
}

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can run something as another user")
	}
}

func lookUpAccount(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		t.Fatal(uidErr, gidErr)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// writeForeignFile writes a file that does not belong to pawl.
func writeForeignFile(t *testing.T, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
}
