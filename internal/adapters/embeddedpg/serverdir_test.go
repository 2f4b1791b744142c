package embeddedpg

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestOpen_UnusableFolders checks that Open refuses each kind of unusable folder and does not change the files there. The error or
// its hint must say why Open refuses the folder.
func TestOpen_UnusableFolders(t *testing.T) {
	c, parent := testConfig(t), makePublicTempDir(t)
	file := filepath.Join(parent, "file")
	writeForeignFile(t, file)
	occupiedDir := filepath.Join(parent, "occupied") // this folder has a file with the name of the server's folder
	occupiedFile := filepath.Join(occupiedDir, serverDirName)
	writeForeignFile(t, occupiedFile)
	incompleteDir := filepath.Join(parent, "incomplete") // this folder has only a part of a database
	incompleteFile := filepath.Join(incompleteDir, serverDirName, dataFolder, "base")
	writeForeignFile(t, incompleteFile)

	const maxFileName = 255 // bytes; a limit of file systems
	for name, tt := range map[string]struct {
		dir  string
		want string // a part of the error or its hint
	}{
		"no folder":                   {dir: " ", want: "names no folder"},
		"a home folder":               {dir: "~/data", want: "begins with ~"},
		"a file":                      {dir: file, want: file},
		"a folder in a file":          {dir: file + "/data", want: file},
		"a path with a line break":    {dir: parent + "/a\nb", want: `a\nb`},
		"a path that is too long":     {dir: parent + strings.Repeat("/a", maxPath/2), want: "bytes long"},
		"a name that is too long":     {dir: parent + "/" + strings.Repeat("a", maxFileName+1), want: "name too long"},
		"the server's name is a file": {dir: occupiedDir, want: serverDirName},
		"an incomplete database":      {dir: incompleteDir, want: "no whole database"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := c.open(t.Context(), tt.dir, func(string) {})
			if err == nil {
				mustClose(t, srv)
			}
			checkInvalid(t, err, tt.want)
		})
	}
	for _, name := range []string{file, occupiedFile, incompleteFile} {
		checkForeignFile(t, name)
	}
}

// TestOpen_LeavesOtherFilesAlone checks that Open changes no files outside the server's folder. The files in this test have the same
// names as files inside the server's folder.
func TestOpen_LeavesOtherFilesAlone(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	names := []string{"data/PG_VERSION", "log", stagingPrefix + "x/file", "password"}
	for _, name := range names {
		writeForeignFile(t, filepath.Join(dir, name))
	}
	mustClose(t, c.mustOpen(t, dir))
	for _, name := range names {
		checkForeignFile(t, filepath.Join(dir, name))
	}
}

// TestOpen_RootFallbackFolder checks that Open stores the data in the fallback folder if pawl runs as root and the server's account
// cannot enter the chosen folder. Open must report the fallback folder once. It must use the same data later, even when the account
// can enter the chosen folder.
func TestOpen_RootFallbackFolder(t *testing.T) {
	requireRoot(t)
	c := testConfig(t)
	c.fallbackRoot = filepath.Join(makePublicTempDir(t), "var", "pawl")
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(private, "data")

	for range 2 { // the second Open uses the data of the first
		var lines transcript
		srv, err := c.open(t.Context(), dir, lines.report)
		if err != nil {
			t.Fatalf("open: got %v, reports\n%v\nwant no error", err, &lines)
		}
		mustQuery(t, srv.URL(), "CREATE TABLE IF NOT EXISTS stored ()")
		if !strings.HasPrefix(srv.dir.path, c.fallbackRoot) {
			t.Errorf("got data in %s, want it in %s", srv.dir.path, c.fallbackRoot)
		}
		if n := strings.Count(lines.String(), srv.dir.path); n != 1 {
			t.Errorf("got reports\n%v\nwant %s once in them, got it %d times", &lines, srv.dir.path, n)
		}
		mustClose(t, srv)
	}
	if err := os.Chmod(private, 0o755); err != nil {
		t.Fatal(err)
	}
	makePublic(t, private)
	srv := c.mustOpen(t, dir)
	if n := mustQuery(t, srv.URL(), "SELECT count(*) FROM pg_tables WHERE tablename = 'stored'"); n != 1 {
		t.Errorf("after other accounts could enter the folder: got %d tables named stored, want the 1 in the fallback folder", n)
	}
}

