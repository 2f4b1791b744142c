package embeddedpg

import (
	"cmp"
	"context"
	"crypto/rand"
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

func TestProgramsAreDownloadedOnce(t *testing.T) {
	repo := newRepository(packPrograms(t))
	o, dir := without(t, repo), passable(t)
	var said transcript
	srv, err := o.open(t.Context(), dir, said.say)
	if err != nil {
		t.Fatalf("%v; %s", err, domain.HintOf(err))
	}
	mustQuery(t, srv.URL(), "CREATE TABLE kept ()")
	if !strings.HasPrefix(srv.Bin(), srv.home.dir) {
		t.Errorf("it runs %s", srv.Bin())
	}
	mustClose(t, srv)
	first, rest, _ := strings.Cut(said.String(), "\n")
	if !strings.Contains(first, "downloading PostgreSQL 17") {
		t.Errorf("it did not say so before:\n%v", &said)
	}
	mb := strconv.Itoa(len(repo.archive) / megabyte)
	if want := mb + " of " + mb + " MB\n"; !strings.Contains(rest, want) {
		t.Errorf("%q is missing in:\n%v", want, &said)
	}
	checkNothingUnfinished(t, dir)

	o.repository = nowhere
	again := o.mustOpen(t, dir)
	if mustQuery(t, again.URL(), "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") != 1 {
		t.Error("the data has gone")
	}
	if n := repo.requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestDownloadsThatFail(t *testing.T) {
	noise := make([]byte, 2*megabyte)
	_, _ = rand.Read(noise)
	good := newRepository(pack(t, map[string][]byte{"bin/initdb": noise, "bin/postgres": nil}))
	only := func(path string, answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, path) {
				answer(w, req)
				return
			}
			good.ServeHTTP(w, req)
		}
	}
	for name, c := range map[string]struct {
		handler http.Handler
		says    string
		stall   time.Duration // the test's own unless set
	}{
		"no such version": {http.NotFoundHandler(), "404", 0},
		"no checksum":     {only(".sha256", http.NotFound), "404", 0},
		"another checksum": {only(".sha256", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat("0", 64)))
		}), "checksums do not match", 0},
		"no answer": {only(".jar", func(_ http.ResponseWriter, req *http.Request) {
			<-req.Context().Done()
		}), "nothing came for", 300 * time.Millisecond},
		"it stalls": {only(".jar", func(w http.ResponseWriter, req *http.Request) {
			_, _ = w.Write(good.archive[:megabyte])
			_ = http.NewResponseController(w).Flush()
			<-req.Context().Done()
		}), "nothing came for", 300 * time.Millisecond},
		"it is cut off": {only(".jar", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(good.archive)))
			_, _ = w.Write(good.archive[:megabyte])
		}), "unexpected EOF", 0},
		"it is endless": {only(".jar", func(w http.ResponseWriter, _ *http.Request) {
			for chunk := make([]byte, megabyte); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}), "more than 8 MB", 0},
		"no archive":        {newRepository([]byte("<html>")), "zip", 0},
		"a damaged archive": {newRepository(zipped(t, []byte("damaged"))), "extract", 0},
		"a shorter archive": {newRepository(shortened(t, good.archive)), "extract", 0},
		"an empty archive":  {newRepository(pack(t, nil)), "initdb and postgres are missing", 0},
	} {
		t.Run(name, func(t *testing.T) {
			o, dir := without(t, c.handler), passable(t)
			o.limits.stall = cmp.Or(c.stall, o.limits.stall)
			srv, err := o.open(t.Context(), dir, func(string) {})
			if err == nil {
				mustClose(t, srv)
			}
			if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), c.says) {
				t.Errorf("kind %v: %v", domain.KindOf(err), err)
			}
			checkWaysOut(t, err)
			checkNothingUnfinished(t, dir)
		})
	}
}

func TestCancelledDownload(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o, dir := without(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})), passable(t)
	srv, err := o.open(ctx, dir, func(string) {})
	if err == nil {
		mustClose(t, srv)
	}
	if domain.KindOf(err) != domain.Stopped {
		t.Errorf("kind %v: %v", domain.KindOf(err), err)
	}
	checkNothingUnfinished(t, dir)
}

func TestNoPostgreSQLAndNoNetwork(t *testing.T) {
	for name, repository := range map[string]string{
		"refused":        "http://127.0.0.1:1",
		"no such name":   "https://repository.invalid/path",
		"black hole":     "http://192.0.2.1", // an address that is kept for documents
		"not an address": "http://[::1/",
	} {
		t.Run(name, func(t *testing.T) {
			o := without(t, http.NotFoundHandler())
			o.repository = func() (string, error) { return repository, nil }
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // for the folder too
			defer cancel()
			srv, err := o.open(ctx, passable(t), func(string) {})
			if err == nil {
				mustClose(t, srv)
			}
			checkInvalid(t, err, "no PostgreSQL here")
			checkWaysOut(t, err)
		})
	}
}

func TestLibraryStillSaysWhereItDownloadsFrom(t *testing.T) {
	repository, err := libraryRepository()
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse(repository); err != nil || u.Scheme != "https" || u.Host == "" {
		t.Errorf("%q, %v", repository, err)
	}
}

func checkWaysOut(t *testing.T, err error) {
	t.Helper()
	for _, way := range []string{"postgresql", "DATABASE_URL", "docker-compose up -d db", "downloads"} {
		if !strings.Contains(domain.HintOf(err), way) {
			t.Errorf("%q is missing in: %s", way, domain.HintOf(err))
		}
	}
}

func checkNothingUnfinished(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, homeName))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		switch entry.Name() {
		case usersLock, startLock, serverLock, clusterFolder, programsFolder, logFile, oldLogFile:
		default:
			t.Errorf("%s is left over", entry.Name())
		}
	}
}
