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
			t.Errorf("%q: %q, %v", url, dir, ok)
		}
	}
}

func TestRowsOutliveTheServer(t *testing.T) {
	o, dir := testSetup(t), passable(t)+`/a folder/to be 'made', ünïcode and "all"`
	first := o.mustOpen(t, dir)
	mustQuery(t, first.URL(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	mustClose(t, first)
	if answers(t.Context(), first.URL()) {
		t.Error("the server still answers after the last user has left")
	}

	second := o.mustOpen(t, dir)
	if n := mustQuery(t, second.URL(), "SELECT count(*) FROM kept"); n != 1000 {
		t.Errorf("%d rows", n)
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
			t.Errorf("%s: %d", sql, n)
		}
	}
}

func TestUsersShareTheServer(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	first := o.mustOpen(t, dir)
	link := filepath.Join(passable(t), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	second := o.mustOpen(t, link) // another spelling
	t.Chdir(filepath.Dir(dir))
	third := o.mustOpen(t, filepath.Base(dir)) // and one more
	for _, other := range []*Server{second, third} {
		if other.URL() != first.URL() || other.Bin() != first.Bin() {
			t.Fatalf("%s (%s), then %s (%s)", first.URL(), first.Bin(), other.URL(), other.Bin())
		}
	}
	mustClose(t, third)

	mustClose(t, first)
	if !answers(t.Context(), second.URL()) {
		t.Fatal("the server went with its first user")
	}
	mustClose(t, first) // does nothing
	if !answers(t.Context(), second.URL()) {
		t.Fatal("the server went with a share given up twice")
	}
	mustClose(t, second)
	if answers(t.Context(), second.URL()) {
		t.Error("the server stayed after its last user")
	}
}

func TestSecretsStayInTheirFile(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	var said transcript
	srv, err := o.open(t.Context(), dir, said.say)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, srv)
	password, err := srv.home.password()
	if err != nil || !strings.Contains(srv.URL(), password) {
		t.Fatalf("password %v", err)
	}
	if strings.Contains(said.String(), password) {
		t.Errorf("it was said:\n%v", &said)
	}
	for name, mode := range map[string]os.FileMode{passwordFile: 0o600, dataFolder: 0o700 | os.ModeDir, ".": 0o700 | os.ModeDir, logFile: 0o600} {
		if info, err := os.Stat(filepath.Join(srv.home.dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}
