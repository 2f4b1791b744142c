package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// readerName is the name of a bare client that reads all pages of the API, finds each cursor, and does nothing else.
const readerName = "reader"

// A readTask says what the reader reads.
type readTask struct {
	URL      string // of the API
	PageSize int
	Pages    int // the number of pages that the API must have
}

// runReader reads a readTask as JSON, and then all pages of the API. It returns an error if there are more or fewer than task.Pages.
func runReader(ctx context.Context, in io.Reader) error {
	var task readTask
	if err := json.NewDecoder(in).Decode(&task); err != nil {
		return err
	}
	var body bytes.Buffer
	query := url.Values{"limit": {strconv.Itoa(task.PageSize)}}
	for pages := 1; ; pages++ {
		body.Reset()
		if err := readPage(ctx, task.URL+"/events?"+query.Encode(), &body); err != nil {
			return err
		}
		cursor := findCursor(body.Bytes())
		if cursor == "" {
			if pages != task.Pages {
				return fmt.Errorf("the API has %d pages, want %d", pages, task.Pages)
			}
			return nil
		}
		query.Set("cursor", cursor)
	}
}

func readPage(ctx context.Context, address string, body *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", apiKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // the body was only read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, res.Status)
	}
	_, err = body.ReadFrom(res.Body)
	return err
}

// findCursor returns the cursor of the next page, or "" on the last page. It takes the last field nextCursor, because the records, which
// come first in a page, may have such a field too.
func findCursor(page []byte) string {
	const name = `"nextCursor":"`
	start := bytes.LastIndex(page, []byte(name))
	if start < 0 {
		return ""
	}
	cursor, _, _ := bytes.Cut(page[start+len(name):], []byte(`"`))
	return string(cursor)
}
