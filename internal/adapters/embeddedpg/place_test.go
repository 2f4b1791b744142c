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

func TestFoldersThatCannotBe(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	file := filepath.Join(dir, "file")
	write(t, file)
	occupied := filepath.Join(dir, "occupied")
	write(t, filepath.Join(occupied, homeName))
	halved := filepath.Join(dir, "halved")
	write(t, filepath.Join(halved, homeName, dataFolder, "base"))

	for name, c := range map[string]struct{ dir, says string }{
		"none":                        {" ", "embedded:./"},
		"a file":                      {file, file},
		"below a file":                {file + "/data", file},
		"a line break":                {dir + "/a\nb", `a\nb`},
		"too long a path":             {dir + strings.Repeat("/aaaaaaaaaaaaaaa", 60), "bytes long"},
		"too long a name":             {dir + "/" + strings.Repeat("a", 300), "name too long"},
		"our folder's name is a file": {occupied, homeName},
		"half a database":             {halved, "no whole database"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := o.open(t.Context(), c.dir, func(string) {})
			if err == nil {
				mustClose(t, srv)
			}
			checkInvalid(t, err, c.says)
		})
	}
	for _, kept := range []string{file, filepath.Join(occupied, homeName), filepath.Join(halved, homeName, dataFolder, "base")} {
		if text, err := os.ReadFile(kept); err != nil || string(text) != "mine" {
			t.Errorf("%s: %q, %v", kept, text, err)
		}
	}
}

func TestOtherFilesInTheFolderAreLeftAlone(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	for _, name := range []string{"data/PG_VERSION", "log", unfinished + "x/file", "password"} {
		write(t, filepath.Join(dir, name))
	}
	mustClose(t, o.mustOpen(t, dir))
	for _, name := range []string{"data/PG_VERSION", "log", unfinished + "x/file", "password"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != "mine" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

func TestRootsClosedFolderHasAStandIn(t *testing.T) {
	needRoot(t)
	o := testSetup(t)
	o.standIns = filepath.Join(passable(t), "var", "pawl")
	closed := t.TempDir() // by the testing package, to everybody else
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "data")

	for range 2 { // the second finds what the first one made
		var said transcript
		srv, err := o.open(t.Context(), dir, said.say)
		if err != nil {
			t.Fatalf("%v\n%v", err, &said)
		}
		mustQuery(t, srv.URL(), "CREATE TABLE IF NOT EXISTS kept ()")
		if !strings.HasPrefix(srv.home.dir, o.standIns) || strings.Count(said.String(), srv.home.dir) != 1 {
			t.Errorf("the data is in %s, and it said\n%v", srv.home.dir, &said)
		}
		mustClose(t, srv)
	}
	if err := os.Chmod(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	openPath(t, closed)
	srv := o.mustOpen(t, dir)
	if mustQuery(t, srv.URL(), "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") != 1 {
		t.Error("the data was left behind when the folder was opened")
	}
}

// openPath lets other accounts pass through the testing package's folders.
func openPath(t *testing.T, dir string) {
	t.Helper()
	for ; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRootsServerRunsAsTheFoldersOwner(t *testing.T) {
	needRoot(t)
	o, dir := testSetup(t), passable(t)
	nobody := account(t, "nobody")
	if err := os.Chown(dir, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	srv := o.mustOpen(t, filepath.Join(dir, "made", "by root"))
	info, err := os.Stat(filepath.Join(srv.home.data(), "postmaster.pid"))
	if err != nil || ownerOf(info) != nobody.Uid {
		t.Errorf("the server runs as user %d, %v", ownerOf(info), err)
	}
	// What root made is the owner's, who may go on without root.
	u := startVisitor(t, filepath.Join(dir, "made", "by root"), nobody)
	if url := u.mustOpen(t); url != srv.URL() {
		t.Errorf("the owner opened %s", url)
	}
	mustClose(t, srv)
	u.leave(t)
	u = startVisitor(t, filepath.Join(dir, "made", "by root"), nobody)
	u.mustOpen(t)
	u.leave(t)
}

func TestOrdinaryUser(t *testing.T) {
	needRoot(t)
	needPrograms(t)
	nobody := account(t, "nobody")
	dir := passable(t)
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(own, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	first, second := startVisitor(t, filepath.Join(own, "data"), nobody), startVisitor(t, filepath.Join(own, "data"), nobody)
	if a, b := first.mustOpen(t), second.mustOpen(t); a != b {
		t.Errorf("%s and %s", a, b)
	}
	first.kill(t)
	second.leave(t)

	roots := filepath.Join(dir, "roots")
	mustClose(t, testSetup(t).mustOpen(t, roots))
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for folder, says := range map[string]string{
		filepath.Join(dir, "made"):    "permission denied",
		filepath.Join(closed, "made"): "permission denied",
		roots:                         "belongs to user",
	} {
		_, output := startVisitor(t, folder, nobody).outcome()
		if !strings.Contains(output, "failed invalid") || !strings.Contains(output, says) || !strings.Contains(output, folder) {
			t.Errorf("%s: %s", folder, output)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	srv := o.mustOpen(t, dir)
	log := filepath.Join(srv.home.dir, logFile)
	if err := os.Truncate(log, maxLog+1); err != nil {
		t.Fatal(err)
	}
	o.mustOpen(t, dir)
	mustQuery(t, srv.URL(), "SELECT pg_reload_conf()::int") // it writes a line
	within(t, "the log begins anew", func() bool {
		info, err := os.Stat(log)
		return err == nil && info.Size() > 0 && info.Size() < 1000
	})
}

func checkInvalid(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || domain.KindOf(err) != domain.Invalid {
		t.Fatalf("kind %v: %v", domain.KindOf(err), err)
	}
	if text := err.Error() + "; " + domain.HintOf(err); !strings.Contains(text, says) {
		t.Errorf("%q is missing in: %s", says, text)
	}
	if domain.HintOf(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can run something as another user")
	}
}

func account(t *testing.T, name string) *syscall.Credential {
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

// write makes somebody else's file.
func write(t *testing.T, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
}
