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
	body := fmt.Appendf(nil, `{"data":[%s],"pagination":{"limit":5000,"hasMore":true,"nextCursor":"n","cursorExpiresIn":118},`+
		`"meta":{"total":3000000,"returned":5000,"requestId":"r"}}`, bytes.Join(sampleEvents(5000), []byte(",")))
	client, err := datasync.New(datasync.Config{
		BaseURL: "http://api.test", Profile: datasync.DataSync(), Timeout: time.Minute, MaxPageBytes: 1 << 30,
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return respond(r, 200, nil, body), nil }),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.FetchPage(b.Context(), domain.PageRequest{Limit: 5000}); err != nil {
			b.Fatal(err)
		}
	}
}

// sampleEvents returns n events in the recorded form and size. Every third time is a number.
func sampleEvents(n int) [][]byte {
	types := [...]string{"page_view", "click", "form_submit", "api_call", "purchase"}
	properties := [...]string{`{"page":"/home"}`, `{"clicks":10234}`, `{"in":"Zürich"}`, `{"tags":["a",1]}`, `{"tag":"a\"b\""}`}
	events := make([][]byte, n)
	for i := range events {
		at := time.UnixMilli(1_769_541_553_629 + int64(i)).UTC()
		timestamp := at.Format(`"2006-01-02T15:04:05.000Z"`)
		if i%3 == 0 {
			timestamp = strconv.FormatInt(at.UnixMilli(), 10)
		}
		events[i] = fmt.Appendf(nil, `{"id":"%08x-9dad-41d1-80b4-00c04fd430c8","sessionId":"6ba7b810-9dad-41d1-80b4-%012x",`+
			`"userId":"6ba7b812-9dad-41d1-80b4-00c04fd430c8","type":"%s","name":"event_%06x","properties":%s,"timestamp":%s,`+
			`"session":{"id":"6ba7b810-9dad-41d1-80b4-%012x","deviceType":"desktop","browser":"Firefox"}}`,
			i, i/5, types[i%5], i, properties[i%5], timestamp, i/5)
	}
	return events
}

// TestMemory_HostilePages bounds the memory that is allocated while a hostile page is fetched and decoded. The memory in use
// at one time is less. The test must not run in parallel with others.
func TestMemory_HostilePages(t *testing.T) {
	const size = 1 << 20 // of a body; the maximum of newClient
	fill := func(text string, room int) string { return strings.Repeat(text, room/len(text)) }
	record := func(more string) string { return valid[:len(valid)-1] + "," + more + "}" }
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
				t.Fatalf("got a body of %d bytes, want up to %d", len(body), size)
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
				t.Errorf("got error %v, want none or BadPage", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 6*size {
				t.Errorf("got %d bytes allocated for a body of %d, want at most %d", took, len(body), 6*size)
			}
		})
	}
}
