package datasync_test

import (
	"strings"
	"testing"
	"time"
)

// TestDecode_Timestamps checks the time and the drift of each form of a timestamp, and which forms are rejected.
func TestDecode_Timestamps(t *testing.T) {
	t.Parallel()
	recorded := time.Date(2026, 1, 27, 19, 19, 13, 629_000_000, time.UTC)
	rejected := time.Time{}
	tests := []struct {
		value string
		want  time.Time
		drift string // the kinds of drift, with commas between them
	}{
		// The size of a number shows its unit.
		{`1769541553629`, recorded, ""},
		{`100000000000`, time.UnixMilli(100_000_000_000), ""},
		{`99999999999999`, time.UnixMilli(99_999_999_999_999), ""},
		{`1769541553`, recorded.Truncate(time.Second), "in seconds"},
		{`100000000`, time.Unix(100_000_000, 0), "in seconds"},
		{`99999999999`, time.Unix(99_999_999_999, 0), "in seconds"},
		{`1769541553629123`, recorded.Add(123 * time.Microsecond), "in microseconds"},
		{`100000000000000`, time.UnixMicro(100_000_000_000_000), "in microseconds"},
		{`99999999999999999`, time.UnixMicro(99_999_999_999_999_999), "in microseconds"},
		{`1769541553629123000`, recorded.Add(123 * time.Microsecond), "in nanoseconds"},
		{`100000000000000000`, time.Unix(100_000_000, 0), "in nanoseconds"},
		{`1769541553629123001`, rejected, ""}, // finer than a microsecond
		{`99999999`, rejected, ""},
		{`0`, rejected, ""},
		{`-1769541553629`, rejected, ""},
		{`1769541553629.0`, rejected, ""},
		{`1.769541553629e12`, rejected, ""},
		{`123456789012345678901234567890`, rejected, ""},
		{`{}`, rejected, ""},

		// A number may be in quotes.
		{`"1769541553629"`, recorded, "a number in quotes"},
		{`"\u0031769541553629"`, recorded, "a number in quotes"},
		{`"1769541553"`, recorded.Truncate(time.Second), "in seconds,a number in quotes"},
		{`"0"`, rejected, ""},
		{`"1769541553629 "`, rejected, ""},
		{`"+1769541553629"`, rejected, ""},
		{`"\u0661769541553629"`, rejected, ""}, // an escape that is not a digit

		// Any other string must be a date with a zone.
		{`"2026-01-27T19:19:13.629Z"`, recorded, ""},
		{`"2026-01-27T19:19:13.629\u005a"`, recorded, ""},
		{`"2026-01-27t19:19:13.629z"`, recorded, ""},
		{`"2026-01-27 19:19:13,629Z"`, recorded, ""},
		{`"2026-01-27T20:49:13.629+01:30"`, recorded, ""},
		{`"2026-01-27T20:49:13.629+0130"`, recorded, ""},
		{`"2026-01-27T14:19:13.629-05"`, recorded, ""},
		{`"2026-01-27T19:19:13.629-00:00"`, recorded, ""},
		{`"2026-01-27T19:19:13Z"`, recorded.Truncate(time.Second), ""},
		{`"2026-01-27T19:19:13.629123Z"`, recorded.Add(123 * time.Microsecond), ""},
		{`"2026-01-27T19:19:13.629123000Z"`, recorded.Add(123 * time.Microsecond), ""},
		{`"2026-01-27T19:19:13.6291234Z"`, rejected, ""},
		{`"2026-01-27T19:19:13.000000001Z"`, rejected, ""},
		{`"2024-02-29T00:00:00Z"`, time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), ""},
		{`"2026-02-29T00:00:00Z"`, rejected, ""},
		{`"2026-13-01T00:00:00Z"`, rejected, ""},
		{`"2026-00-01T00:00:00Z"`, rejected, ""},
		{`"2026-01-00T00:00:00Z"`, rejected, ""},
		{`"2026-01-27T24:00:00Z"`, rejected, ""},
		{`"2026-01-27T19:60:00Z"`, rejected, ""},
		{`"2016-12-31T23:59:60Z"`, rejected, ""}, // a leap second
		{`"0000-01-01T00:00:00Z"`, rejected, ""},
		{`"9999-12-31T23:59:59-01:00"`, rejected, ""},
		{`"2026-01-27T19:19:13.629"`, rejected, ""}, // no zone
		{`"2026-01-27T19:19:13.Z"`, rejected, ""},
		{`"2026-01-27T19:19:13.629ZZ"`, rejected, ""},
		{`"2026-01-27T19:19:13.629+24:00"`, rejected, ""},
		{`"2026-01-27T19:19:13.629+01:60"`, rejected, ""},
		{`"2026-01-27T19:19:13.629+1"`, rejected, ""},
		{`"2026-01-27T19:19:13.629UTC"`, rejected, ""},
		{`"2026-01-27T19:19Z"`, rejected, ""},
		{`"2026-01-27"`, rejected, ""},
		{`"27/01/2026 19:19:13Z"`, rejected, ""},
		{`"+026-01-27T19:19:13Z"`, rejected, ""},
		{`"2026-01-27T19:19:13.629Z\u200b"`, rejected, ""},
		{`"\ufeff2026-01-27T19:19:13.629Z"`, rejected, ""},
		{`" 2026-01-27T19:19:13.629Z"`, rejected, ""},
		{`"now"`, rejected, ""},
		{`""`, rejected, ""},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			t.Parallel()
			e, drift, err := decodeRecord(recordWith("timestamp", tt.value))
			isRejected, wantRejected := err != nil, tt.want.IsZero()
			if isRejected != wantRejected {
				t.Fatalf("got error %v, want an error: %v", err, wantRejected)
			}
			if err == nil && (!e.OccurredAt.Equal(tt.want) || e.OccurredAt.Location() != time.UTC) {
				t.Errorf("got time %v, want %v in UTC", e.OccurredAt, tt.want)
			}
			var kinds []string
			for _, d := range drift {
				kinds = append(kinds, d.Kind)
				if d.Path != "timestamp" {
					t.Errorf("got drift at %s, want timestamp", d.Path)
				}
			}
			if got := strings.Join(kinds, ","); got != tt.drift {
				t.Errorf("got drift %q, want %q", got, tt.drift)
			}
		})
	}
}
