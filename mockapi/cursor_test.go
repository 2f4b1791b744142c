package mockapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// A wireCursor is the JSON in a cursor.
type wireCursor struct {
	ID  string `json:"id"`
	TS  int64  `json:"ts"`
	V   int    `json:"v"`
	Exp int64  `json:"exp"`
}

func decodeCursor(t *testing.T, cursor string) wireCursor {
	t.Helper()
	var c wireCursor
	if err := json.Unmarshal(decodeBase64(t, cursor), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func decodeBase64(t *testing.T, cursor string) []byte {
	t.Helper()
	text, err := base64.RawStdEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func encodeCursor(c wireCursor) string {
	text := fmt.Sprintf(`{"id":%q,"ts":%d,"v":%d,"exp":%d}`, c.ID, c.TS, c.V, c.Exp)
	return base64.RawStdEncoding.EncodeToString([]byte(text))
}

// TestCursorContent checks that a cursor is unpadded base64 of {id, ts, v: 2, exp}, and that exp and cursorExpiresIn count
// from the arrival of the request.
func TestCursorContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withLatency(3500*time.Millisecond))
		arrival := time.Now()
		page := getPage(t, srv, 10, noCursor)
		last := truthRow(t, srv, 9)
		wantEqual(t, "cursor", decodeCursor(t, *page.Pagination.NextCursor), wireCursor{
			ID: last.ID, TS: last.OccurredAt.UnixMilli(), V: 2, Exp: arrival.Add(120 * time.Second).UnixMilli(),
		})
		// 116.5 s are left after the latency. The mock rounds them up.
		wantEqual(t, "cursorExpiresIn", *page.Pagination.CursorExpiresIn, 117)
	})
}

// TestCursorExpiry checks that a cursor expires 120 s after it was minted, that its use does not prolong it, and that its use
// mints a new cursor with a full life.
func TestCursorExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t)
		first := getNextCursor(t, srv, 10, noCursor)
		time.Sleep(119 * time.Second)
		second := getNextCursor(t, srv, 10, first)
		time.Sleep(time.Second) // first is 120 s old
		wantExpired(t, srv, first, "Cursor expired 0 minute(s) ago")
		time.Sleep(118 * time.Second) // second is 119 s old
		getPage(t, srv, 10, second)
		time.Sleep(5 * time.Minute) // second expired 4 min 59 s ago
		wantExpired(t, srv, second, "Cursor expired 4 minute(s) ago")
	})
}

// wantExpired checks that a request with the cursor gets CURSOR_EXPIRED with this message.
func wantExpired(t *testing.T, srv http.Handler, cursor, message string) {
	t.Helper()
	rec := get(t, srv, eventsPath(10, cursor))
	wantError(t, rec, http.StatusBadRequest, "CURSOR_EXPIRED")
	wantEqual(t, "message", decode[wireError](t, rec).Message, message)
}

// TestCursorTTL checks that the setting CursorTTL decides when a cursor expires.
func TestCursorTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.CursorTTL = 2 * time.Second })
		page := getPage(t, srv, 10, noCursor)
		wantEqual(t, "cursorExpiresIn", *page.Pagination.CursorExpiresIn, 2)
		time.Sleep(2 * time.Second)
		wantExpired(t, srv, *page.Pagination.NextCursor, "Cursor expired 0 minute(s) ago")
	})
}

// TestCursorTTLAfterScenarioChange checks that a change of CursorTTL does not change when existing cursors expire.
func TestCursorTTLAfterScenarioChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t)
		longCursor := getNextCursor(t, srv, 10, noCursor) // valid for 120 s
		sendScenario(t, srv, http.MethodPost, `{"cursor_ttl": "2s"}`)
		sendScenario(t, srv, http.MethodPost, `{"cursor_ttl": "1s"}`)
		shortCursor := getNextCursor(t, srv, 10, longCursor) // valid for 1 s
		time.Sleep(time.Second)
		wantExpired(t, srv, shortCursor, "Cursor expired 0 minute(s) ago")
		time.Sleep(118 * time.Second) // longCursor is 119 s old
		getPage(t, srv, 10, longCursor)
		time.Sleep(time.Second)
		wantExpired(t, srv, longCursor, "Cursor expired 0 minute(s) ago")

		// A cursor with a longer life than all cursors before it is valid too.
		sendScenario(t, srv, http.MethodPost, `{"cursor_ttl": "10m"}`)
		getPage(t, srv, 10, getNextCursor(t, srv, 10, noCursor))
	})
}

