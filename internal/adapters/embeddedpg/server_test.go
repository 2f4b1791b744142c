package embeddedpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	for url, want := range map[string]struct {
		dir string
		ok  bool
	}{
		"embedded:./data":            {"./data", true},
		"embedded:/var/my data\n":    {"/var/my data", true},
		"embedded:":                  {"", true},
		"postgres://u:p@h/embedded:": {"", false},
		"":                           {"", false},
	} {
		if dir, ok := Folder(url); ok != want.ok || (ok && dir != want.dir) {
			t.Errorf("Folder(%q) = %q, %v; want %q, %v", url, dir, ok, want.dir, want.ok)
		}
	}
}

func TestOpen_DataSurvivesRestart(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)+`/a folder/to be 'made', ünïcode and "all"`
	first := c.mustOpen(t, dir)
	mustQuery(t, first.URL(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	mustClose(t, first)
	if isAlive(t.Context(), first.URL()) {
		t.Error("the server still runs after its last user has closed it")
	}

	second := c.mustOpen(t, dir)
	if n := mustQuery(t, second.URL(), "SELECT count(*) FROM kept"); n != 1000 {
		t.Errorf("got %d rows, want 1000", n)
	}
	if _, err := os.Stat(filepath.Join(second.Bin(), "initdb")); err != nil {
		t.Error(err)
	}
	for sql, want := range map[string]int{
		"SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'":                                                           0,
		"SELECT count(*) FROM pg_settings WHERE (name, setting) = ('listen_addresses', '127.0.0.1')":                                            1,
		"SELECT count(*) FROM pg_settings WHERE (name, setting) IN (('fsync', 'on'), ('full_page_writes', 'on'), ('synchronous_commit', 'on'))": 3,
		"SELECT count(*) FROM pg_database WHERE datname = 'pawl' AND pg_encoding_to_char(encoding) = 'UTF8'":                                    1,
	} {
		if n := mustQuery(t, second.URL(), sql); n != want {
			t.Errorf("%s: got %d, want %d", sql, n, want)
		}
	}
}

func TestOpen_SharedServer(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	first := c.mustOpen(t, dir)
	link := filepath.Join(makePublicTempDir(t), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	second := c.mustOpen(t, link) // another path
	t.Chdir(filepath.Dir(dir))
	third := c.mustOpen(t, filepath.Base(dir)) // and another one
	for _, other := range []*Server{second, third} {
		if other.URL() != first.URL() || other.Bin() != first.Bin() {
			t.Fatalf("got %s (%s), want %s (%s) as the first user", other.URL(), other.Bin(), first.URL(), first.Bin())
		}
	}
	mustClose(t, third)

	mustClose(t, first)
	if !isAlive(t.Context(), second.URL()) {
		t.Fatal("the server has stopped with its first user")
	}
	mustClose(t, first) // does nothing
	if !isAlive(t.Context(), second.URL()) {
		t.Fatal("the server has stopped after a second Close")
	}
	mustClose(t, second)
	if isAlive(t.Context(), second.URL()) {
		t.Error("the server still runs after its last user has closed it")
	}
}

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
		t.Fatalf("the password is not in the URL: %v", err)
	}
	if strings.Contains(lines.String(), password) {
		t.Errorf("the password was reported:\n%v", &lines)
	}
	for name, mode := range map[string]os.FileMode{
		passwordFile: 0o600, dataFolder: 0o700 | os.ModeDir, ".": 0o700 | os.ModeDir, logFile: 0o600,
	} {
		if info, err := os.Stat(filepath.Join(srv.dir.path, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: got mode %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
}
