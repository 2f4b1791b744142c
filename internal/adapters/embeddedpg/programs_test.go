package embeddedpg

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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

// TestDownloadPrograms_Once checks that the first Open downloads the programs and reports this, and that the second Open uses the
// downloaded programs.
func TestDownloadPrograms_Once(t *testing.T) {
	repo := newRepository(packPrograms(t))
	c, dir := configWithoutPrograms(t, repo), makePublicTempDir(t)
	var lines transcript
	srv, err := c.open(t.Context(), dir, lines.report)
	if err != nil {
		t.Fatalf("open: got %v, hint %q, want no error", err, domain.HintOf(err))
	}
	mustQuery(t, srv.URL(), "CREATE TABLE stored ()")
	if !strings.HasPrefix(srv.Bin(), srv.dir.path) {
		t.Errorf("got the programs in %s, want the downloaded programs in %s", srv.Bin(), srv.dir.path)
	}
	mustClose(t, srv)
	firstLine, otherLines, _ := strings.Cut(lines.String(), "\n")
	if want := "downloading PostgreSQL 15"; !strings.Contains(firstLine, want) {
		t.Errorf("got reports\n%v\nwant %q in the first line", &lines, want)
	}
	size := len(repo.archive) / megabyte
	lastProgress := fmt.Sprintf("%d of %d MB\n", size, size)
	if !strings.Contains(otherLines, lastProgress) {
		t.Errorf("got reports\n%v\nwant %q in them", &lines, lastProgress)
	}
	checkNothingUnfinished(t, dir)

	c.repository = unreachableRepository
	second := c.mustOpen(t, dir)
	if n := mustQuery(t, second.URL(), "SELECT count(*) FROM pg_tables WHERE tablename = 'stored'"); n != 1 {
		t.Errorf("second Open: got %d tables named stored, want 1", n)
	}
	if n := repo.requests.Load(); n != 2 {
		t.Errorf("got %d requests in both Opens, want 2: for the archive and for its checksum", n)
	}
}

// TestDownloadPrograms_Failures checks the error of each kind of failed download, and that a failed download leaves no files.
func TestDownloadPrograms_Failures(t *testing.T) {
	noise := make([]byte, 2*megabyte) // random bytes cannot be compressed, so the archive has more than a megabyte
	_, _ = rand.Read(noise)
	good := newRepository(pack(t, map[string][]byte{"bin/initdb": noise, "bin/postgres": nil}))
	// override returns a handler that answers requests for paths with the suffix by calling answer. It passes all other requests
	// to the good repository.
	override := func(suffix string, answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, suffix) {
				answer(w, req)
				return
			}
			good.ServeHTTP(w, req)
		}
	}
	const shortTimeout = 300 * time.Millisecond
	for name, tt := range map[string]struct {
		handler      http.Handler
		want         string        // a part of the error, which may come from the download library
		stallTimeout time.Duration // 0 means the timeout of configWithoutPrograms
	}{
		"no such version": {handler: http.NotFoundHandler(), want: "404"},
		"no checksum":     {handler: override(".sha256", http.NotFound), want: "404"},
		"wrong checksum": {
			handler: override(".sha256", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(strings.Repeat("0", hex.EncodedLen(sha256.Size))))
			}),
			want: "checksums do not match",
		},
		"no answer": {
			handler: override(".jar", func(_ http.ResponseWriter, req *http.Request) {
				<-req.Context().Done()
			}),
			want: "nothing came for", stallTimeout: shortTimeout,
		},
		"stalled download": {
			handler: override(".jar", func(w http.ResponseWriter, req *http.Request) {
				_, _ = w.Write(good.archive[:megabyte])
				_ = http.NewResponseController(w).Flush()
				<-req.Context().Done()
			}),
			want: "nothing came for", stallTimeout: shortTimeout,
		},
		"lost connection": {
			handler: override(".jar", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(len(good.archive)))
				_, _ = w.Write(good.archive[:megabyte])
			}),
			want: "unexpected EOF",
		},
		"endless download": {
			handler: override(".jar", func(w http.ResponseWriter, _ *http.Request) {
				chunk := make([]byte, megabyte)
				var err error
				for err == nil { // until the client closes the connection
					_, err = w.Write(chunk)
				}
			}),
			want: "more than 8 MB", // the maxSize of configWithoutPrograms
		},
		"no archive":      {handler: newRepository([]byte("<html>")), want: "zip"},
		"damaged archive": {handler: newRepository(zipContent(t, []byte("damaged"))), want: "extract"},
		"half an archive": {handler: newRepository(truncateArchive(t, good.archive)), want: "extract"},
		"empty archive":   {handler: newRepository(pack(t, nil)), want: "initdb and postgres are missing"},
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

// TestDownloadPrograms_Cancelled checks that Open returns Stopped if its context ends during the download.
func TestDownloadPrograms_Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancelAndWait := http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})
	c, dir := configWithoutPrograms(t, cancelAndWait), makePublicTempDir(t)
	srv, err := c.open(ctx, dir, func(string) {})
	if err == nil {
		mustClose(t, srv)
	}
	if domain.KindOf(err) != domain.Stopped {
		t.Errorf("got kind %v: %v, want Stopped", domain.KindOf(err), err)
	}
	checkNothingUnfinished(t, dir)
}

