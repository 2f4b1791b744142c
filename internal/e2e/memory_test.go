//go:build e2e && linux

package e2e

import (
	"bufio"
	"bytes"
	"cmp"
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
	mebibyte     = 1 << 20
	maxPageBytes = 16 * mebibyte                // the default of --max-page-bytes
	maxMemory    = 4*maxPageBytes + 64*mebibyte // the bound that pawl's documentation promises

	// The pages of TestMemoryBoundFullPages. textSize is chosen so that recordsInPage records nearly fill a page.
	pageCount     = 2
	recordsInPage = 5000
	textSize      = 2900 // bytes of text in each record
)

// TestMemoryBound checks that pawl's memory stays below maxMemory for bodies that are small when compressed, and that would take
// gigabytes if pawl decoded them without a limit.
func TestMemoryBound(t *testing.T) {
	t.Parallel()
	const size = 8 * mebibyte // of a body before compression
	tests := []struct {
		name     string
		status   int // of the API's answer; 0: 200
		body     func() string
		wantCode int // exitDone if the page is valid and its only record is stored or parked
	}{
		{
			name:     "numbers as records",
			body:     func() string { return lastPage(1, repeatUntil(size, "1", ",1")) },
			wantCode: exitData,
		},
		{
			name:     "numbers as records, three times as many",
			body:     func() string { return lastPage(1, repeatUntil(3*size, "1", ",1")) },
			wantCode: exitData,
		},
		{
			name:     "numbers as records, up to the largest page",
			body:     func() string { return lastPage(1, repeatUntil(maxPageBytes-1000, "1", ",1")) }, // 1000 for the rest of the page
			wantCode: exitData,
		},
		{
			name:     "empty objects as records",
			body:     func() string { return lastPage(1, repeatUntil(size, "{}", ",{}")) },
			wantCode: exitData,
		},
		{
			name:     "numbers as records, without an end",
			body:     func() string { return `{"data":[` + repeatUntil(size, "1", ",1") },
			wantCode: exitData,
		},
		{
			name:     "unknown members beside the records",
			body:     func() string { return pageWithMembers(manyMembers(size)) },
			wantCode: exitData,
		},
		{
			name:     "a record with many unknown members",
			body:     func() string { return lastPage(1, eventWithMembers(1, manyMembers(size))) },
			wantCode: exitDone,
		},
		{
			name:     "nested arrays as a record",
			body:     func() string { return lastPage(1, strings.Repeat("[", size/2)+strings.Repeat("]", size/2)) },
			wantCode: exitDone,
		},
		{
			name:     "spaces without an end",
			body:     func() string { return strings.Repeat(" ", 3*maxPageBytes) },
			wantCode: exitData,
		},
		{
			name:     "an error with a long body",
			status:   http.StatusInternalServerError,
			body:     func() string { return strings.Repeat("x", 3*maxPageBytes) },
			wantCode: exitRetryLater,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			databaseURL := pgtest.Database(t)
			baseURL := serveGzip(t, cmp.Or(tt.status, http.StatusOK), tt.body())
			env := []string{"API_BASE_URL=" + baseURL, "API_KEY=k", "DATABASE_URL=" + databaseURL}
			p := start(t, env, noRaceDir+"/pawl", "run", "--tries", "2", "--page-size", "5000")
			peak := p.waitMeasuringMemory(ctx)
			t.Logf("peak %d MiB", peak/mebibyte)
			if peak > maxMemory {
				t.Fatalf("memory: got a peak of %d MiB, want at most %d MiB", peak/mebibyte, maxMemory/mebibyte)
			}
			if code := p.wait(ctx); code != tt.wantCode {
				t.Errorf("exit %d, want %d: %s", code, tt.wantCode, p.stderr.String())
			}
			db := connect(t, databaseURL)
			wantRecords := 0
			if tt.wantCode == exitDone {
				wantRecords = 1
			}
			if n := db.queryInt("SELECT coalesce(sum(inserted + parked), 0) FROM pages"); n != wantRecords {
				t.Errorf("records stored or parked: got %d, want %d", n, wantRecords)
			}
			db.checkLedger()
		})
	}
}

// pageWithMembers returns a page with one valid event. The page's JSON object also has these members, each with a comma after it.
func pageWithMembers(members string) string {
	return "{" + members + strings.TrimPrefix(lastPage(1, validEvent(1)), "{")
}

// eventWithMembers returns validEvent(n) with these further members, each with a comma after it.
func eventWithMembers(n int, members string) string {
	return strings.Replace(validEvent(n), validName, members+validName, 1)
}

