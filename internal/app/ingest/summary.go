package ingest

import (
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// summary is a run's account of itself while it goes on.
type summary struct {
	domain.Summary

	began time.Time
}

func (s *summary) add(res domain.CommitResult) {
	s.Pages++
	s.Counts = s.Counts.Add(res.Counts)
}

// at closes the account at the durable checkpoint.
func (s *summary) at(c domain.Checkpoint) domain.Summary {
	s.Pass, s.Seq, s.Done, s.Announced, s.Accounted = c.Pass, c.Seq, c.Done, c.AnnouncedLast, c.Inserted+c.Parked
	s.Elapsed = time.Since(s.began)
	return s.Summary
}
