package domain_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// The wordDecoder (decode_test.go) accepts numbers. So the first record becomes an event, and the second becomes a reject.
func ExampleFetchedPage_Decode() {
	fetched := domain.FetchedPage{Page: domain.Page{Records: []domain.Record{
		{Payload: []byte("1"), Index: 0}, {Payload: []byte("x"), Index: 1},
	}}}
	page, err := fetched.Decode(context.Background(), wordDecoder{}, nil)
	fmt.Println(page.Received, "received,", len(page.Events), "event,", len(page.Rejects), "reject:", page.Rejects[0].Why.Error(), err)
	// Output: 2 received, 1 event, 1 reject: not a number: x <nil>
}

// After returns the position at which the next request begins.
func ExamplePosition_After() {
	page := domain.Page{
		Records: make([]domain.Record, 3), Next: "c1", ExpiresIn: 2 * time.Minute, Total: domain.Total{N: 10, Known: true},
		Receipt: domain.Receipt{FetchedAt: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)},
	}
	position := domain.Position{Pass: 1}.After(page)
	fmt.Println("offset", position.Offset, "of", position.AnnouncedFirst.N,
		"cursor", position.Cursor, "until", position.CursorExpiresAt.Format(time.TimeOnly))
	// Output: offset 3 of 10 cursor c1 until 12:02:00
}

// The API announced 8 records and ends the list after 4. This end is a bad page, even if a second answer confirms it. It is
// accepted only if the user accepts a short end.
func ExampleEndEvidence_Check() {
	const stored = 4
	position := domain.Position{Pass: 1, Offset: 4, AnnouncedFirst: domain.Total{N: 8, Known: true}}
	for _, end := range []domain.EndEvidence{{}, {Confirmed: true}, {Confirmed: true, AcceptShort: true}} {
		if err := end.Check(position, stored); err != nil {
			fmt.Println(domain.KindOf(err))
		} else {
			fmt.Println("accepted")
		}
	}
	// Output:
	// bad page
	// bad page
	// accepted
}

// After another runner has claimed the stream, this runner cannot move the checkpoint.
func ExampleCheckpoint_CheckMove() {
	mine := domain.Checkpoint{Stream: domain.StreamID{Source: "datasync"}, Token: domain.UUID{1}, Epoch: 1, Seq: 7}
	durable := domain.Checkpoint{Stream: mine.Stream, Token: domain.UUID{2}, Epoch: 2, Seq: 7}
	fmt.Println(mine.CheckMove(durable))
	// Output: check claim: another runner has taken over stream datasync
}