// TestCursorForged checks that a cursor that the server did not mint gets CURSOR_INVALID_FORMAT.
func TestCursorForged(t *testing.T) {
	srv := newServer(t)
	minted := getNextCursor(t, srv, 10, noCursor)
	original := decodeCursor(t, minted)
	if text := encodeCursor(original); text != minted {
		t.Fatalf("the cursor %s is %s after decoding and encoding, so changed cursors would prove nothing", minted, text)
	}
	edit := func(change func(*wireCursor)) string {
		changed := original
		change(&changed)
		return encodeCursor(changed)
	}
	// replaceEvent returns the cursor with the id and the time of another event.
	replaceEvent := func(row mockapi.Row) string {
		return edit(func(c *wireCursor) { c.ID, c.TS = row.ID, row.OccurredAt.UnixMilli() })
	}
	otherLastDigit := "0"
	if strings.HasSuffix(original.ID, otherLastDigit) {
		otherLastDigit = "1"
	}
	eventOfOtherSeed := truthRow(t, newServer(t, withSeed(9)), 9)
	futureEvent := truthRow(t, newServer(t, withEvents(serverEvents+3)), 0) // srv does not have the newest 3 of these events
	withSpace := bytes.Replace(decodeBase64(t, minted), []byte(","), []byte(", "), 1)
	for name, cursor := range map[string]string{
		"words":                      "not a cursor",
		"padding":                    minted + "=",
		"last character missing":     minted[:len(minted)-1],
		"null":                       base64.RawStdEncoding.EncodeToString([]byte("null")),
		"space in the JSON":          base64.RawStdEncoding.EncodeToString(withSpace),
		"another version":            edit(func(c *wireCursor) { c.V = 1 }),
		"another time":               edit(func(c *wireCursor) { c.TS++ }),
		"no id":                      edit(func(c *wireCursor) { c.ID = "" }),
		"id with another last digit": edit(func(c *wireCursor) { c.ID = c.ID[:len(c.ID)-1] + otherLastDigit }),
		"id of another seed":         replaceEvent(eventOfOtherSeed),
		"event of the future":        replaceEvent(futureEvent),
		"life of one hour more":      edit(func(c *wireCursor) { c.Exp += time.Hour.Milliseconds() }),
		"10,000 characters":          strings.Repeat("A", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			rec := get(t, srv, eventsPath(10, cursor))
			wantError(t, rec, http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
		})
	}
}

// TestCursorAtEveryEvent checks that a cursor can continue after any event, even between events with the same time. It uses
// ranges of events at the head, in the middle and near the end of a large collection.
func TestCursorAtEveryEvent(t *testing.T) {
	srv := newServer(t, withEvents(1_000_000_000), withSeed(3))
	cursor := decodeCursor(t, getNextCursor(t, srv, 1, noCursor)) // the loop keeps its expiry and replaces its event
	for _, from := range []int{0, 1, 123_456_789, 999_999_000} {
		for i, row := range srv.Truth().Rows(from, from+500) {
			cursor.ID, cursor.TS = row.ID, row.OccurredAt.UnixMilli()
			page := getPage(t, srv, 1, encodeCursor(cursor))
			next, ok := srv.Truth().Row(i + 1)
			if !ok || page.Data[0].ID != next.ID {
				t.Fatalf("after event %d: got event %s, want %s", i, page.Data[0].ID, next.ID)
			}
		}
	}
}
