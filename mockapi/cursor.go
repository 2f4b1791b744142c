package mockapi

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
)

// A cursor contains the id and the time of the last item of a page, and the time at which the cursor expires. On the wire
// it is unpadded base64 of {id, ts, v: 2, exp}. Clients must treat this text as opaque. It is unknown in which unit the
// service writes ts and exp. The mock uses Unix ms.
type cursor struct {
	id        uuid
	timeMS    int64 // ts, the time of the item
	expiresMS int64 // exp
}

const (
	cursorVersion = 2
	// maxCursor is the maximum length of a cursor that parseCursor accepts. The server's own cursors have about 130 bytes.
	maxCursor = 512
)

// String returns the text of the cursor on the wire. A client may decode it with the standard alphabet of base64 or with
// the URL alphabet. The alphabets differ in two characters only, and the text of a cursor contains neither of them.
func (c cursor) String() string {
	text := appendUUID([]byte(`{"id":"`), c.id)
	text = strconv.AppendInt(append(text, `","ts":`...), c.timeMS, 10)
	text = strconv.AppendInt(append(text, `,"v":`...), cursorVersion, 10)
	text = strconv.AppendInt(append(text, `,"exp":`...), c.expiresMS, 10)
	return base64.RawURLEncoding.EncodeToString(append(text, '}'))
}

// parseCursor parses the text of a cursor. It returns false for a text that String cannot return.
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
	if err != nil {
		return cursor{}, false
	}
	c := cursor{id: id, timeMS: fields.TS, expiresMS: fields.Exp}
	isCanonical := c.String() == text // false for another version, or for JSON with spaces or more members
	return c, isCanonical
}

// mintCursor returns the text of a new cursor that continues after index i.
func (x *exchange) mintCursor(items collection, i int) string {
	id, timeMS := items.cursorKey(i)
	expires := x.req.arrival.Add(x.req.plan.CursorTTL)
	return cursor{id: id, timeMS: timeMS, expiresMS: expires.UnixMilli()}.String()
}

// findStart returns the index at which the requested page starts. This is the index after the item of the request's
// cursor, or 0 if the request has no cursor. findStart returns an error if the cursor has expired, or if this server cannot
// have minted it. A minted cursor has the id and time of an item. It expires at most maxTTL after this request, because
// maxTTL is the longest CursorTTL that the server has used.
func (x *exchange) findStart(items collection) (int, *apiError) {
	if x.req.cursor == "" {
		return 0, nil
	}
	c, ok := parseCursor(x.req.cursor)
	latestExpiry := x.req.arrival.Add(x.req.plan.maxTTL)
	if !ok || c.expiresMS > latestExpiry.UnixMilli() {
		return 0, invalidCursorError()
	}
	i, found := items.find(c.id, c.timeMS)
	if !found {
		return 0, invalidCursorError()
	}
	if age := x.req.arrival.Sub(time.UnixMilli(c.expiresMS)); age >= 0 {
		return 0, expiredCursorError(age)
	}
	return i + 1, nil
}
