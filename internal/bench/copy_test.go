package main

import (
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// TestReadPages checks which events become rows, and the page ids of the rows.
func TestReadPages(t *testing.T) {
	t.Parallel()
	const events = 250
	cfg := mockapi.DefaultConfig()
	cfg.Events = events
	api, err := mockapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		task       copyTask
		first, end int   // the events from first to end-1 are read
		wantRows   []int // the number of rows in each page
		wantPage   int64 // the id of the first page
	}{
		"all events": {
			task: copyTask{PageSize: 100}, first: 0, end: events,
			wantRows: []int{100, 100, 50}, wantPage: 1,
		},
		"the events from 100 on, which begin page 3": {
			task: copyTask{PageSize: 50}, first: 100, end: events,
			wantRows: []int{50, 50, 50}, wantPage: 100/50 + 1,
		},
		"OnlyStored with 1 per cent": {
			task: copyTask{PageSize: 100, Stored: 1, OnlyStored: true}, first: 0, end: events,
			wantRows: []int{1, 1, 1}, wantPage: 1,
		},
		"OnlyStored with 100 per cent": {
			task: copyTask{PageSize: 100, Stored: 100, OnlyStored: true}, first: 0, end: events,
			wantRows: []int{100, 100, 50}, wantPage: 1,
		},
	} {
		pages, err := readPages(api, tt.task, tt.first, tt.end)
		if err != nil {
			t.Fatal(err)
		}
		if len(pages) != len(tt.wantRows) {
			t.Errorf("%s: got %d pages, want %d", name, len(pages), len(tt.wantRows))
			continue
		}
		for i, rows := range pages {
			if len(rows) != tt.wantRows[i] {
				t.Errorf("%s: page %d: got %d rows, want %d", name, i, len(rows), tt.wantRows[i])
				continue
			}
			pageID, wantID := rows[0][len(rows[0])-1], tt.wantPage+int64(i) // the page id is the last column
			if pageID != wantID {
				t.Errorf("%s: got the page id %v, want %d", name, pageID, wantID)
			}
		}
	}
}
