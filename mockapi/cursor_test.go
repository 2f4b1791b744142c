package mockapi_test

import (
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

type wireCursor struct {
	ID  string `json:"id"`
	TS  int64  `json:"ts"`
	V   int    `json:"v"`
	Exp int64  `json:"exp"`
}

func decodeCursor(t *testing.T, cursor string) wireCursor {
	t.Helper()
	text, err := base64.RawStdEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	var c wireCursor
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func encodeCursor(c wireCursor) string {
	text := fmt.Sprintf(`{"id":%q,"ts":%d,"v":%d,"exp":%d}`, c.ID, c.TS, c.V, c.Exp)
	return base64.RawStdEncoding.EncodeToString([]byte(text))
}

// "unpadded base64 of `{id, ts, v:2, exp}`"; "`cursorExpiresIn`: whole seconds left, 116 to 120".
func TestCursorContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.Latency = 3500 * time.Millisecond })
		arrived := time.Now()
		page := getPage(t, srv, 10, "")
		last, _ := srv.Truth().Row(9)
		want := wireCursor{ID: last.ID, TS: last.OccurredAt.UnixMilli(), V: 2, Exp: arrived.Add(120 * time.Second).UnixMilli()}
		if got := decodeCursor(t, *page.Pagination.NextCursor); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got := *page.Pagination.CursorExpiresIn; got != 117 {
			t.Errorf("cursorExpiresIn %d, want 117 after 3.5 s of 120", got)
		}
	})
}

// "cursors expire 120 s after they are minted"; "Using a cursor mints a fresh next one; nothing prolongs an old one."
func TestCursorExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, nil)
		first := *getPage(t, srv, 10, "").Pagination.NextCursor
		time.Sleep(119 * time.Second)
		second := *getPage(t, srv, 10, first).Pagination.NextCursor
		time.Sleep(time.Second)
		rec := get(t, srv, eventsPath(10, first))
		wantError(t, rec, http.StatusBadRequest, "CURSOR_EXPIRED")
		if !strings.Contains(rec.Body.String(), "Cursor expired 0 minute(s) ago") {
			t.Errorf("got message %s", rec.Body)
		}
		time.Sleep(118 * time.Second)
		getPage(t, srv, 10, second)
		time.Sleep(5 * time.Minute)
		rec = get(t, srv, eventsPath(10, second))
		wantError(t, rec, http.StatusBadRequest, "CURSOR_EXPIRED")
		if !strings.Contains(rec.Body.String(), "Cursor expired 4 minute(s) ago") {
			t.Errorf("got message %s", rec.Body)
		}
	})
}

func TestCursorTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.CursorTTL = 2 * time.Second })
		page := getPage(t, srv, 10, "")
		if got := *page.Pagination.CursorExpiresIn; got != 2 {
			t.Errorf("got cursorExpiresIn %d", got)
		}
		time.Sleep(2 * time.Second)
		wantError(t, get(t, srv, eventsPath(10, *page.Pagination.NextCursor)), http.StatusBadRequest, "CURSOR_EXPIRED")
	})
}

// A change of CursorTTL does not change when existing cursors expire.
func TestCursorTTLAfterScenarioChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, nil)
		old := *getPage(t, srv, 10, "").Pagination.NextCursor
		sendScenario(t, srv, http.MethodPost, `{"cursor_ttl": "2s"}`)
		sendScenario(t, srv, http.MethodPost, `{"cursor_ttl": "1s"}`)
		fresh := *getPage(t, srv, 10, old).Pagination.NextCursor
		time.Sleep(time.Second)
		wantError(t, get(t, srv, eventsPath(10, fresh)), http.StatusBadRequest, "CURSOR_EXPIRED")
		time.Sleep(118 * time.Second)
		getPage(t, srv, 10, old)
		time.Sleep(time.Second)
		wantError(t, get(t, srv, eventsPath(10, old)), http.StatusBadRequest, "CURSOR_EXPIRED")
		sendScenario(t, srv, http.MethodPost, `{"cursor_ttl": "10m"}`)
		long := *getPage(t, srv, 10, "").Pagination.NextCursor
		getPage(t, srv, 10, long)
	})
}

// "400 `CURSOR_INVALID_FORMAT`", also for clients that "forge or edit cursors".
func TestCursorForged(t *testing.T) {
	srv := newServer(t, nil)
	minted := *getPage(t, srv, 10, "").Pagination.NextCursor
	c := decodeCursor(t, minted)
	if encodeCursor(c) != minted {
		t.Fatal("encodeCursor does not return the server's text for its own cursor")
	}
	with := func(change func(*wireCursor)) string {
		changed := c
		change(&changed)
		return encodeCursor(changed)
	}
	foreign, _ := newServer(t, func(c *mockapi.Config) { c.Seed = 9 }).Truth().Row(9)
	newer, _ := newServer(t, func(c *mockapi.Config) { c.Events = 1003 }).Truth().Row(0)
	for name, cursor := range map[string]string{
		"words":                  "not a cursor",
		"padded":                 minted + "=",
		"cut":                    minted[:len(minted)-1],
		"null":                   base64.RawStdEncoding.EncodeToString([]byte("null")),
		"spaces":                 base64.RawStdEncoding.EncodeToString([]byte(strings.Replace(decodeBase64(t, minted), ",", ", ", 1))),
		"another version":        with(func(c *wireCursor) { c.V = 1 }),
		"another time":           with(func(c *wireCursor) { c.TS++ }),
		"no id":                  with(func(c *wireCursor) { c.ID = "" }),
		"an id with another end": with(func(c *wireCursor) { c.ID = c.ID[:35] + string("10"[strings.Count(c.ID[35:], "1")]) }),
		"an id of another seed":  with(func(c *wireCursor) { c.ID, c.TS = foreign.ID, foreign.OccurredAt.UnixMilli() }),
		"an event not there yet": with(func(c *wireCursor) { c.ID, c.TS = newer.ID, newer.OccurredAt.UnixMilli() }),
		"a prolonged life":       with(func(c *wireCursor) { c.Exp += 3_600_000 }),
		"a huge text":            strings.Repeat("A", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			rec := get(t, srv, mockapi.BasePath+"/events?cursor="+strings.ReplaceAll(cursor, " ", "%20"))
			wantError(t, rec, http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
		})
	}
}

// A cursor continues after any event, also between events with the same time.
func TestCursorAtEveryEvent(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events, c.Seed = 1_000_000_000, 3 })
	start := *getPage(t, srv, 1, "").Pagination.NextCursor
	for _, from := range []int{0, 1, 123_456_789, 999_999_000} {
		for i, row := range srv.Truth().Rows(from, from+500) {
			c := decodeCursor(t, start)
			c.ID, c.TS = row.ID, row.OccurredAt.UnixMilli()
			page := getPage(t, srv, 1, encodeCursor(c))
			if next, ok := srv.Truth().Row(i + 1); !ok || page.Data[0].ID != next.ID {
				t.Fatalf("after event %d came %s, not %s", i, page.Data[0].ID, next.ID)
			}
		}
	}
}

func decodeBase64(t *testing.T, cursor string) string {
	t.Helper()
	text, err := base64.RawStdEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
