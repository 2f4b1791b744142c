package domain_test

import (
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestEndCheck(t *testing.T) {
	t.Parallel()
	const unknown = -1
	tests := []struct {
		name        string
		first, last domain.Total
		position    int64
		stored      int64
		once, twice domain.Kind // of the error after one answer and after two; 0: it is believed
		accepted    domain.Kind // after two, if the user accepts a short end
	}{
		{"all is there", total(4), total(4), 4, 4, 0, 0, 0},
		{"more is there", total(4), total(4), 5, 9, 0, 0, 0},
		{"nobody announced a total", domain.Total{}, domain.Total{}, 4, 4, domain.Unconfirmed, 0, 0},
		{"nothing was announced", total(0), total(0), 0, 0, domain.Unconfirmed, 0, 0},
		{"below what was announced", total(4), total(4), 3, 3, domain.BadPage, domain.BadPage, 0},
		{"below the first total, which shrank", total(4), total(3), 3, 3, domain.BadPage, domain.BadPage, 0},
		{"the total grew", total(4), total(8), 4, 4, domain.Unconfirmed, 0, 0},
		{"the total shrank, and all of the first is there", total(4), total(3), 4, 4, 0, 0, 0},
		{"less is stored than was received", total(4), total(4), 4, 3, domain.Unconfirmed, 0, 0},
		{"the number of stored records is unknown", total(4), total(4), 4, unknown, domain.Unconfirmed, 0, 0},
		{"below the total, and the number of stored records is unknown", total(4), total(4), 3, unknown, domain.BadPage, domain.BadPage, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := domain.Position{Pass: 1, Offset: tt.position, Done: true, AnnouncedFirst: tt.first, AnnouncedLast: tt.last}
			for end, want := range map[domain.End]domain.Kind{
				{}: tt.once, {Confirmed: true}: tt.twice, {Confirmed: true, AcceptShort: true}: tt.accepted,
			} {
				err := end.Check(at, tt.stored)
				if (err != nil) != (want != 0) || (err != nil && domain.KindOf(err) != want) {
					t.Errorf("%+v: %v, want kind %s", end, err, want)
				}
			}
		})
	}
}

// TestEndCheckAcceptShort checks that AcceptShort requires a confirmed end: one glitch must not end the stream.
func TestEndCheckAcceptShort(t *testing.T) {
	t.Parallel()
	at := domain.Position{Pass: 1, Offset: 3, Done: true, AnnouncedFirst: total(4), AnnouncedLast: total(4)}
	end := domain.End{AcceptShort: true}
	if err := end.Check(at, 3); domain.KindOf(err) != domain.Unconfirmed {
		t.Errorf("after one answer: %v", err)
	}
	if !end.Accepted(at) {
		t.Error("the end is not told to be the user's")
	}
	at.Offset = 4
	if end.Accepted(at) {
		t.Error("an end at the announced total is told to be the user's")
	}
}
