package datasync_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

func BenchmarkDecode(b *testing.B) {
	events := sampleEvents(1000)
	decoder := datasync.NewDecoder(datasync.DataSync())
	b.SetBytes(int64(len(bytes.Join(events, nil))))
	b.ReportAllocs()
	for b.Loop() {
		for i, event := range events {
			if _, _, err := decoder.Decode(domain.Record{Payload: event, Index: i}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkFetchPage(b *testing.B) {
	const pageSize = 5000 // the API's maximum
	body := fmt.Appendf(nil, `{"data":[%s],"pagination":{"limit":%d,"hasMore":true,"nextCursor":"n","cursorExpiresIn":118},`+
		`"meta":{"total":3000000,"returned":%d,"requestId":"r"}}`,
		bytes.Join(sampleEvents(pageSize), []byte(",")), pageSize, pageSize)
	client, err := datasync.New(datasync.Config{
		BaseURL: "http://api.test", Profile: datasync.DataSync(), Timeout: time.Minute, MaxPageBytes: 1 << 30,
		Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) { return respond(r, 200, nil, body), nil }),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.FetchPage(b.Context(), domain.PageRequest{Limit: pageSize}); err != nil {
			b.Fatal(err)
		}
	}
}

// sampleEvents returns n events with the form and the size of the recorded ones. The timestamp of every third event is a
// number, the others are text. Five events in a row have the same session.
func sampleEvents(n int) [][]byte {
	types := [...]string{"page_view", "click", "form_submit", "api_call", "purchase"}
	properties := [...]string{`{"page":"/home"}`, `{"clicks":10234}`, `{"in":"Zürich"}`, `{"tags":["a",1]}`, `{"tag":"a\"b\""}`}
	events := make([][]byte, n)
	for i := range events {
		occurredAt := time.UnixMilli(1_769_541_553_629 + int64(i)).UTC()
		timestamp := occurredAt.Format(`"2006-01-02T15:04:05.000Z"`)
		if i%3 == 0 {
			timestamp = strconv.FormatInt(occurredAt.UnixMilli(), 10)
		}
		session := i / 5
		events[i] = fmt.Appendf(nil, `{"id":"%08x-9dad-41d1-80b4-00c04fd430c8","sessionId":"6ba7b810-9dad-41d1-80b4-%012x",`+
			`"userId":"6ba7b812-9dad-41d1-80b4-00c04fd430c8","type":"%s","name":"event_%06x","properties":%s,"timestamp":%s,`+
			`"session":{"id":"6ba7b810-9dad-41d1-80b4-%012x","deviceType":"desktop","browser":"Firefox"}}`,
			i, session, types[i%5], i, properties[i%5], timestamp, session)
	}
	return events
}

// TestMemory_HostilePages checks how much memory is allocated while a hostile page is fetched and decoded. The memory in use
// at one time is less. The test must not run in parallel with others, because it measures the whole process.
func TestMemory_HostilePages(t *testing.T) {
	const (
		size     = maxPageBytes // nearly the size of each body
		maxAlloc = 6 * size
	)
	// fill repeats text up to n bytes. Callers leave 100 or 1000 bytes for the rest of the body.
	fill := func(text string, n int) string { return strings.Repeat(text, n/len(text)) }
	for name, data := range map[string]string{
		"numbers":                  "1" + fill(",1", size-100),
		"arrays":                   "[]" + fill(",[]", size-100),
		"objects":                  "{}" + fill(",{}", size-100),
		"one record of members":    recordAnd(members(70_000)),
		"properties of members":    recordWith("properties", "{"+members(70_000)+"}"),
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
				_, err = domain.FetchedPage{Page: page}.Decode(t.Context(), decoder)
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
