package domain

import "time"

// A Place is where a pass over the stream stands: all that the next request depends on.
type Place struct {
	Pass            int64  // a pass is one walk from the head to the end; the first is 1
	Position        int64  // records received from the head in this pass
	Furthest        int64  // the greatest Position any pass has reached
	Cursor          Cursor // where the next page begins
	CursorExpiresAt time.Time
	Done            bool // the pass has reached a believed end
	AnnouncedFirst  Total
	AnnouncedLast   Total // first and latest total announced in this pass; upstream may grow while it is read
}

// After is the place behind page.
func (p Place) After(page Page) Place {
	p.Position += int64(len(page.Records))
	p.Furthest = max(p.Furthest, p.Position)
	p.Cursor = page.Next
	p.CursorExpiresAt = time.Time{}
	if page.ExpiresIn > 0 {
		p.CursorExpiresAt = page.Receipt.FetchedAt.Add(page.ExpiresIn)
	}
	p.Done = page.Last
	if page.Total.Known {
		if !p.AnnouncedFirst.Known {
			p.AnnouncedFirst = page.Total
		}
		p.AnnouncedLast = page.Total
	}
	return p
}

// NextPass is the head of the stream again. What was stored stays stored (I2), so a pass repeated costs time only.
func (p Place) NextPass() Place {
	return Place{Pass: p.Pass + 1, Furthest: p.Furthest}
}

// Expects is the number of records a pass must have received before its end is believed: the smaller of the first and
// the latest announced total, since records may be removed while they are read.
func (p Place) Expects() Total {
	if !p.AnnouncedLast.Known || p.AnnouncedFirst.N < p.AnnouncedLast.N {
		return p.AnnouncedFirst
	}
	return p.AnnouncedLast
}

// A Tally counts records by what became of them (I5).
type Tally struct {
	Received  int64 // in the pages
	Inserted  int64 // stored now
	Duplicate int64 // found stored already
	Parked    int64 // set aside as dead letters
}

// Balanced reports whether I5 holds.
func (t Tally) Balanced() bool { return t.Received == t.Inserted+t.Duplicate+t.Parked }

// Add returns the sum of both.
func (t Tally) Add(u Tally) Tally {
	return Tally{t.Received + u.Received, t.Inserted + u.Inserted, t.Duplicate + u.Duplicate, t.Parked + u.Parked}
}

// Sub returns what t counts beyond u.
func (t Tally) Sub(u Tally) Tally {
	return Tally{t.Received - u.Received, t.Inserted - u.Inserted, t.Duplicate - u.Duplicate, t.Parked - u.Parked}
}

// A Checkpoint is the durable state of a stream. Epoch and Seq are its fence (I3): Epoch names the runner that may
// write, Seq counts the pages committed.
type Checkpoint struct {
	Stream StreamID
	Origin string // what the stream reads from; once it has a page, from nothing else
	Epoch  int64
	Seq    int64

	Place
	Tally // of all passes together

	LastEventAt time.Time // time of the last event in the last page that had one, zero if none
	UpdatedAt   time.Time // when the checkpoint last moved
}
