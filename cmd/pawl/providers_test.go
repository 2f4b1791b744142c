package main

import (
	"math"
	"runtime/debug"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
)

// TestMemoryLimit checks that the limit is four times the largest page plus 16 MiB, and at least 64 MiB. The 16 MiB are the documented
// 64 MiB without the reserve of 48 MiB.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, tt := range []struct{ maxPageBytes, want int64 }{
		{maxPageBytes: 1024, want: 64 * mib},
		{maxPageBytes: 1_000_000, want: 64 * mib},
		{maxPageBytes: 12 * mib, want: 64 * mib},          // 4*12 + 16 is 64
		{maxPageBytes: 12*mib + 1, want: 64*mib + 4},      // one byte more adds four
		{maxPageBytes: 16 * mib, want: (4*16 + 16) * mib}, // the default of --max-page-bytes
		{maxPageBytes: 1024 * mib, want: (4*1024 + 16) * mib},
	} {
		if got := memoryLimit(tt.maxPageBytes); got != tt.want {
			t.Errorf("memoryLimit(%d): got %d, want %d", tt.maxPageBytes, got, tt.want)
		}
	}
}

// TestLimitMemory_OnlyForRun checks that `pawl run` limits the memory and that `pawl verify --against-api` does not. The test must not
// run in parallel, because it changes the limit of the whole process.
func TestLimitMemory_OnlyForRun(t *testing.T) { //nolint:paralleltest // it changes the limit of the process
	const (
		noLimit  = math.MaxInt64
		onlyRead = -1
	)
	limitBefore := debug.SetMemoryLimit(noLimit)
	defer debug.SetMemoryLimit(limitBefore)
	settings := cli.Settings{ // of an API that gets no request
		APIBaseURL: "http://127.0.0.1:9/api/v1", APIKey: "key", MaxPageBytes: 1 << 20, PageSize: 1, Timeout: time.Second,
	}
	options := cli.VerifyOptions{AgainstAPI: true}
	if _, err := newVerifyOptions(settings, options, nil, datasync.DataSync(), nil, nil); err != nil { // nil: used only by a walk
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
