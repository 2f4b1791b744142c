package domain_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A page with a record that is not a number: each record becomes an event or a reject.
func ExampleFetchedPage_Decode() {
	fetched := domain.FetchedPage{Page: domain.Page{Records: []domain.Record{
		{Payload: []byte("1"), Index: 0}, {Payload: []byte("x"), Index: 1},
	}}}
	page, err := fetched.Decode(context.Background(), wordDecoder{})
	fmt.Println(page.Received, "received,", len(page.Events), "event,", len(page.Rejects), "reject:", page.Rejects[0].Why.Error(), err)
	// Output: 2 received, 1 event, 1 reject: not a number: x <nil>
}

// The position after a page: the next request begins at its cursor.
func ExamplePosition_After() {
	page := domain.Page{
		Records: make([]domain.Record, 3), Next: "c1", ExpiresIn: 2 * time.Minute, Total: domain.Total{N: 10, Known: true},
		Receipt: domain.Receipt{FetchedAt: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)},
	}
	at := domain.Position{Pass: 1}.After(page)
	fmt.Println("offset", at.Offset, "of", at.AnnouncedFirst.N, "cursor", at.Cursor, "until", at.CursorExpiresAt.Format(time.TimeOnly))
	// Output: offset 3 of 10 cursor c1 until 12:02:00
}

// The API announced 8 records and ends the list after 4: the end is refused, a second answer or not.
func ExampleEnd_Check() {
	at := domain.Position{Pass: 1, Offset: 4, AnnouncedFirst: domain.Total{N: 8, Known: true}}
	for _, end := range []domain.End{{}, {Confirmed: true}, {Confirmed: true, AcceptShort: true}} {
		fmt.Println(domain.KindOf(end.Check(at, 4)), end.Check(at, 4) == nil)
	}
	// Output:
	// bad page false
	// bad page false
	// unknown true
}

// Another runner has claimed the stream: the checkpoint cannot be moved any more.
func ExampleCheckpoint_CheckMove() {
	mine := domain.Checkpoint{Stream: domain.StreamID{Source: "datasync"}, Token: domain.UUID{1}, Epoch: 1, Seq: 7}
	durable := domain.Checkpoint{Stream: mine.Stream, Token: domain.UUID{2}, Epoch: 2, Seq: 7}
	fmt.Println(mine.CheckMove(durable))
	// Output: check claim: another runner has taken over stream datasync
}
