package domaintest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A LineDecoder is a domain.Decoder for tests: a payload is a number, like "17", which becomes the event of EventID(17).
// A word behind the number, as in "17 colour", is an unexpected field of that name. Any other payload is rejected.
type LineDecoder struct {
	Accepts string // what may stand before the number: one kind of record more
}

// EventID is the id of the n-th event.
func EventID(n uint64) domain.EventID {
	var id domain.EventID
	copy(id[:8], "pawltest")
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

// Hash implements domain.Decoder: a record may come with spaces behind it.
func (LineDecoder) Hash(r domain.Record) domain.RecordHash {
	return sha256.Sum256(bytes.TrimRight(r.Payload, " "))
}

// Decode implements domain.Decoder.
func (d LineDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	number, unexpected, drifted := strings.Cut(string(r.Payload), " ")
	number = strings.TrimPrefix(number, d.Accepts)
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return domain.Event{}, nil, &domain.Rejection{
			Reason: "not a number", Detail: strconv.QuoteToASCII(fmt.Sprintf("%.40s", number)),
		}
	}
	event := domain.Event{
		ID: EventID(n), SessionID: EventID(n / 5), UserID: EventID(n / 50), Type: "click", Name: "event_" + number,
		Properties: []byte(`{"n":` + strconv.FormatUint(n, 10) + `}`), OccurredAt: time.UnixMilli(1_769_541_553_000 + int64(n)).UTC(),
		DeviceType: "desktop", Browser: "Firefox",
	}
	if !drifted {
		return event, nil, nil
	}
	event.Extra, _ = json.Marshal(map[string]bool{unexpected: true})
	return event, []domain.Drift{{Path: unexpected, Kind: "new field", Value: []byte("true")}}, nil
}
