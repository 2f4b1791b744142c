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
		// The size of a number shows its unit. Each unit begins at 1 with zeros and ends at all nines.
		{value: `1769541553629`, want: recorded},
		{value: `100000000000`, want: time.UnixMilli(100_000_000_000)},
		{value: `99999999999999`, want: time.UnixMilli(99_999_999_999_999)},
		{value: `1769541553`, want: recorded.Truncate(time.Second), drift: "in seconds"},
		{value: `100000000`, want: time.Unix(100_000_000, 0), drift: "in seconds"},
		{value: `99999999999`, want: time.Unix(99_999_999_999, 0), drift: "in seconds"},
		{value: `1769541553629123`, want: recorded.Add(123 * time.Microsecond), drift: "in microseconds"},
		{value: `100000000000000`, want: time.UnixMicro(100_000_000_000_000), drift: "in microseconds"},
		{value: `99999999999999999`, want: time.UnixMicro(99_999_999_999_999_999), drift: "in microseconds"},
		{value: `1769541553629123000`, want: recorded.Add(123 * time.Microsecond), drift: "in nanoseconds"},
		{value: `100000000000000000`, want: time.Unix(100_000_000, 0), drift: "in nanoseconds"},
		{value: `1769541553629123001`, want: rejected}, // finer than a microsecond
		{value: `99999999`, want: rejected},            // in seconds, it is before 1973
		{value: `0`, want: rejected},
		{value: `-1769541553629`, want: rejected},
		{value: `1769541553629.0`, want: rejected}, // not written as a whole number
		{value: `1.769541553629e12`, want: rejected},
		{value: `123456789012345678901234567890`, want: rejected}, // beyond int64
		{value: `{}`, want: rejected},

		// A number may be in quotes.
		{value: `"1769541553629"`, want: recorded, drift: "a number in quotes"},
		{value: `"\u0031769541553629"`, want: recorded, drift: "a number in quotes"},
		{value: `"1769541553"`, want: recorded.Truncate(time.Second), drift: "in seconds,a number in quotes"},
		{value: `"0"`, want: rejected},
		{value: `"1769541553629 "`, want: rejected},
		{value: `"+1769541553629"`, want: rejected},
		{value: `"\u0661769541553629"`, want: rejected}, // an Arabic digit

		// Any other string must be a date with a zone.
		{value: `"2026-01-27T19:19:13.629Z"`, want: recorded},
		{value: `"2026-01-27T19:19:13.629\u005a"`, want: recorded},
		{value: `"2026-01-27t19:19:13.629z"`, want: recorded},
		{value: `"2026-01-27 19:19:13,629Z"`, want: recorded},
		{value: `"2026-01-27T20:49:13.629+01:30"`, want: recorded},
		{value: `"2026-01-27T20:49:13.629+0130"`, want: recorded},
		{value: `"2026-01-27T14:19:13.629-05"`, want: recorded},
		{value: `"2026-01-27T19:19:13.629-00:00"`, want: recorded},
		{value: `"2026-01-27T19:19:13Z"`, want: recorded.Truncate(time.Second)},
		{value: `"2026-01-27T19:19:13.629123Z"`, want: recorded.Add(123 * time.Microsecond)},
		{value: `"2026-01-27T19:19:13.629123000Z"`, want: recorded.Add(123 * time.Microsecond)},
		{value: `"2026-01-27T19:19:13.6291234Z"`, want: rejected}, // finer than a microsecond
		{value: `"2026-01-27T19:19:13.000000001Z"`, want: rejected},
		{value: `"2024-02-29T00:00:00Z"`, want: time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
		{value: `"2026-02-29T00:00:00Z"`, want: rejected},
		{value: `"2026-13-01T00:00:00Z"`, want: rejected},
		{value: `"2026-00-01T00:00:00Z"`, want: rejected},
		{value: `"2026-01-00T00:00:00Z"`, want: rejected},
		{value: `"2026-01-27T24:00:00Z"`, want: rejected},
		{value: `"2026-01-27T19:60:00Z"`, want: rejected},
		{value: `"2016-12-31T23:59:60Z"`, want: rejected}, // a leap second
		{value: `"0000-01-01T00:00:00Z"`, want: rejected},
		{value: `"9999-12-31T23:59:59-01:00"`, want: rejected}, // in UTC, it is in the year 10000
		{value: `"2026-01-27T19:19:13.629"`, want: rejected},   // no zone
		{value: `"2026-01-27T19:19:13.Z"`, want: rejected},
		{value: `"2026-01-27T19:19:13.629ZZ"`, want: rejected},
		{value: `"2026-01-27T19:19:13.629+24:00"`, want: rejected},
		{value: `"2026-01-27T19:19:13.629+01:60"`, want: rejected},
		{value: `"2026-01-27T19:19:13.629+1"`, want: rejected},
		{value: `"2026-01-27T19:19:13.629UTC"`, want: rejected},
		{value: `"2026-01-27T19:19Z"`, want: rejected},
		{value: `"2026-01-27"`, want: rejected},
		{value: `"27/01/2026 19:19:13Z"`, want: rejected},
		{value: `"+026-01-27T19:19:13Z"`, want: rejected},
		{value: `"2026-01-27T19:19:13.629Z\u200b"`, want: rejected}, // an invisible character at the end
		{value: `"\ufeff2026-01-27T19:19:13.629Z"`, want: rejected}, // a byte order mark
		{value: `" 2026-01-27T19:19:13.629Z"`, want: rejected},
		{value: `"now"`, want: rejected},
		{value: `""`, want: rejected},
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
