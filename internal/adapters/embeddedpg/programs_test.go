package embeddedpg

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func TestDownloadPrograms_Once(t *testing.T) {
	repo := newRepository(packPrograms(t))
	c, dir := configWithoutPrograms(t, repo), makePublicTempDir(t)
	var lines transcript
	srv, err := c.open(t.Context(), dir, lines.report)
	if err != nil {
		t.Fatalf("%v; %s", err, domain.HintOf(err))
	}
	mustQuery(t, srv.URL(), "CREATE TABLE kept ()")
	if !strings.HasPrefix(srv.Bin(), srv.dir.path) {
		t.Errorf("it runs the programs in %s, want the downloaded ones", srv.Bin())
	}
	mustClose(t, srv)
	first, rest, _ := strings.Cut(lines.String(), "\n")
	if !strings.Contains(first, "downloading PostgreSQL 17") {
		t.Errorf("the download was not reported first:\n%v", &lines)
	}
	mb := strconv.Itoa(len(repo.archive) / megabyte)
	if want := mb + " of " + mb + " MB\n"; !strings.Contains(rest, want) {
		t.Errorf("got reports\n%v\nwant %q in them", &lines, want)
	}
	checkNothingUnfinished(t, dir)

	c.repository = unreachableRepository
	second := c.mustOpen(t, dir)
	if mustQuery(t, second.URL(), "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") != 1 {
		t.Error("the table is missing after the second Open")
	}
	if n := repo.requests.Load(); n != 2 {
		t.Errorf("got %d requests, want 2", n)
	}
}

func TestDownloadPrograms_Failures(t *testing.T) {
	noise := make([]byte, 2*megabyte)
	_, _ = rand.Read(noise)
	good := newRepository(pack(t, map[string][]byte{"bin/initdb": noise, "bin/postgres": nil}))
	override := func(path string, answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, path) {
				answer(w, req)
				return
			}
			good.ServeHTTP(w, req)
		}
	}
	for name, tt := range map[string]struct {
		handler      http.Handler
		want         string
		stallTimeout time.Duration // 0: the default of the tests
	}{
		"no such version": {http.NotFoundHandler(), "404", 0},
		"no checksum":     {override(".sha256", http.NotFound), "404", 0},
		"another checksum": {override(".sha256", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat("0", 64)))
		}), "checksums do not match", 0},
		"no answer": {override(".jar", func(_ http.ResponseWriter, req *http.Request) {
			<-req.Context().Done()
		}), "nothing came for", 300 * time.Millisecond},
		"it stalls": {override(".jar", func(w http.ResponseWriter, req *http.Request) {
			_, _ = w.Write(good.archive[:megabyte])
			_ = http.NewResponseController(w).Flush()
			<-req.Context().Done()
		}), "nothing came for", 300 * time.Millisecond},
		"it is cut off": {override(".jar", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(good.archive)))
			_, _ = w.Write(good.archive[:megabyte])
		}), "unexpected EOF", 0},
		"it is endless": {override(".jar", func(w http.ResponseWriter, _ *http.Request) {
			for chunk := make([]byte, megabyte); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}), "more than 8 MB", 0},
		"no archive":        {newRepository([]byte("<html>")), "zip", 0},
		"a damaged archive": {newRepository(zipContent(t, []byte("damaged"))), "extract", 0},
		"a shorter archive": {newRepository(truncateArchive(t, good.archive)), "extract", 0},
		"an empty archive":  {newRepository(pack(t, nil)), "initdb and postgres are missing", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := configWithoutPrograms(t, tt.handler), makePublicTempDir(t)
			c.limits.stallTimeout = cmp.Or(tt.stallTimeout, c.limits.stallTimeout)
			srv, err := c.open(t.Context(), dir, func(string) {})
			if err == nil {
				mustClose(t, srv)
			}
			if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got kind %v: %v, want Transient with %q", domain.KindOf(err), err, tt.want)
			}
			checkAlternatives(t, err)
			checkNothingUnfinished(t, dir)
		})
	}
}

func TestDownloadPrograms_Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, dir := configWithoutPrograms(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})), makePublicTempDir(t)
	srv, err := c.open(ctx, dir, func(string) {})
	if err == nil {
		mustClose(t, srv)
	}
	if domain.KindOf(err) != domain.Stopped {
		t.Errorf("got kind %v: %v, want Stopped", domain.KindOf(err), err)
	}
	checkNothingUnfinished(t, dir)
}

func TestDownloadPrograms_NoNetwork(t *testing.T) {
	for name, repository := range map[string]string{
		"refused":        "http://127.0.0.1:1",
		"no such name":   "https://repository.invalid/path",
		"black hole":     "http://192.0.2.1", // an address reserved for documentation
		"not an address": "http://[::1/",
	} {
		t.Run(name, func(t *testing.T) {
			c := configWithoutPrograms(t, http.NotFoundHandler())
			c.repository = func() (string, error) { return repository, nil }
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // includes making the folder
			defer cancel()
			srv, err := c.open(ctx, makePublicTempDir(t), func(string) {})
			if err == nil {
				mustClose(t, srv)
			}
			checkInvalid(t, err, "no PostgreSQL here")
			checkAlternatives(t, err)
		})
	}
}

func TestLibraryRepository(t *testing.T) {
	repository, err := libraryRepository()
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse(repository); err != nil || u.Scheme != "https" || u.Host == "" {
		t.Errorf("got %q, %v; want an https URL", repository, err)
	}
}

// checkAlternatives checks that the hint names every way to get a server.
func checkAlternatives(t *testing.T, err error) {
	t.Helper()
	for _, want := range []string{"postgresql", "DATABASE_URL", "docker-compose up -d db", "downloads"} {
		if !strings.Contains(domain.HintOf(err), want) {
			t.Errorf("got hint %q, want %q in it", domain.HintOf(err), want)
		}
	}
}

func checkNothingUnfinished(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, serverDirName))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		switch entry.Name() {
		case usersLock, startLock, serverLock, clusterFolder, programsFolder, logFile, oldLogFile:
		default:
			t.Errorf("got unfinished %s, want none", entry.Name())
		}
	}
}

func TestChoosePrograms_MatchDataVersion(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	first := c.mustOpen(t, dir)
	found, err := first.dir.inspectPrograms(t.Context(), first.Bin())
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, first)
	newer := writeFakePrograms(t, "99.1")

	c.programDirs = func() []string { return []string{newer, first.Bin()} }
	second := c.mustOpen(t, dir)
	if second.Bin() != first.Bin() {
		t.Errorf("got the programs in %s, want %s", second.Bin(), first.Bin())
	}
	mustClose(t, second)

	c.programDirs = func() []string { return []string{newer} }
	_, err = c.open(t.Context(), dir, func(string) {})
	checkInvalid(t, err, "needs PostgreSQL "+found.majorVersion())
	checkInvalid(t, err, "99.1")
	checkInvalid(t, err, "install PostgreSQL "+found.majorVersion())
	if _, err := os.Stat(filepath.Join(dir, serverDirName, versionFile)); err != nil {
		t.Error(err)
	}
}

func TestMajorVersion(t *testing.T) {
	for version, want := range map[string]string{"9.6.24": "9.6", "10.23": "10", "15.18": "15", "18": "18"} {
		if got := (programs{version: version}).majorVersion(); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
	}
}

// writeFakePrograms writes programs that only print their version, and returns their folder.
func writeFakePrograms(t *testing.T, version string) string {
	t.Helper()
	dir := makePublicTempDir(t)
	for _, name := range []string{"initdb", "postgres"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s (Made up 1)'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
