package domain

import (
	"crypto/sha256"
	"slices"
)

// A FetchedPage is one page at its place in the stream.
type FetchedPage struct {
	From, To Position
	Page     Page
	End      End
}

// A DecodedPage is a Step whose records have been decoded: each has become an event or a reject, and what is left to do is
// to store the ones and park the others (I1).
type DecodedPage struct {
	From, To Position
	Received int            // records in the page
	Events   []DecodedEvent // in upstream order
	Rejects  []Reject       // in upstream order
	Drift    []DriftCount   // each path and kind once, in the order of the first records that have it
	Receipt  Receipt
	Hash     func(Record) RecordHash // the decoder's; nil: HashBytes

	MaxParked int // letters that the page may add; a store that finds more refuses it, see CheckRejectRatio
	End       End // how far the end of the pass may be believed; matters only if To.Done
}

// IDsHash returns the SHA-256 of the ids of the page's events and the keys of its rejects, in whatever order they came, nil
// if the page has no record. Two pages with the same hash bring the same events and rejects.
func (p DecodedPage) IDsHash() []byte {
	if len(p.Events)+len(p.Rejects) == 0 {
		return nil
	}
	hash := sha256.New()
	ids := make([]EventID, len(p.Events))
	for i, e := range p.Events {
		ids[i] = e.ID
	}
	slices.SortFunc(ids, func(a, b EventID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range ids {
		hash.Write(id[:])
	}
	keys := make([]DeadLetterKey, len(p.Rejects))
	for i, r := range p.Rejects {
		keys[i] = p.KeyOf(r)
	}
	slices.Sort(keys)
	for _, key := range keys {
		hash.Write([]byte(key))
	}
	return hash.Sum(nil)
}

// A DecodedEvent is an event with the record it was read from, which is what is parked should no row be able to hold it.
type DecodedEvent struct {
	Event

	Record Record
}

// A Batch is what one Commit stores: consecutive pages, all or nothing.
type Batch struct {
	At    Checkpoint    // as it was read: the claim and the place from which the checkpoint moves (I3)
	Pages []DecodedPage // at least one
}

// TargetSeq returns the seq that the checkpoint has once the batch is committed: every page counts one.
func (b Batch) TargetSeq() int64 { return b.At.Seq + int64(len(b.Pages)) }

// LastPage returns the batch's last page.
func (b Batch) LastPage() DecodedPage { return b.Pages[len(b.Pages)-1] }

// A CommitResult tells what one Commit did: the checkpoint it left, and its own share of the counts.
type CommitResult struct {
	Checkpoint Checkpoint
	Counts     Counts
	NewDrift   []DriftEntry // what the stream's register did not have before
}