// TestDownloadPrograms_NoNetwork checks that Open returns Transient within 10 s if it cannot reach the repository.
func TestDownloadPrograms_NoNetwork(t *testing.T) {
	for name, repository := range map[string]string{
		"connection refused": "http://127.0.0.1:1",
		"unknown host":       "https://repository.invalid/path",
		"no answer":          "http://192.0.2.1", // an address reserved for documentation
		"malformed URL":      "http://[::1/",
	} {
		t.Run(name, func(t *testing.T) {
			c := configWithoutPrograms(t, http.NotFoundHandler())
			c.repository = func() (string, error) { return repository, nil }
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			srv, err := c.open(ctx, makePublicTempDir(t), func(string) {})
			if err == nil {
				mustClose(t, srv)
			}
			if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), "is not here and cannot be downloaded") {
				t.Errorf("got kind %v: %v, want Transient", domain.KindOf(err), err)
			}
			checkAlternatives(t, err)
		})
	}
}

// TestDownloadPrograms_NoConsent checks that Open asks for the release that it needs, and without consent returns the error of consent and
// sends no request.
func TestDownloadPrograms_NoConsent(t *testing.T) {
	repo := newRepository(nil)
	c := configWithoutPrograms(t, repo)
	refused, asked := &domain.Error{Kind: domain.Invalid, Op: "download", Err: errors.New("refused")}, ""
	c.consent = func(release string) error {
		asked = release
		return refused
	}
	srv, err := c.open(t.Context(), makePublicTempDir(t), func(string) {})
	if err == nil {
		mustClose(t, srv)
	}
	if !errors.Is(err, refused) || !strings.HasPrefix(asked, "PostgreSQL 15") || repo.requests.Load() > 0 {
		t.Errorf("got error %v, the question for %q and %d requests, want refused, PostgreSQL 15 and none", err, asked, repo.requests.Load())
	}
}

// TestDownloadPrograms_OtherVersion checks that Open asks for programs of the data's major version if the machine has only those of
// another one, and says which.
func TestDownloadPrograms_OtherVersion(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	mustClose(t, c.mustOpen(t, dir))
	version := filepath.Join(dir, serverDirName, versionFile)
	for major, want := range map[string]string{
		"14": "PostgreSQL 14", // in the repository
		"12": "",              // not in the repository
	} {
		if err := os.WriteFile(version, []byte(major+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused, asked := &domain.Error{Kind: domain.Invalid, Op: "download", Err: errors.New("refused"), Hint: "x"}, ""
		c.consent = func(release string) error {
			asked = release
			return refused
		}
		var lines transcript
		_, err := c.open(t.Context(), dir, lines.report)
		if want == "" {
			checkInvalid(t, err, "needs PostgreSQL "+major)
		}
		if (asked != "") != (want != "") || !strings.Contains(err.Error(), "has only PostgreSQL") || !strings.HasPrefix(asked, want) {
			t.Errorf("data of %s: got error %v and the question for %q, want the question for %q", major, err, asked, want)
		}
		if report := "needs PostgreSQL " + major + ", but this machine has only PostgreSQL "; !strings.Contains(lines.String(), report) {
			t.Errorf("data of %s: got reports\n%v\nwant %q in them", major, &lines, report)
		}
	}
}

// TestLibraryRepository checks that the download library's default repository has an https URL.
func TestLibraryRepository(t *testing.T) {
	repository, err := libraryRepository()
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse(repository); err != nil || u.Scheme != "https" || u.Host == "" {
		t.Errorf("got %q, %v, want an https URL", repository, err)
	}
}

// checkAlternatives checks that the hint of err names every way in which the user can get a server.
func checkAlternatives(t *testing.T, err error) {
	t.Helper()
	for _, want := range []string{"postgresql", "DATABASE_URL", "downloads"} {
		if !strings.Contains(domain.HintOf(err), want) {
			t.Errorf("got hint %q, want %q in it", domain.HintOf(err), want)
		}
	}
}

// checkNothingUnfinished checks that the server's folder in dir has only files and folders with their final names.
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
			t.Errorf("got the unfinished file or folder %s, want none", entry.Name())
		}
	}
}

// TestChoosePrograms_MatchDataVersion checks that Open uses the programs of the version that made the data, even if newer programs
// are installed. If only newer programs are installed and none can be downloaded, the error must name both versions.
func TestChoosePrograms_MatchDataVersion(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	first := c.mustOpen(t, dir)
	firstPrograms, err := first.dir.inspectPrograms(t.Context(), first.Bin())
	if err != nil {
		t.Fatal(err)
	}
	dataVersion := firstPrograms.majorVersion()
	mustClose(t, first)
	const newerVersion = "99.1"
	newerBin := writeFakePrograms(t, newerVersion)

	c.programDirs = func() []string { return []string{newerBin, first.Bin()} }
	second := c.mustOpen(t, dir)
	if second.Bin() != first.Bin() {
		t.Errorf("got the programs in %s, want %s", second.Bin(), first.Bin())
	}
	mustClose(t, second)

	c.programDirs = func() []string { return []string{newerBin} }
	_, err = c.open(t.Context(), dir, func(string) {})
	for _, want := range []string{"PostgreSQL " + dataVersion, "this machine has only PostgreSQL " + newerVersion} {
		if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), want) {
			t.Errorf("got kind %v: %v, want Transient and %q", domain.KindOf(err), err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, serverDirName, versionFile)); err != nil {
		t.Error(err)
	}
}

// TestMajorVersion checks the result of majorVersion for a version before PostgreSQL 10 and for later versions.
func TestMajorVersion(t *testing.T) {
	for version, want := range map[string]string{"9.6.24": "9.6", "10.23": "10", "15.18": "15", "18": "18"} {
		if got := (programs{version: version}).majorVersion(); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
	}
}

// writeFakePrograms writes two programs initdb and postgres that only print their version. It returns their folder.
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
