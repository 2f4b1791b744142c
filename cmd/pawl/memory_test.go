package main

import (
	"math"
	"runtime/debug"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/adapters/datasync"
)

// TestOnlyARunLimitsItsMemory: a walk of verify keeps 16 bytes for each record, and would come to a stop near a limit. The
// limit is the process's, so the test runs alone.
func TestOnlyARunLimitsItsMemory(t *testing.T) { //nolint:paralleltest // see above
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	settings := cli.Settings{APIBaseURL: "http://127.0.0.1:9/api/v1", APIKey: "k", MaxPageBytes: 1 << 20, PageSize: 1, Timeout: time.Second}
	if _, err := newVerifyOptions(settings, cli.VerifyOptions{AgainstAPI: true}, nil, datasync.DataSync(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		t.Errorf("verify limits its memory to %d bytes", limit)
	}
	if _, err := newRunClient(settings, datasync.DataSync()); err != nil {
		t.Fatal(err)
	}
	if limit := debug.SetMemoryLimit(-1); limit == math.MaxInt64 {
		t.Error("a run does not limit its memory")
	}
}
