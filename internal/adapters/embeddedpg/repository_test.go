package embeddedpg

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

// A repository is an HTTP handler that serves the same archive and its checksum for every version of PostgreSQL.
type repository struct {
	archive  []byte
	checksum string
	requests atomic.Int64 // the number of requests so far
}

func newRepository(archive []byte) *repository {
	sum := sha256.Sum256(archive)
	return &repository{archive: archive, checksum: hex.EncodeToString(sum[:])}
}

func (r *repository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.requests.Add(1)
	switch {
	case strings.HasSuffix(req.URL.Path, ".jar"):
		w.Header().Set("Content-Length", strconv.Itoa(len(r.archive)))
		_, _ = w.Write(r.archive)
	case strings.HasSuffix(req.URL.Path, ".jar.sha256"):
		_, _ = w.Write([]byte(r.checksum))
	default:
		http.NotFound(w, req)
	}
}

// configWithoutPrograms returns the config of a machine without PostgreSQL. With this config Open downloads the programs from a
// server that runs handler.
func configWithoutPrograms(t *testing.T, handler http.Handler) config {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	t.Setenv("TMPDIR", t.TempDir()) // the library leaves an empty file there
	c := testConfig(t)
	c.limits = downloadLimits{stallTimeout: 10 * time.Second, maxSize: 8 * megabyte}
	c.programDirs = func() []string { return nil }
	c.repository = func() (string, error) { return srv.URL, nil }
	return c
}

// packPrograms returns an archive with the programs of this machine. The archive contains only some of the files that the programs
// need. The extracted programs find the other files where this machine has them.
func packPrograms(t *testing.T) []byte {
	t.Helper()
	requirePrograms(t)
	files := make(map[string][]byte)
	for _, name := range []string{"bin/initdb", "bin/postgres", "lib/plpgsql.so", "lib/dict_snowball.so"} {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(pgprograms.Folders()[0]), name))
		if err != nil {
			t.Skipf("SKIPPED: the folders of this machine's programs differ from those in a repository: %v", err)
		}
		files[name] = content
	}
	return pack(t, files)
}

// pack returns an archive with these files. It has the format that the download library expects: a zip file that contains a tar.xz
// file.
func pack(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	archive := tar.NewWriter(&packed)
	for name, content := range files {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skipf("SKIPPED: xz is not installed: %v", err)
	}
	compress := exec.CommandContext(t.Context(), "xz", "-0")
	compress.Stdin = &packed
	compressed, err := compress.Output()
	if err != nil {
		t.Fatal(err)
	}
	return zipContent(t, compressed)
}

// zipContent returns a zip file with one file, which has this content.
func zipContent(t *testing.T, content []byte) []byte {
	t.Helper()
	var archive bytes.Buffer
	jar := zip.NewWriter(&archive)
	file, err := jar.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := jar.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// truncateArchive returns a valid zip file that contains only the first half of the tar.xz file in archive.
func truncateArchive(t *testing.T, archive []byte) []byte {
	t.Helper()
	content := unzipContent(t, archive)
	return zipContent(t, content[:len(content)/2])
}

// unzipContent returns the content of the only file in a zip file.
func unzipContent(t *testing.T, archive []byte) []byte {
	t.Helper()
	jar, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	content, err := fs.ReadFile(jar, jar.File[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
