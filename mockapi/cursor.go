package mockapi

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A cursor points after the last event of a page and says until when it does. On the wire it is unpadded base64 of
// {id, ts, v: 2, exp}, which clients must treat as opaque. That ts and exp are Unix ms is a decision [?].
type cursor struct {
	id      uuid
	at      int64
	expires int64
}

const (
	cursorVersion = 2
	// maxCursor bounds what is decoded; a minted cursor has about 130 bytes.
	maxCursor = 512
)

// String may use either alphabet of base64: no three bytes of this JSON make one of the characters in which they differ.
func (c cursor) String() string {
	text := appendUUID([]byte(`{"id":"`), c.id)
	text = strconv.AppendInt(append(text, `","ts":`...), c.at, 10)
	text = strconv.AppendInt(append(text, `,"v":`...), cursorVersion, 10)
	text = strconv.AppendInt(append(text, `,"exp":`...), c.expires, 10)
	return base64.RawURLEncoding.EncodeToString(append(text, '}'))
}

// parseCursor takes only what String could have made, byte for byte.
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

func parseUUID(text string) (uuid, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != 16 {
		return uuid{}, fmt.Errorf("%q is not a uuid", text)
	}
	var u uuid
	for i := range 8 {
		u.hi, u.lo = u.hi<<8|uint64(raw[i]), u.lo<<8|uint64(raw[8+i])
	}
	return u, nil
}

// mint makes the cursor that goes on after a place.
func (x *exchange) mintCursor(items collection, i int) string {
	id, at := items.cursorKey(i)
	return cursor{id: id, at: at, expires: x.req.at.Add(x.req.plan.CursorTTL).UnixMilli()}.String()
}

// locate is the place at which the request's cursor goes on. It condemns a cursor that nobody minted: an id or a time that
// the collection does not have, or more life than any was given.
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
