//go:build e2e && linux

package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/pgtest"
)

const (
	maxPageBytes = 16 << 20 // the default of --max-page-bytes
	maxMemory    = 4*maxPageBytes + 64<<20
)

// TestMemoryBound checks that pawl's memory stays below 4 × --max-page-bytes + 64 MiB for bodies that are small when
// compressed, and that would take gigabytes if they were decoded without a limit.
func TestMemoryBound(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	pageWith := func(record string) string { return pageOf(1, "", record) }
	inEvent := func(members string) string {
		return strings.Replace(fmt.Sprintf(validEvent, 1), `"type"`, members+`"type"`, 1)
	}
	tests := []struct {
		name string
		body func() string
		code int // 0 if the page is valid and its one record is stored or parked
	}{
		{"numbers as records", func() string { return pageWith(repeatTo("1", ",1", size)) }, 4},
		{"numbers as records, three times as many", func() string { return pageWith(repeatTo("1", ",1", 3*size)) }, 4},
		{"numbers as records, up to the largest page", func() string { return pageWith(repeatTo("1", ",1", maxPageBytes-1000)) }, 4},
		{"empty objects as records", func() string { return pageWith(repeatTo("{}", ",{}", size)) }, 4},
		{"numbers as records, without an end", func() string { return `{"data":[` + repeatTo("1", ",1", size) }, 4},
		{"unknown members beside the records", func() string { return "{" + manyMembers(size) + pageWith(inEvent(""))[1:] }, 4},
		{"a record with many unknown members", func() string { return pageWith(inEvent(manyMembers(size))) }, 0},
		{"nested arrays as a record", func() string { return pageWith(strings.Repeat("[", size/2) + strings.Repeat("]", size/2)) }, 0},
		{"spaces without an end", func() string { return strings.Repeat(" ", 3*maxPageBytes) }, 4},
		{"an error with a long body", func() string { return strings.Repeat("x", 3*maxPageBytes) }, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			status := http.StatusOK
			if tt.code == 3 {
				status = http.StatusInternalServerError
			}
			databaseURL := pgtest.Database(t)
			env := []string{"API_BASE_URL=" + serveGzip(t, status, tt.body()), "API_KEY=k", "DATABASE_URL=" + databaseURL}
			p := start(t, env, withoutRace+"/pawl", "run", "--tries", "2", "--page-size", "5000")
			peak := p.watchMemory(ctx)
			t.Logf("peak %d MiB", peak>>20)
			if peak > maxMemory {
				t.Fatalf("got more than %d MiB", maxMemory>>20)
			}
			if code := p.wait(ctx); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, p.stderr.String())
			}
			db := connect(t, databaseURL)
			if n := db.count("SELECT coalesce(sum(inserted + parked), 0) FROM pages"); (n == 1) != (tt.code == 0) {
				t.Errorf("got %d records stored or parked after exit %d", n, tt.code)
			}
			db.checkLedger()
		})
	}
}

