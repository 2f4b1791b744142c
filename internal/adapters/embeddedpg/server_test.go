package embeddedpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFolder checks which folder Folder finds in a database URL, and that it finds no folder in URLs of other servers.
func TestFolder(t *testing.T) {
	for url, want := range map[string]struct {
		dir string
		ok  bool
	}{
		"embedded:./data":            {dir: "./data", ok: true},
		"embedded:/var/my data\n":    {dir: "/var/my data", ok: true},
		"embedded:":                  {dir: "", ok: true},
		"postgres://u:p@h/embedded:": {ok: false},
		"":                           {ok: false},
	} {
		dir, ok := Folder(url)
		if ok != want.ok {
			t.Errorf("Folder(%q): got ok %v, want %v", url, ok, want.ok)
		}
		if ok && dir != want.dir {
			t.Errorf("Folder(%q): got folder %q, want %q", url, dir, want.dir)
		}
	}
}

// TestOpen_DataSurvivesRestart checks that the server of a second Open of a folder has the data of the first Open. It also checks Bin
// and the settings of the server.
func TestOpen_DataSurvivesRestart(t *testing.T) {
	const awkwardName = `a folder/to be 'made', ünïcode and "all"` // a shell or a configuration file would require quotes
	c, dir := testConfig(t), filepath.Join(makePublicTempDir(t), awkwardName)
	first := c.mustOpen(t, dir)
	createStoredTable(t, first.URL())
	mustClose(t, first)
	if isAlive(t.Context(), first.URL()) {
		t.Error("the server still runs after its last user has closed it")
	}

	second := c.mustOpen(t, dir)
	if n := mustQuery(t, second.URL(), "SELECT count(*) FROM stored"); n != storedRows {
		t.Errorf("after the restart: got %d rows, want %d", n, storedRows)
	}
	if _, err := os.Stat(filepath.Join(second.Bin(), "initdb")); err != nil {
		t.Error(err)
	}
	for from, want := range map[string]int{ // the number of rows that each FROM clause must find
		"pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'":                        0,
		"pg_settings WHERE name = 'listen_addresses' AND setting = '127.0.0.1'":         1,
		"pg_settings WHERE name = 'fsync' AND setting = 'on'":                           1,
		"pg_settings WHERE name = 'full_page_writes' AND setting = 'on'":                1,
		"pg_settings WHERE name = 'synchronous_commit' AND setting = 'on'":              1,
		"pg_database WHERE datname = 'pawl' AND pg_encoding_to_char(encoding) = 'UTF8'": 1,
	} {
		if n := mustQuery(t, second.URL(), "SELECT count(*) FROM "+from); n != want {
			t.Errorf("%s: got %d rows, want %d", from, n, want)
		}
	}
}

// TestOpen_SharedServer checks that Open attaches to the same server for each path of a folder, and that the server stops when its
// last user closes it. A second Close of the same user must do nothing.
func TestOpen_SharedServer(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	first := c.mustOpen(t, dir)
	link := filepath.Join(makePublicTempDir(t), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	second := c.mustOpen(t, link)
	t.Chdir(filepath.Dir(dir))
	third := c.mustOpen(t, filepath.Base(dir)) // a relative path
	for _, other := range []*Server{second, third} {
		if other.URL() != first.URL() || other.Bin() != first.Bin() {
			t.Fatalf("got URL %s, programs in %s, want the first user's %s, %s", other.URL(), other.Bin(), first.URL(), first.Bin())
		}
	}
	mustClose(t, third)

	mustClose(t, first)
	if !isAlive(t.Context(), second.URL()) {
		t.Fatal("the server has stopped when its first user closed it, want it to run for the second user")
	}
	mustClose(t, first)
	if !isAlive(t.Context(), second.URL()) {
		t.Fatal("the server has stopped after a second Close of its first user, want it to run for the second user")
	}
	mustClose(t, second)
	if isAlive(t.Context(), second.URL()) {
		t.Error("the server still runs after its last user has closed it")
	}
}

// TestOpen_PasswordSecrecy checks that Open does not report the password, and that other accounts can read neither the password
// file nor the data.
func TestOpen_PasswordSecrecy(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	var lines transcript
	srv, err := c.open(t.Context(), dir, lines.report)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, srv)
	password, err := srv.dir.readPassword()
	if err != nil || !strings.Contains(srv.URL(), password) {
		t.Fatalf("read the password: got %v, want no error and the password of the URL", err)
	}
	if strings.Contains(lines.String(), password) {
		t.Errorf("got reports\n%v\nwant no password in them", &lines)
	}
	const ownerOnlyFile, ownerOnlyFolder os.FileMode = 0o600, 0o700 | os.ModeDir
	for name, want := range map[string]os.FileMode{
		".":          ownerOnlyFolder, // the server's folder
		dataFolder:   ownerOnlyFolder,
		passwordFile: ownerOnlyFile,
		logFile:      ownerOnlyFile,
	} {
		info, err := os.Stat(filepath.Join(srv.dir.path, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: got mode %v, want %v", name, info.Mode(), want)
		}
	}
}
