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
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/pgtest"
)

const (
	maxPageBytes = 16 << 20 // the default of --max-page-bytes
	maxMemory    = 4*maxPageBytes + 64<<20
)

// TestMemoryIsBounded answers with bodies that are small on the wire and would take gigabytes if they were split or decoded
// without a bound. Whatever comes, pawl stays below four times --max-page-bytes and 64 MiB.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	pageWith := func(record string) string { return pageOf(1, "", record) }
	inEvent := func(members string) string {
		return strings.Replace(fmt.Sprintf(goodEvent, 1), `"type"`, members+`"type"`, 1)
	}
	tests := []struct {
		name string
		body func() string
		code int // 0 where the page is whole, and its one record stored or parked
	}{
		{"numbers for records", func() string { return pageWith(filled("1", ",1", size)) }, 4},
		{"numbers for records, three times as many", func() string { return pageWith(filled("1", ",1", 3*size)) }, 4},
		{"numbers for records, up to the largest page", func() string { return pageWith(filled("1", ",1", maxPageBytes-1000)) }, 4},
		{"empty objects for records", func() string { return pageWith(filled("{}", ",{}", size)) }, 4},
		{"numbers for records, without an end", func() string { return `{"data":[` + filled("1", ",1", size) }, 4},
		{"unknown members beside the records", func() string { return "{" + members(size) + pageWith(inEvent(""))[1:] }, 4},
		{"a record with many unknown members", func() string { return pageWith(inEvent(members(size))) }, 0},
		{"an array in arrays for a record", func() string { return pageWith(strings.Repeat("[", size/2) + strings.Repeat("]", size/2)) }, 0},
		{"spaces without an end", func() string { return strings.Repeat(" ", 3*maxPageBytes) }, 4},
		{"an error with a long body", func() string { return strings.Repeat("x", 3*maxPageBytes) }, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			status := http.StatusOK
			if tt.code == 3 {
				status = http.StatusInternalServerError
			}
			databaseURL := pgtest.Database(t)
			env := []string{"API_BASE_URL=" + serveGzip(t, status, tt.body()), "API_KEY=k", "DATABASE_URL=" + databaseURL}
			p := start(t, env, plain+"/pawl", "run", "--tries", "2", "--page-size", "5000")
			peak := p.watchMemory(ctx)
			t.Logf("peak %d MiB", peak>>20)
			if peak > maxMemory {
				t.Fatalf("it takes more than %d MiB", maxMemory>>20)
			}
			if code := p.wait(ctx); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, p.stderr.String())
			}
			db := connect(t, databaseURL)
			if n := db.count("SELECT coalesce(sum(inserted + parked), 0) FROM pages"); (n == 1) != (tt.code == 0) {
				t.Errorf("%d records stored or parked", n)
			}
			db.addsUp()
		})
	}
}

// filled returns first and so many times more that it has about the size.
func filled(first, more string, size int) string { return first + strings.Repeat(more, size/len(more)) }

// members returns members of an object, each with a name of its own, of about the size.
func members(size int) string {
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, `"m%d":1,`, n)
	}
	return b.String()
}

// serveGzip answers each request with a body that was compressed beforehand.
func serveGzip(t *testing.T, status int, body string) (baseURL string) {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		_, _ = w.Write(packed.Bytes()) // a client may have seen enough
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// watchMemory returns the largest resident size of the process, in bytes, when it has ended. A process that takes more than
// it may is killed: it would take the machine's memory from everybody.
func (p *process) watchMemory(ctx context.Context) (peak int) {
	p.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		peak = max(peak, p.largestResident())
		if peak > maxMemory {
			p.kill()
		}
		select {
		case <-p.ended:
			return peak
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("%v does not end: %v\n%s", p.cmd.Args, ctx.Err(), p.stderr.String())
		}
	}
}

// largestResident reads how many bytes of memory the process has had at most, 0 once it has ended. The kernel keeps this
// number, so that no peak between two looks is missed while the process goes on.
func (p *process) largestResident() int {
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
