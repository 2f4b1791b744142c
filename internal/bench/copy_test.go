package main

import (
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// TestReadPages checks which events become rows: of a part of the events, and of the first per cent only.
func TestReadPages(t *testing.T) {
	t.Parallel()
	cfg := mockapi.DefaultConfig()
	cfg.Events = 250
	api, err := mockapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		task       copyTask
		first, end int
		want       []int // rows of each page
		firstPage  int64 // the id of the first page
	}{
		"all":         {copyTask{PageSize: 100}, 0, 250, []int{100, 100, 50}, 1},
		"a part":      {copyTask{PageSize: 50}, 100, 250, []int{50, 50, 50}, 3},
		"1 per cent":  {copyTask{PageSize: 100, Stored: 1, OnlyStored: true}, 0, 250, []int{1, 1, 1}, 1},
		"all of them": {copyTask{PageSize: 100, Stored: 100, OnlyStored: true}, 0, 250, []int{100, 100, 50}, 1},
	} {
		pages, err := readPages(api, tt.task, tt.first, tt.end)
		if err != nil {
			t.Fatal(err)
		}
		if len(pages) != len(tt.want) {
			t.Errorf("%s: got %d pages, want %d", name, len(pages), len(tt.want))
			continue
		}
		for i, rows := range pages {
			if len(rows) != tt.want[i] {
				t.Errorf("%s: page %d: got %d rows, want %d", name, i, len(rows), tt.want[i])
				continue
			}
			if id := rows[0][len(rows[0])-1]; id != tt.firstPage+int64(i) {
				t.Errorf("%s: got the page id %v, want %d", name, id, tt.firstPage+int64(i))
			}
		}
	}
}