// makePublic lets other accounts enter a folder of t.TempDir, and each of its parent folders below os.TempDir.
func makePublic(t *testing.T, dir string) {
	t.Helper()
	for ; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpen_RootRunsServerAsFolderOwner checks that the server runs as the owner of the folder if pawl runs as root. The folders that
// root makes must belong to the owner, so that the owner can use them without root.
func TestOpen_RootRunsServerAsFolderOwner(t *testing.T) {
	requireRoot(t)
	c, parent := testConfig(t), makePublicTempDir(t)
	nobody := lookUpAccount(t, "nobody")
	if err := os.Chown(parent, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "made", "by root")
	srv := c.mustOpen(t, dir)
	info, err := os.Stat(filepath.Join(srv.dir.data(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if uid := ownerOf(info); uid != nobody.Uid {
		t.Errorf("got a server that runs as user %d, want user %d", uid, nobody.Uid)
	}
	owner := startUserProcess(t, dir, nobody)
	if url := owner.mustOpen(t); url != srv.URL() {
		t.Errorf("the owner got URL %s, want root's %s", url, srv.URL())
	}
	mustClose(t, srv)
	owner.close(t)
	owner = startUserProcess(t, dir, nobody) // this time the owner starts the server
	owner.mustOpen(t)
	owner.close(t)
}

// TestOpen_UserOtherThanRoot checks that two processes of a user other than root can share a server in a folder of this user. It also
// checks the errors for folders that this user must not use.
func TestOpen_UserOtherThanRoot(t *testing.T) {
	requireRoot(t)
	requirePrograms(t)
	nobody := lookUpAccount(t, "nobody")
	parent := makePublicTempDir(t)
	ownDir := filepath.Join(parent, "own")
	if err := os.Mkdir(ownDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(ownDir, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	dataDir := filepath.Join(ownDir, "data")
	first, second := startUserProcess(t, dataDir, nobody), startUserProcess(t, dataDir, nobody)
	if firstURL, secondURL := first.mustOpen(t), second.mustOpen(t); firstURL != secondURL {
		t.Errorf("got URLs %s and %s, want the same URL", firstURL, secondURL)
	}
	first.kill(t)
	second.close(t)

	rootsDir := filepath.Join(parent, "roots") // root opens this folder first
	mustClose(t, testConfig(t).mustOpen(t, rootsDir))
	privateDir := filepath.Join(parent, "private") // only root can enter this folder
	if err := os.Mkdir(privateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		filepath.Join(parent, "new"):     "permission denied",
		filepath.Join(privateDir, "new"): "permission denied",
		rootsDir:                         "belongs to user",
	} {
		_, output := startUserProcess(t, dir, nobody).outcome()
		for _, part := range []string{"failed invalid", want, dir} {
			if !strings.Contains(output, part) {
				t.Errorf("%s: got output %q, want %q in it", dir, output, part)
			}
		}
	}
}

// TestOpen_TruncatesLongLog checks that Open empties the log of a running server if the log is longer than maxLog.
func TestOpen_TruncatesLongLog(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	srv := c.mustOpen(t, dir)
	log := filepath.Join(srv.dir.path, logFile)
	if err := os.Truncate(log, maxLog+1); err != nil {
		t.Fatal(err)
	}
	c.mustOpen(t, dir)
	mustQuery(t, srv.URL(), "SELECT pg_reload_conf()::int") // the server writes a line to the log
	const maxShortLog = 1000                                // bytes; enough for some lines
	waitFor(t, "a short log with a new line", func() bool {
		info, err := os.Stat(log)
		return err == nil && info.Size() > 0 && info.Size() < maxShortLog
	})
}

// checkInvalid checks that err is Invalid, has a hint, and contains want in its text or its hint. Its remedy counts as a hint.
func checkInvalid(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || domain.KindOf(err) != domain.Invalid {
		t.Fatalf("got kind %v: %v, want Invalid", domain.KindOf(err), err)
	}
	if text := err.Error() + "; " + domain.HintOf(err); !strings.Contains(text, want) {
		t.Errorf("got %q, want %q in it", text, want)
	}
	if domain.HintOf(err) == "" && domain.RemedyOf(err) == 0 {
		t.Errorf("got no hint with: %v", err)
	}
}

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can run a process as another user")
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

// foreignText is the content of a foreign file.
const foreignText = "written by another program"

// writeForeignFile writes a file that does not belong to pawl.
func writeForeignFile(t *testing.T, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(foreignText), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkForeignFile checks that a file of writeForeignFile is unchanged.
func checkForeignFile(t *testing.T, file string) {
	t.Helper()
	if text, err := os.ReadFile(file); err != nil || string(text) != foreignText {
		t.Errorf("%s: got %q, %v, want %q", file, text, err, foreignText)
	}
}

// TestHasDatabase checks that hasDatabase finds a database in the folder and, for root, in the fallback folder, and that it makes nothing.
func TestHasDatabase(t *testing.T) {
	t.Parallel()
	parent := makePublicTempDir(t)
	c := defaultConfig()
	c.fallbackRoot = filepath.Join(parent, "fallback")
	inFolder, inFallback, none := filepath.Join(parent, "in-folder"), filepath.Join(parent, "in-fallback"), filepath.Join(parent, "none")
	writeForeignFile(t, filepath.Join(inFolder, serverDirName, versionFile))
	writeForeignFile(t, filepath.Join(c.fallbackRoot, fallbackNameFor(inFallback), versionFile))
	isRoot := os.Geteuid() == 0
	for dir, want := range map[string]bool{inFolder: true, inFallback: isRoot, none: false, parent: false, " ": true} {
		if got := c.hasDatabase(dir); got != want {
			t.Errorf("%q: got %t, want %t", dir, got, want)
		}
	}
	if _, err := os.Stat(none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v for the folder without a database, want that it does not exist", err)
	}
}
