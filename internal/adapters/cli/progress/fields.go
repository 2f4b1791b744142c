package progress

import (
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Fields is s as a log line's fields; what is not known is left out.
func Fields(s Snapshot, now time.Time) []slog.Attr {
	fields := []slog.Attr{slog.Int64("events", s.Offset)}
	if s.Total.Known {
		fields = append(fields, slog.Int64("of", s.Total.N))
	}
	if share, known := s.permille(); known {
		fields = append(fields, slog.String("share", fmt.Sprintf("%d.%d%%", share/10, share%10)))
	}
	if s.PerSecond > 0 {
		fields = append(fields, slog.Float64("per_second", math.Round(s.PerSecond*10)/10))
	}
	if s.Left > 0 {
		fields = append(fields, slog.String("eta", (time.Duration(ceilSeconds(s.Left))*time.Second).String()))
		if s.LeftByQuota {
			fields = append(fields, slog.String("eta_bound_by", "rate limit"))
		}
	}
	return append(fields, slog.Int("retries", s.Retries), slog.String("state", s.words(now)))
}
