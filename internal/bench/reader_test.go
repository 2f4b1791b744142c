package main

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// TestFindCursor checks the cursors that are found in some pages. A record may have a field nextCursor too.
func TestFindCursor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ page, want string }{
		"a cursor":                   {`{"data":[],"pagination":{"hasMore":true,"nextCursor":"abc","limit":2}}`, "abc"},
		"the last page":              {`{"data":[],"pagination":{"hasMore":false,"nextCursor":null}}`, ""},
		"a record with such a field": {`{"data":[{"nextCursor":"no"}],"pagination":{"nextCursor":"abc"}}`, "abc"},
		"an empty page":              {``, ""},
	} {
		if got := findCursor([]byte(tt.page)); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestRunReader checks that the reader reads all pages of the mock API, and notices a wrong number of pages.
func TestRunReader(t *testing.T) {
	t.Parallel()
	cfg := mockapi.DefaultConfig()
	cfg.Events, cfg.RateLimit = 25, 0
	api, err := mockapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	defer server.Close()
	for pages, wantErr := range map[int]bool{2: true, 3: false, 4: true} { // 25 events are 3 pages of 10
		task, err := json.Marshal(readTask{URL: server.URL + "/api/v1", PageSize: 10, Pages: pages})
		if err != nil {
			t.Fatal(err)
		}
		if err := runReader(t.Context(), strings.NewReader(string(task))); (err != nil) != wantErr {
			t.Errorf("%d pages expected: got the error %v, want one: %v", pages, err, wantErr)
		}
	}
}
