package datasync_test

import (
	"strings"
	"testing"
	"time"
)

func TestDecode_Timestamps(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 27, 19, 19, 13, 629_000_000, time.UTC)
	sinceEpoch := func(d time.Duration) time.Time { return time.Unix(0, 0).Add(d) }
	tests := []struct {
		value string
		want  time.Time // zero: rejected
		drift string    // kinds, with commas between them
	}{
		// The size of a number shows its unit.
		{`1769541553629`, at, ""},
		{`100000000000`, time.UnixMilli(100_000_000_000), ""},
		{`99999999999999`, time.UnixMilli(99_999_999_999_999), ""},
		{`1769541553`, at.Truncate(time.Second), "in seconds"},
		{`100000000`, time.Unix(100_000_000, 0), "in seconds"},
		{`99999999999`, time.Unix(99_999_999_999, 0), "in seconds"},
		{`1769541553629123`, at.Add(123 * time.Microsecond), "in microseconds"},
		{`100000000000000`, time.UnixMicro(100_000_000_000_000), "in microseconds"},
		{`99999999999999999`, time.UnixMicro(99_999_999_999_999_999), "in microseconds"},
		{`1769541553629123000`, at.Add(123 * time.Microsecond), "in nanoseconds"},
		{`100000000000000000`, sinceEpoch(100_000_000 * time.Second), "in nanoseconds"},
		{`1769541553629123001`, time.Time{}, ""}, // finer than a microsecond
		{`99999999`, time.Time{}, ""},
		{`0`, time.Time{}, ""},
		{`-1769541553629`, time.Time{}, ""},
		{`1769541553629.0`, time.Time{}, ""},
		{`1.769541553629e12`, time.Time{}, ""},
		{`123456789012345678901234567890`, time.Time{}, ""},
		{`{}`, time.Time{}, ""},

		// The same in quotes.
		{`"1769541553629"`, at, "a number in quotes"},
		{`"\u0031769541553629"`, at, "a number in quotes"},
		{`"1769541553"`, at.Truncate(time.Second), "in seconds,a number in quotes"},
		{`"0"`, time.Time{}, ""},
		{`"1769541553629 "`, time.Time{}, ""},
		{`"+1769541553629"`, time.Time{}, ""},
		{`"\u0661769541553629"`, time.Time{}, ""}, // an escape that is not a digit

		// Any other string must be a date with a zone.
		{`"2026-01-27T19:19:13.629Z"`, at, ""},
		{`"2026-01-27T19:19:13.629\u005a"`, at, ""},
		{`"2026-01-27t19:19:13.629z"`, at, ""},
		{`"2026-01-27 19:19:13,629Z"`, at, ""},
		{`"2026-01-27T20:49:13.629+01:30"`, at, ""},
		{`"2026-01-27T20:49:13.629+0130"`, at, ""},
		{`"2026-01-27T14:19:13.629-05"`, at, ""},
		{`"2026-01-27T19:19:13.629-00:00"`, at, ""},
		{`"2026-01-27T19:19:13Z"`, at.Truncate(time.Second), ""},
		{`"2026-01-27T19:19:13.629123Z"`, at.Add(123 * time.Microsecond), ""},
		{`"2026-01-27T19:19:13.629123000Z"`, at.Add(123 * time.Microsecond), ""},
		{`"2026-01-27T19:19:13.6291234Z"`, time.Time{}, ""},
		{`"2026-01-27T19:19:13.000000001Z"`, time.Time{}, ""},
		{`"2024-02-29T00:00:00Z"`, time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), ""},
		{`"2026-02-29T00:00:00Z"`, time.Time{}, ""},
		{`"2026-13-01T00:00:00Z"`, time.Time{}, ""},
		{`"2026-00-01T00:00:00Z"`, time.Time{}, ""},
		{`"2026-01-00T00:00:00Z"`, time.Time{}, ""},
		{`"2026-01-27T24:00:00Z"`, time.Time{}, ""},
		{`"2026-01-27T19:60:00Z"`, time.Time{}, ""},
		{`"2016-12-31T23:59:60Z"`, time.Time{}, ""}, // a leap second
		{`"0000-01-01T00:00:00Z"`, time.Time{}, ""},
		{`"9999-12-31T23:59:59-01:00"`, time.Time{}, ""},
		{`"2026-01-27T19:19:13.629"`, time.Time{}, ""}, // no zone
		{`"2026-01-27T19:19:13.Z"`, time.Time{}, ""},
		{`"2026-01-27T19:19:13.629ZZ"`, time.Time{}, ""},
		{`"2026-01-27T19:19:13.629+24:00"`, time.Time{}, ""},
		{`"2026-01-27T19:19:13.629+01:60"`, time.Time{}, ""},
		{`"2026-01-27T19:19:13.629+1"`, time.Time{}, ""},
		{`"2026-01-27T19:19:13.629UTC"`, time.Time{}, ""},
		{`"2026-01-27T19:19Z"`, time.Time{}, ""},
		{`"2026-01-27"`, time.Time{}, ""},
		{`"27/01/2026 19:19:13Z"`, time.Time{}, ""},
		{`"+026-01-27T19:19:13Z"`, time.Time{}, ""},
		{`"2026-01-27T19:19:13.629Z\u200b"`, time.Time{}, ""},
		{`"\ufeff2026-01-27T19:19:13.629Z"`, time.Time{}, ""},
		{`" 2026-01-27T19:19:13.629Z"`, time.Time{}, ""},
		{`"now"`, time.Time{}, ""},
		{`""`, time.Time{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			t.Parallel()
			e, drift, err := decode(with("timestamp", tt.value))
			if (err != nil) != tt.want.IsZero() {
				t.Fatalf("got error %v, want time %s", err, tt.want)
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
