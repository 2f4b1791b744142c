package datasync_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// sampleEvents are n events in the shape and size that were recorded: every third time is a number.
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
