package main

import (
	"math"
	"runtime/debug"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
)

// TestMemoryLimit checks that the limit is four times the largest page plus 16 MiB, and at least 64 MiB.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, tt := range []struct{ maxPageBytes, want int64 }{
		{1024, 64 * mib},
		{1_000_000, 64 * mib},
		{12 * mib, 64 * mib},          // the largest page with the minimum limit
		{12*mib + 1, 64*mib + 4},      // one byte more adds four
		{16 * mib, (4*16 + 16) * mib}, // the default of --max-page-bytes
		{1024 * mib, (4*1024 + 16) * mib},
	} {
		if got := memoryLimit(tt.maxPageBytes); got != tt.want {
			t.Errorf("memoryLimit(%d): got %d, want %d", tt.maxPageBytes, got, tt.want)
		}
	}
}

// TestLimitMemory_OnlyForRun checks that `pawl run` limits the memory and that `pawl verify --against-api` does not. The test must not
// run in parallel, because the limit is that of the whole process.
func TestLimitMemory_OnlyForRun(t *testing.T) { //nolint:paralleltest // it changes the limit of the process
	const (
		noLimit  = math.MaxInt64
		onlyRead = -1
	)
	limitBefore := debug.SetMemoryLimit(noLimit)
	defer debug.SetMemoryLimit(limitBefore)
	settings := cli.Settings{ // no request is sent
		APIBaseURL: "http://127.0.0.1:9/api/v1", APIKey: "k", MaxPageBytes: 1 << 20, PageSize: 1, Timeout: time.Second,
	}
	if _, err := newVerifyOptions(settings, cli.VerifyOptions{AgainstAPI: true}, nil, datasync.DataSync(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if limit := debug.SetMemoryLimit(onlyRead); limit != noLimit {
		t.Errorf("verify: got a memory limit of %d bytes, want none", limit)
	}
	if _, err := newRunClient(settings, datasync.DataSync()); err != nil {
		t.Fatal(err)
	}
	if limit := debug.SetMemoryLimit(onlyRead); limit == noLimit {
		t.Error("run: got no memory limit, want one")
	}
}
