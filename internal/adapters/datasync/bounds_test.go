package datasync_test

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// fetchRecords fetches a page of n tiny records after asking for limit of them.
func fetchRecords(t *testing.T, n, limit int) (domain.Page, error) {
	t.Helper()
	body := `{"data":[1` + strings.Repeat(",1", n-1) + `],"hasMore":false}`
	client := newClient(t, func(c *datasync.Config) {
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { return respond(r, 200, nil, []byte(body)), nil })
	})
	return client.FetchPage(t.Context(), domain.PageRequest{Limit: limit})
}

func TestAPageOfFarMoreRecordsThanWereAskedForIsABadPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ limit, most int }{
		{1, 1001},
		{100, 1100},
		{999, 1999},
		{1001, 2002},
		{5000, 10_000},
		{100_000, 10_000}, // 5,000 were asked for
		{0, 10_000},
		{-1, 10_000},
	} {
		t.Run(strconv.Itoa(tt.limit), func(t *testing.T) {
			t.Parallel()
			page, err := fetchRecords(t, tt.most, tt.limit)
			if err != nil || len(page.Records) != tt.most {
				t.Errorf("%d records: %d came, error %v", tt.most, len(page.Records), err)
			}
			_, err = fetchRecords(t, tt.most+1, tt.limit)
			if domain.KindOf(err) != domain.BadPage || !strings.Contains(err.Error(), fmt.Sprintf("more than %d records", tt.most)) {
				t.Errorf("%d records: %v", tt.most+1, err)
			}
		})
	}
}

// members are n members with names of their own, each of width bytes at least.
func members(n, width int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%0*d":1`, width-3, i)
	}
	return b.String()[1:]
}

func TestRecordsOfTooManyFieldsAreRejected(t *testing.T) {
	t.Parallel()
	add := func(more string) string { return sound[:len(sound)-1] + "," + more + "}" }
	inSession := strings.Replace(sound, `"deviceType"`, members(400, 8)+`,"deviceType"`, 1)
	long := strings.Repeat("n", 600<<10)
	tests := []struct{ name, payload, reason string }{
		{"as many as may be", add(members(1000, 8)), ""},
		{"as many as may be, beside other drift", strings.Replace(add(members(1000, 8)), "1769541553629", "1769541553", 1), ""},
		{"one more", add(members(1001, 8)), "too many fields"},
		{"record and session together", inSession[:len(inSession)-1] + "," + members(601, 8) + "}", "too many fields"},
		{"properties of many members", with("properties", "{"+members(20_000, 10)+"}"), ""},
		{"properties of far too many", with("properties", "{"+members(60_000, 10)+"}"), "field names too long"},
		{"one name without end", with("properties", `{"`+long+`":1}`), "field names too long"},
		{"a long text is no name", with("name", `"`+long+`"`), ""},
		{"a text full of what looks like names", with("name", `"`+strings.Repeat(`\"a\":`, 120<<10)+`"`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, drift, err := decode(tt.payload)
			var rejection *domain.Rejection
			switch {
			case tt.reason == "" && err != nil:
				t.Errorf("rejected: %v", err)
			case tt.reason != "" && (!errors.As(err, &rejection) || rejection.Reason != tt.reason):
				t.Errorf("%v, want %q", err, tt.reason)
			case tt.reason != "" && rejection.ID != mustUUID(t, id):
				t.Errorf("the id is lost: %s", rejection.ID)
			case len(drift) > 1001:
				t.Errorf("%d drifts", len(drift))
			}
		})
	}
}

func TestEnvelopesOfTooManyMembersAreBadPages(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"beside the data":      `{"data":[],"hasMore":false,` + members(1000, 8) + "}",
		"in meta":              `{"data":[],"hasMore":false,"meta":{` + members(1001, 8) + "}}",
		"in pagination":        `{"data":[],"pagination":{"hasMore":false,` + members(1000, 8) + "}}",
		"a name without end":   `{"data":[],"hasMore":false,"` + strings.Repeat("n", 65<<10) + `":1}`,
		"a cursor without end": `{"data":[],"hasMore":true,"nextCursor":"` + strings.Repeat("n", 65<<10) + `"}`,
	} {
		if _, err := fetchBody(t, 200, body); domain.KindOf(err) != domain.BadPage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := fetchBody(t, 200, `{"data":[],"hasMore":false,`+members(990, 8)+`,"meta":{"x":{`+members(2000, 8)+"}}}"); err != nil {
		t.Errorf("many members: %v", err)
	}
}

// TestNoAnswerTakesManyTimesItsBytes counts all that is allocated while a hostile page is read and decoded, which bounds
// what is held at once. It does not run beside other tests.
func TestNoAnswerTakesManyTimesItsBytes(t *testing.T) {
	const size = 1 << 20 // of a body, which is what newClient allows at most
	fill := func(text string, room int) string { return strings.Repeat(text, room/len(text)) }
	record := func(more string) string { return sound[:len(sound)-1] + "," + more + "}" }
	for name, data := range map[string]string{
		"numbers":                  "1" + fill(",1", size-100),
		"arrays":                   "[]" + fill(",[]", size-100),
		"objects":                  "{}" + fill(",{}", size-100),
		"one record of members":    record(members(70_000, 9)),
		"properties of members":    with("properties", "{"+members(70_000, 9)+"}"),
		"deep arrays":              fill("[", size/2-50) + fill("]", size/2-50),
		"deep objects":             fill(`{"a":`, size/8*5) + "1" + strings.Repeat("}", size/8*5/5),
		"one giant text":           with("name", `"`+fill("x", size-1000)+`"`),
		"one giant escaped text":   with("name", `"`+fill(`\n`, size-1000)+`"`),
		"one giant name":           record(`"` + fill(`\n`, size-1000) + `":1`),
		"one giant id":             with("id", `"`+fill(`\n`, size-1000)+`"`),
		"one giant time":           with("timestamp", fill("1", size-1000)),
		"one giant time in quotes": with("timestamp", `"`+fill(`\n`, size-1000)+`"`),
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(`{"data":[` + data + `],"hasMore":false}`)
			if len(body) > size || len(body) < size/2 {
				t.Fatalf("a body of %d bytes", len(body))
			}
			client := newClient(t, func(c *datasync.Config) {
				c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					response := respond(r, 200, nil, body)
					response.ContentLength = -1
					return response, nil
				})
			})
			decoder := datasync.NewDecoder(datasync.DataSync())
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			page, err := client.FetchPage(t.Context(), domain.PageRequest{Limit: 100})
			if err == nil {
				_, err = domain.FetchedPage{Page: page}.Decode(t.Context(), decoder)
			}
			runtime.ReadMemStats(&after)
			if err != nil && domain.KindOf(err) != domain.BadPage {
				t.Error(err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 6*size {
				t.Errorf("a body of %d bytes took %d in all", len(body), took)
			}
		})
	}
}