// waitMeasuringMemory waits until the process ends and returns its maximum resident size in bytes. It kills the process when
// this size exceeds maxMemory, so that the process cannot use up the machine's memory.
func (p *process) waitMeasuringMemory(ctx context.Context) (peak int) {
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

// maxResident returns the maximum resident size that the process has had so far, in bytes. It returns 0 if the process has ended.
// The kernel records the maximum, so maxResident does not miss a peak between two calls.
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

// TestMemoryBoundFullPages checks that pawl's memory stays below maxMemory for pages of ordinary records that are as large as
// --max-page-bytes allows, whether pawl stores or parks the records.
func TestMemoryBoundFullPages(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", textSize)
	validRecord := func(n int) string {
		return strings.Replace(validEvent(n), validProperties, `{"n":"`+text+`"}`, 1)
	}
	replaceInRecord := func(from, to string) func(int) string {
		return func(n int) string { return strings.Replace(validRecord(n), from, to, 1) }
	}
	tests := []struct {
		name          string
		earlierRecord func(n int) string // the records of an earlier run; nil: there is no earlier run
		record        func(n int) string // the records of the measured run
		column        string             // the column of the table pages that counts the records of the measured run
	}{
		{name: "valid", record: validRecord, column: "inserted"},
		{
			name:   "with unknown fields",
			record: func(n int) string { return eventWithMembers(n, manyMembers(textSize)) },
			column: "inserted",
		},
		{
			name:          "stored with other values by an earlier run",
			earlierRecord: validRecord, record: replaceInRecord(`"n":"x`, `"n":"y`),
			column: "parked",
		},
		{
			name:   "refused by PostgreSQL",
			record: replaceInRecord(`"n":"`, `"m":1e400000,"n":"`),
			column: "parked",
		},
		{
			name:   "rejected",
			record: replaceInRecord(validTimestamp, `"yesterday"`),
			column: "parked",
		},
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
				p := start(t, env, noRaceDir+"/pawl", args...)
				peak = p.waitMeasuringMemory(ctx)
				if code := p.wait(ctx); code != exitDone {
					t.Fatalf("exit %d, want %d, after a peak of %d MiB: %s", code, exitDone, peak/mebibyte, p.stderr.String())
				}
				return peak
			}
			db := connect(t, databaseURL)
			if tt.earlierRecord != nil {
				run(tt.earlierRecord, args...)
				args = append(args, "--new-pass")
			}
			peak := run(tt.record, args...)
			t.Logf("peak %d MiB", peak/mebibyte)
			if peak > maxMemory {
				t.Errorf("memory: got a peak of %d MiB, want at most %d MiB", peak/mebibyte, maxMemory/mebibyte)
			}
			lastPass := "SELECT coalesce(sum(" + tt.column + "), 0) FROM pages WHERE pass = (SELECT max(pass) FROM pages)"
			const wantRecords = pageCount * recordsInPage
			if n := db.queryInt(lastPass); n != wantRecords {
				t.Errorf("%s: got %d, want %d", tt.column, n, wantRecords)
			}
			db.checkLedger()
		})
	}
}

// A fullPagesAPI serves pages that are as large as --max-page-bytes allows.
type fullPagesAPI struct {
	t      *testing.T
	url    string
	packed atomic.Pointer[[pageCount][]byte] // the compressed bodies of the pages
}

// serveFullPages starts a fullPagesAPI. It serves until the test ends. The caller must call fill before the first request.
func serveFullPages(t *testing.T) *fullPagesAPI {
	t.Helper()
	api := &fullPagesAPI{t: t}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	api.url = server.URL
	return api
}

// fill replaces the pages. record returns the record with the number n; numbers start at 1.
func (api *fullPagesAPI) fill(record func(n int) string) {
	api.t.Helper()
	var packed [pageCount][]byte
	for i := range packed {
		records := make([]string, recordsInPage)
		for j := range records {
			records[j] = record(i*recordsInPage + j + 1)
		}
		next := "" // the last page has no cursor; each other cursor is the index of the next page
		if i < pageCount-1 {
			next = strconv.Itoa(i + 1)
		}
		body := pageOf(pageCount*recordsInPage, next, records...)
		const minPageBytes = maxPageBytes / 10 * 9
		if len(body) < minPageBytes || len(body) > maxPageBytes {
			api.t.Fatalf("size of a page: got %d bytes, want between 90 %% and 100 %% of %d", len(body), maxPageBytes)
		}
		packed[i] = gzipBody(api.t, body)
	}
	api.packed.Store(&packed)
}

// ServeHTTP implements http.Handler.
func (api *fullPagesAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.URL.Query().Get("cursor")) // the first request has no cursor and gets page 0
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(api.packed.Load()[page])
}

// repeatUntil returns first and then copies of next, about size bytes in all.
func repeatUntil(size int, first, next string) string {
	return first + strings.Repeat(next, size/len(next))
}

// manyMembers returns JSON members with different names, each followed by a comma, about size bytes in all.
func manyMembers(size int) string {
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, `"m%d":1,`, n)
	}
	return b.String()
}

// serveGzip starts an API that answers each request with the status and the compressed body. It serves until the test ends.
func serveGzip(t *testing.T, status int, body string) (baseURL string) {
	t.Helper()
	packed := gzipBody(t, body)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		_, _ = w.Write(packed) // it fails if pawl stops reading
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
