package conn

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pawldata/pawl/internal/domain"
)

// TestEncodeUUIDs checks that ids are encoded as pgx encodes them.
func TestEncodeUUIDs(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][]domain.UUID{
		"NULL":        nil,
		"no id":       {},
		"an id":       {{1, 2, 3}},
		"2 ids":       {{0xff}, {15: 0xff}},
		"an id again": {{7}, {7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			types := pgtype.NewMap()
			want, err := types.Encode(pgtype.UUIDArrayOID, pgtype.BinaryFormatCode, ids, []byte("before"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := encodeUUIDs{}.Encode(ids, []byte("before"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %x, %v, want %x", got, err, want)
			}
		})
	}
}
