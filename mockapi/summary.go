package mockapi

import "maps"

// A Summary is the journal in numbers. It counts every request, also those whose entries were dropped.
type Summary struct {
	// Requests are the finished ones, InFlight those that have arrived and are not finished.
	Requests int `json:"requests"`
	InFlight int `json:"in_flight"`
	// Pages are the sound pages of /events that were delivered whole, Events the records in them, repeats included.
	Pages  int `json:"pages"`
	Events int `json:"events"`
	// Faults counts the requests that a fault struck, by kind.
	Faults map[FaultKind]int `json:"faults"`
	// RateLimited counts the rate limit's own 429s.
	RateLimited int `json:"rate_limited"`
	// WindowClosed and TooEarly count the entries so marked.
	WindowClosed int `json:"window_closed"`
	TooEarly     int `json:"too_early"`
	// TurnedAway counts requests without the right key or method: they have no number and no entry.
	TurnedAway int `json:"turned_away"`
	// LastSeq and LastN are the Seq and the N of the newest entry.
	LastSeq int `json:"last_seq"`
	LastN   int `json:"last_n"`
	// Complete says that the end of the collection has been delivered at least once.
	Complete bool `json:"complete"`
	// Dropped counts the entries that the journal had no room for, DriftedDropped the drifted records in entries.
	Dropped        int `json:"dropped"`
	DriftedDropped int `json:"drifted_dropped"`
	// Followed counts the requests that went where a redirect pointed, KeyLeaked those of them that took the key along.
	Followed  int `json:"followed"`
	KeyLeaked int `json:"key_leaked"`
}

// Summary is the numbers of this moment.
func (j *Journal) Summary() Summary {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.summary
	s.Faults = maps.Clone(s.Faults)
	return s
}

func (s *Summary) add(e Entry) {
	s.Requests++
	s.InFlight--
	s.LastSeq, s.LastN = e.Seq, e.N
	if e.Fault != "" {
		s.Faults[e.Fault]++
	}
	s.RateLimited += count(e.RateLimited)
	s.WindowClosed += count(e.WindowClosed)
	s.TooEarly += count(e.TooEarly)
	if e.Delivered && e.Sound && e.Endpoint == string(events) {
		s.Pages++
		s.Events += e.Returned
		s.Complete = s.Complete || e.Last
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
