package mockapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/pawldata/pawl/mockapi"
)

// This example tests a client. It serves the mock with a fault, reads all pages with the client, and compares the ids with
// the truth.
func Example() {
	cfg := mockapi.DefaultConfig()
	cfg.Events, cfg.RateLimit = 250, 0
	cfg.Faults = []mockapi.Fault{{Kind: "503", At: []int{2}}} // the second request gets a 503
	api, err := mockapi.New(cfg)
	if err != nil {
		panic(err)
	}
	srv := httptest.NewServer(api)
	ids, err := readIDs(context.Background(), srv.URL+mockapi.BasePath, cfg.APIKey)
	srv.Close() // waits for the handler, so that the journal has the last request
	if err != nil {
		panic(err)
	}

	truth := api.Truth()
	equal := len(ids) == truth.Len()
	for i, row := range truth.Rows(0, len(ids)) {
		equal = equal && row.ID == ids[i]
	}
	summary := api.Journal().Summary()
	fmt.Println("events:", len(ids), "equal to the truth:", equal)
	fmt.Println("requests:", summary.Requests, "with a fault:", summary.Faults["503"])
	// The requests are three pages of 100 events at most, and one that got the fault.
	//
	// Output:
	// events: 250 equal to the truth: true
	// requests: 4 with a fault: 1
}

// readIDs is the client under test. It returns the ids of all pages, and repeats a request after a 503.
func readIDs(ctx context.Context, baseURL, key string) ([]string, error) {
	var ids []string
	for cursor := ""; ; {
		address := baseURL + "/events?cursor=" + url.QueryEscape(cursor)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return nil, err
		}
		req.Header.Set("X-API-Key", key)
		page, status, err := readPage(req)
		switch {
		case err != nil:
			return nil, err
		case status == http.StatusServiceUnavailable:
			continue
		case status != http.StatusOK:
			return nil, fmt.Errorf("status %d", status)
		}
		for _, event := range page.Data {
			ids = append(ids, event.ID)
		}
		if !page.Pagination.HasMore {
			return ids, nil
		}
		cursor = page.Pagination.NextCursor
	}
}

type examplePage struct {
	Data       []struct{ ID string }
	Pagination struct {
		HasMore    bool
		NextCursor string
	}
}

func readPage(req *http.Request) (page examplePage, status int, err error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return examplePage{}, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		err = json.NewDecoder(resp.Body).Decode(&page)
	}
	return page, resp.StatusCode, err
}

// This example prints the expected results of five records. Drifts change three of them.
func ExampleServer_Truth() {
	cfg := mockapi.DefaultConfig()
	cfg.Events = 5
	for _, rule := range []string{"timestamp-s@1", "nul@2", "duplicate@4"} {
		drift, err := mockapi.ParseDrift(rule)
		if err != nil {
			panic(err)
		}
		cfg.Drifts = append(cfg.Drifts, drift)
	}
	api, err := mockapi.New(cfg)
	if err != nil {
		panic(err)
	}
	for i, row := range api.Truth().Rows(0, cfg.Events) {
		fmt.Printf("%d %s %q %q\n", i, row.Outcome, row.Drift, row.Reason)
	}
	// Output:
	// 0 stored "" ""
	// 1 drifted "timestamp-s" ""
	// 2 parked "nul" "NUL character"
	// 3 stored "" ""
	// 4 duplicate "duplicate" ""
}
