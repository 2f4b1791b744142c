package main

import (
	"math"
	"runtime/debug"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
)

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, tt := range []struct{ maxPageBytes, want int64 }{
		{1024, 64 * mib},
		{1_000_000, 64 * mib},
		{12 * mib, 64 * mib},
		{12*mib + 1, 64*mib + 4},
		{16 * mib, 80 * mib}, // the default
		{1024 * mib, 4112 * mib},
	} {
		if got := memoryLimit(tt.maxPageBytes); got != tt.want {
			t.Errorf("memoryLimit(%d): got %d, want %d", tt.maxPageBytes, got, tt.want)
		}
	}
}

// TestLimitMemory_OnlyForRun checks that verify sets no limit: its walk stores 16 bytes for each record, and would nearly stop
// at a limit. The limit is the process's, so the test runs alone.
func TestLimitMemory_OnlyForRun(t *testing.T) { //nolint:paralleltest // see above
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	settings := cli.Settings{APIBaseURL: "http://127.0.0.1:9/api/v1", APIKey: "k", MaxPageBytes: 1 << 20, PageSize: 1, Timeout: time.Second}
	if _, err := newVerifyOptions(settings, cli.VerifyOptions{AgainstAPI: true}, nil, datasync.DataSync(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		t.Errorf("verify: got a limit of %d bytes, want none", limit)
	}
	if _, err := newRunClient(settings, datasync.DataSync()); err != nil {
		t.Fatal(err)
	}
	if limit := debug.SetMemoryLimit(-1); limit == math.MaxInt64 {
		t.Error("run: got no limit")
	}
}
