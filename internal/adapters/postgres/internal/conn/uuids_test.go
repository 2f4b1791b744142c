package conn

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pawldata/pawl/internal/domain"
)

// TestEncodeUUIDs checks that encodeUUIDs appends the same bytes as pgx does by itself.
func TestEncodeUUIDs(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][]domain.UUID{
		"NULL":              nil,
		"no id":             {},
		"an id":             {{1, 2, 3}},
		"2 ids":             {{0xff}, {15: 0xff}},
		"the same id twice": {{7}, {7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			types := pgtype.NewMap()
			const before = "before" // the bytes to which the ids are appended
			want, err := types.Encode(pgtype.UUIDArrayOID, pgtype.BinaryFormatCode, ids, []byte(before))
			if err != nil {
				t.Fatal(err)
			}
			got, err := encodeUUIDs{}.Encode(ids, []byte(before))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %x, %v, want %x", got, err, want)
			}
		})
	}
}
