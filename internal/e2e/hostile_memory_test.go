//go:build e2e && linux

package e2e

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
	"github.com/pawldata/pawl/mockapi"
)

// TestMemoryBoundHostileAnswers checks that pawl's memory stays flat if each answer hangs, trickles, breaks, or does not end. It prints
// the peaks.
func TestMemoryBoundHostileAnswers(t *testing.T) {
	t.Parallel()
	const withoutPages = 64 * mebibyte // the part of maxMemory that does not depend on --max-page-bytes
	for _, tt := range []struct {
		kind     mockapi.FaultKind
		wantCode int
		max      int // the greatest peak
	}{
		{kind: "hang", wantCode: exitRetryLater, max: withoutPages},
		{kind: "hang-body", wantCode: exitRetryLater, max: withoutPages},
		{kind: "trickle", wantCode: exitRetryLater, max: withoutPages},
		{kind: "trickle-headers", wantCode: exitRetryLater, max: withoutPages},
		{kind: "reset", wantCode: exitRetryLater, max: withoutPages},
		{kind: "reset-body", wantCode: exitRetryLater, max: withoutPages},
		{kind: "endless-headers", wantCode: exitRetryLater, max: withoutPages},
		{kind: "huge-body", wantCode: exitData, max: maxMemory},
		{kind: "gzip-bomb", wantCode: exitData, max: maxMemory},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			databaseURL := pgtest.Database(t)
			m := startMockProgram(t, noRaceDir+"/mockapi", "--events", "10000", "--rate-limit", "0", "--fault", string(tt.kind)+":1")
			p := start(t, m.environment(databaseURL), noRaceDir+"/pawl", "run", "--tries", "4", "--request-timeout", "1s")
			peak := p.waitMeasuringMemory(ctx)
			t.Logf("peak %d MiB", peak/mebibyte)
			if peak > tt.max {
				t.Errorf("memory: got a peak of %d MiB, want at most %d MiB", peak/mebibyte, tt.max/mebibyte)
			}
			if code := p.wait(ctx); code != tt.wantCode {
				t.Errorf("exit %d, want %d: %s", code, tt.wantCode, p.stderr.String())
			}
		})
	}
}
