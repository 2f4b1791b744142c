package mockapi

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
)

// A cursor identifies the last item of a page and has a time at which it expires. On the wire it is unpadded base64 of
// {id, ts, v: 2, exp}, which clients must treat as opaque. That ts and exp are Unix ms is a decision [?].
type cursor struct {
	id      uuid
	at      int64 // time of the item, in Unix ms
	expires int64 // in Unix ms
}

const (
	cursorVersion = 2
	// maxCursor bounds the length of a cursor that is decoded; a minted cursor has about 130 bytes.
	maxCursor = 512
)

// String returns the cursor as it is on the wire. The two alphabets of base64 give the same text, because no three bytes
// of this JSON are encoded as one of the characters in which the alphabets differ.
func (c cursor) String() string {
	text := appendUUID([]byte(`{"id":"`), c.id)
	text = strconv.AppendInt(append(text, `","ts":`...), c.at, 10)
	text = strconv.AppendInt(append(text, `,"v":`...), cursorVersion, 10)
	text = strconv.AppendInt(append(text, `,"exp":`...), c.expires, 10)
	return base64.RawURLEncoding.EncodeToString(append(text, '}'))
}

// parseCursor parses a cursor. It returns false unless String returns exactly this text for some cursor.
func parseCursor(text string) (cursor, bool) {
	if len(text) > maxCursor {
		return cursor{}, false
	}
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return cursor{}, false
	}
	var fields struct {
		ID  string `json:"id"`
		TS  int64  `json:"ts"`
		Exp int64  `json:"exp"`
	}
	if json.Unmarshal(decoded, &fields) != nil {
		return cursor{}, false
	}
	id, err := parseUUID(fields.ID)
	c := cursor{id: id, at: fields.TS, expires: fields.Exp}
	return c, err == nil && c.String() == text
}

// mintCursor returns a new cursor that continues after index i.
func (x *exchange) mintCursor(items collection, i int) string {
	id, at := items.cursorKey(i)
	return cursor{id: id, at: at, expires: x.req.at.Add(x.req.plan.CursorTTL).UnixMilli()}.String()
}

// findStart returns the index after the item of the request's cursor, 0 without a cursor. It returns an error if the
// cursor has expired or was not minted by this server. The latter is so if the collection has no item with its id and
// time, or if the cursor expires later than any minted cursor can.
func (x *exchange) findStart(items collection) (int, *apiError) {
	if x.req.cursor == "" {
		return 0, nil
	}
	c, ok := parseCursor(x.req.cursor)
	if !ok || c.expires > x.req.at.Add(x.req.plan.maxTTL).UnixMilli() {
		return 0, invalidCursorError()
	}
	i, ok := items.find(c.id, c.at)
	if !ok {
		return 0, invalidCursorError()
	}
	if age := x.req.at.Sub(time.UnixMilli(c.expires)); age >= 0 {
		return 0, expiredCursorError(age)
	}
	return i + 1, nil
}
