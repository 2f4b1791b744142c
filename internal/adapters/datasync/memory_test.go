package datasync_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// TestMemory_HostilePages checks how much memory is allocated while a hostile page is fetched and decoded. The memory in use
// at one time is less. The test must not run in parallel with others, because it measures the whole process.
func TestMemory_HostilePages(t *testing.T) {
	const (
		size     = maxPageBytes // nearly the size of each body
		maxAlloc = 6 * size
	)
	const manyMembers = 70_000 // of 12 bytes each, and a comma: 910,000 bytes
	// fill repeats text up to n bytes. Callers leave 100 or 1000 bytes for the rest of the body.
	fill := func(text string, n int) string { return strings.Repeat(text, n/len(text)) }
	for name, data := range map[string]string{
		"numbers":                  "1" + fill(",1", size-100),
		"arrays":                   "[]" + fill(",[]", size-100),
		"objects":                  "{}" + fill(",{}", size-100),
		"one record of members":    recordAnd(members(manyMembers)),
		"properties of members":    recordWith("properties", "{"+members(manyMembers)+"}"),
		"deep arrays":              fill("[", size/2-50) + fill("]", size/2-50),
		"deep objects":             strings.Repeat(`{"a":`, size/8) + "1" + strings.Repeat("}", size/8),
		"one giant text":           recordWith("name", `"`+fill("x", size-1000)+`"`),
		"one giant escaped text":   recordWith("name", `"`+fill(`\n`, size-1000)+`"`),
		"one giant name":           recordAnd(`"` + fill(`\n`, size-1000) + `":1`),
		"one giant id":             recordWith("id", `"`+fill(`\n`, size-1000)+`"`),
		"one giant time":           recordWith("timestamp", fill("1", size-1000)),
		"one giant time in quotes": recordWith("timestamp", `"`+fill(`\n`, size-1000)+`"`),
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(`{"data":[` + data + `],"hasMore":false}`)
			if len(body) > size || len(body) < size/2 {
				t.Fatalf("got a body of %d bytes, want %d to %d", len(body), size/2, size)
			}
			client := newClient(t, func(c *datasync.Config) {
				c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
					response := respond(r, 200, nil, body)
					response.ContentLength = -1 // not known, so that the client's buffer must grow
					return response, nil
				})
			})
			decoder := datasync.NewDecoder(datasync.DataSync())
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			page, err := client.FetchPage(t.Context(), domain.PageRequest{Limit: 100})
			if err == nil {
				_, err = domain.FetchedPage{Page: page}.Decode(t.Context(), decoder, nil)
			}
			runtime.ReadMemStats(&after)
			if err != nil && domain.KindOf(err) != domain.BadPage {
				t.Errorf("got error %v, want none or BadPage", err)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > maxAlloc {
				t.Errorf("got %d bytes allocated for a body of %d, want at most %d", allocated, len(body), maxAlloc)
			}
		})
	}
}

// TestFetchPage_ReleasedMemory checks that a page is right if its body is in the memory of a released page, whether the body is longer or
// shorter, and that a page that is not released never changes.
func TestFetchPage_ReleasedMemory(t *testing.T) {
	t.Parallel()
	const unknownLength = -1
	lengths := []int{100, 300_000, 10, 299_999, 300_001, 5, 900_000, 100} // of the text in each page; the first buffer has 256 KiB
	pageText := func(i int) string { return strings.Repeat(string(rune('a'+i)), lengths[i]) }
	requests := 0
	client := newClient(t, func(c *datasync.Config) {
		c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
			response := respond(r, 200, nil, []byte(`{"data":["`+pageText(requests)+`"],"hasMore":false}`))
			if requests%2 == 1 {
				response.ContentLength = unknownLength
			}
			requests++
			return response, nil
		})
	})
	kept := map[int]domain.Page{} // the pages that are not released
	for i := range lengths {
		page, err := client.FetchPage(t.Context(), domain.PageRequest{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		kept[i] = page
		for j, page := range kept {
			if got := string(page.Records[0].Payload); got != `"`+pageText(j)+`"` {
				t.Fatalf("page %d: after page %d was fetched, it has a text of %d bytes, want its own text of %d", j, i, len(got), lengths[j])
			}
		}
		if i%3 > 0 {
			page.Release()
			delete(kept, i)
		}
	}
}
