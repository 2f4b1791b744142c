package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestEnvText_RoundTrip checks that pawl reads from a written .env file the values that were written.
func TestEnvText_RoundTrip(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"plain", "https://host/api/v1?a=b", "two words", " spaces around ", "\ttab", "a$b", "$HOME", "${HOME}", "$(HOME)", `\$HOME`, `\\$HOME`,
		"a#b", "a #b", "#b", `a"b`, `"quoted"`, "'quoted'", "it's", "it's $HOME", `it's \$HOME "x" #y`, `a\b`, `a\nb`, `a\`, `it's a\`,
		"line\nbreak", "line\r\n'break'", "ünïcode", "a=b", "export x", `a\'b`, "`id`", "!x", "&;|<>*?~",
	} {
		values := Values{APIKey: value, DatabaseURL: "after", Tries: "10"}
		text, err := values.EnvText("# first\n")
		if err != nil {
			t.Errorf("%q: got error %v, want none", value, err)
			continue
		}
		path := filepath.Join(t.TempDir(), ".env")
		if err := WritePrivateFile(path, text); err != nil {
			t.Fatal(err)
		}
		variables, err := readEnvFile(path)
		if err != nil || len(variables) != 2 || variables["API_KEY"] != value || variables["DATABASE_URL"] != "after" {
			t.Errorf("%q: got variables %q, error %v, want the same value in\n%s", value, variables, err, text)
		}
	}
}

// TestEnvText_Impossible checks that a value which cannot be written is an error that does not show the value.
func TestEnvText_Impossible(t *testing.T) {
	t.Parallel()
	_, err := Values{DatabaseURL: `$hunter2\`}.EnvText("")
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "DATABASE_URL_FILE") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got error %v, want an Invalid error that names DATABASE_URL_FILE", err)
	}
}

// TestWritePrivateFile checks the mode of the written file, that it replaces another file, and that no other file is left.
func TestWritePrivateFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, ".env")
	if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WritePrivateFile(path, "after"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "after" || info.Mode() != 0o600 {
		t.Errorf("got content %q with mode %v, error %v, want after with mode 0600", content, info.Mode(), err)
	}
	if err := WritePrivateFile(dir, "after"); err == nil {
		t.Error("a folder: got no error, want one")
	}
	link := filepath.Join(t.TempDir(), ".env")
	for _, target := range []string{path, filepath.Join(dir, "new")} {
		_ = os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if err := WritePrivateFile(link, "through"); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(target)
		if kept, linkErr := os.Readlink(link); err != nil || linkErr != nil || string(content) != "through" || kept != target {
			t.Errorf("a link: got content %q, errors %v and %v, link to %q; want through and the link kept", content, err, linkErr, kept)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("got the files %q, error %v, want none beside the folder", left, err)
	}
}