// TestMemoryBoundFullPages checks the same bound for pages of ordinary records that are as large as --max-page-bytes
// allows, whether the records are stored, parked or rejected.
func TestMemoryBoundFullPages(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", 2900)
	record := func(n int) string {
		return strings.Replace(fmt.Sprintf(validEvent, n), `{"n":1}`, `{"n":"`+text+`"}`, 1)
	}
	changed := func(from, to string) func(int) string {
		return func(n int) string { return strings.Replace(record(n), from, to, 1) }
	}
	tests := []struct {
		name           string
		before, record func(n int) string // the records of the first run, if not nil, and of the measured run
		column         string             // of pages, which counts the records
	}{
		{"valid", nil, record, "inserted"},
		{"with unknown fields", nil, func(n int) string {
			return strings.Replace(fmt.Sprintf(validEvent, n), `"type"`, manyMembers(2900)+`"type"`, 1)
		}, "inserted"},
		{"stored with other values", record, changed(`"n":"x`, `"n":"y`), "parked"},
		{"refused by PostgreSQL", nil, changed(`"n":"`, `"m":1e400000,"n":"`), "parked"},
		{"rejected", nil, changed(`1769541553629`, `"yesterday"`), "parked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			databaseURL := pgtest.Database(t)
			args := []string{"run", "--page-size", strconv.Itoa(recordsInPage), "--max-reject-ratio", "1"}
			api := serveFullPages(t)
			env := []string{"API_BASE_URL=" + api.url, "API_KEY=k", "DATABASE_URL=" + databaseURL}
			run := func(record func(int) string, args ...string) (peak int) {
				api.fill(record)
				p := start(t, env, withoutRace+"/pawl", args...)
				peak = p.watchMemory(ctx)
				if code := p.wait(ctx); code != 0 {
					t.Fatalf("exit %d after a peak of %d MiB: %s", code, peak>>20, p.stderr.String())
				}
				return peak
			}
			db := connect(t, databaseURL)
			if tt.before != nil {
				run(tt.before, args...)
				args = append(args, "--new-pass")
			}
			peak := run(tt.record, args...)
			t.Logf("peak %d MiB", peak>>20)
			if peak > maxMemory {
				t.Errorf("got more than %d MiB", maxMemory>>20)
			}
			last := "SELECT coalesce(sum(" + tt.column + "), 0) FROM pages WHERE pass = (SELECT max(pass) FROM pages)"
			if n := db.count(last); n != fullPages*recordsInPage {
				t.Errorf("%s: got %d, want %d", tt.column, n, fullPages*recordsInPage)
			}
			db.checkLedger()
		})
	}
}

const (
	fullPages     = 2
	recordsInPage = 5000
)

// A fullPagesAPI serves pages that are as large as --max-page-bytes allows.
type fullPagesAPI struct {
	t      *testing.T
	url    string
	packed atomic.Pointer[[fullPages][]byte]
}

// serveFullPages starts a fullPagesAPI without records; see fill. It serves until the test ends.
func serveFullPages(t *testing.T) *fullPagesAPI {
	t.Helper()
	api := &fullPagesAPI{t: t}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	api.url = server.URL
	return api
}

// fill sets the records of the pages. Records are numbered from 1.
func (api *fullPagesAPI) fill(record func(n int) string) {
	api.t.Helper()
	var packed [fullPages][]byte
	for i := range packed {
		records := make([]string, recordsInPage)
		for j := range records {
			records[j] = record(i*recordsInPage + j + 1)
		}
		next := ""
		if i < fullPages-1 {
			next = strconv.Itoa(i + 1)
		}
		body := pageOf(fullPages*recordsInPage, next, records...)
		if len(body) > maxPageBytes || len(body) < maxPageBytes/10*9 {
			api.t.Fatalf("a page has %d bytes, want at least 90 %% of %d and not more", len(body), maxPageBytes)
		}
		packed[i] = gzipBody(api.t, body)
	}
	api.packed.Store(&packed)
}

// ServeHTTP implements http.Handler.
func (api *fullPagesAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.URL.Query().Get("cursor")) // without a cursor 0, the first page
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(api.packed.Load()[page])
}

// repeatTo returns first followed by copies of more, about size bytes in all.
func repeatTo(first, more string, size int) string {
	return first + strings.Repeat(more, size/len(more))
}

// manyMembers returns members of an object, each with another name, about size bytes in all.
func manyMembers(size int) string {
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, `"m%d":1,`, n)
	}
	return b.String()
}

// serveGzip answers each request with the compressed body. It serves until the test ends.
func serveGzip(t *testing.T, status int, body string) (baseURL string) {
	t.Helper()
	packed := gzipBody(t, body)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		_, _ = w.Write(packed) // a client may stop reading
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func gzipBody(t *testing.T, body string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// watchMemory waits until the process ends and returns its maximum resident size in bytes. It kills a process that exceeds
// maxMemory, since that could use up the machine's memory.
func (p *process) watchMemory(ctx context.Context) (peak int) {
	p.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		peak = max(peak, p.maxResident())
		if peak > maxMemory {
			p.kill()
		}
		select {
		case <-p.ended:
			return peak
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("%v did not end: %v\n%s", p.cmd.Args, ctx.Err(), p.stderr.String())
		}
	}
}

// maxResident returns the maximum resident size of the process so far in bytes, 0 if the process has ended. The kernel
// records this maximum, so no peak between two calls is missed.
func (p *process) maxResident() int {
	p.t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kilobytes int
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return 0
}
