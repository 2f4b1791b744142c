package datasync_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

func TestFetchPage_CompletePages(t *testing.T) {
	t.Parallel()
	known := func(n int64) domain.Total { return domain.Total{N: n, Known: true} }
	tests := []struct {
		name, body string
		want       domain.Page // without Records and Receipt
		records    []string
	}{
		{
			"nested, as recorded", `{"data":[{"id":1},{"id":2}],"pagination":{"limit":2,"hasMore":true,"nextCursor":"n","cursorExpiresIn":118},"meta":{"total":9,"returned":2,"requestId":"r"}}`,
			domain.Page{Next: "n", ExpiresIn: 118 * time.Second, Total: known(9)},
			[]string{`{"id":1}`, `{"id":2}`},
		},
		{
			"the end, as recorded", `{"data":[],"pagination":{"limit":2,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},"meta":{"total":0,"returned":0}}`,
			domain.Page{Last: true, Total: known(0)},
			nil,
		},
		{"flat, as documented", `{"data":[1],"hasMore":true,"nextCursor":"n"}`, domain.Page{Next: "n"}, []string{"1"}},
		{"flat end", `{"data":[1],"hasMore":false,"nextCursor":null}`, domain.Page{Last: true}, []string{"1"}},
		{"flat end without a cursor", `{"data":[],"hasMore":false}`, domain.Page{Last: true}, nil},
		{"flat with meta", `{"data":[1],"hasMore":false,"meta":{"total":1}}`, domain.Page{Last: true, Total: known(1)}, []string{"1"}},
		{"nested wins over flat", `{"hasMore":false,"data":[1],"pagination":{"hasMore":true,"nextCursor":"n"},"nextCursor":"flat"}`, domain.Page{Next: "n"}, []string{"1"}},
		{"a cursor on the last page (dlt#3358)", `{"data":[1],"pagination":{"hasMore":false,"nextCursor":"n","cursorExpiresIn":9}}`, domain.Page{Last: true}, []string{"1"}},
		{"the requested cursor on the last page", `{"data":[1],"pagination":{"hasMore":false,"nextCursor":"asked"}}`, domain.Page{Last: true}, []string{"1"}},
		{"an empty page in the middle", `{"data":[],"pagination":{"hasMore":true,"nextCursor":"n"}}`, domain.Page{Next: "n"}, nil},
		{"data last", `{"meta":{"returned":1},"pagination":{"hasMore":true,"nextCursor":"n"},"data":[1]}`, domain.Page{Next: "n"}, []string{"1"}},
		{"after a byte order mark", "\ufeff" + `{"data":[1],"hasMore":false}`, domain.Page{Last: true}, []string{"1"}},
		{"space everywhere", " {\n\"data\" : [ 1 ,\t2 ] ,\r\n\"hasMore\" : false } \n", domain.Page{Last: true}, []string{"1", "2"}},
		{"unknown members", `{"data":[1],"links":{"a":[1,1],"b":{"x":1}},"pagination":{"hasMore":true,"nextCursor":"n","page":1}}`, domain.Page{Next: "n"}, []string{"1"}},
		{"names and cursor escaped", `{"d\u0061ta":[1],"pagination":{"hasMore":true,"nextCursor":"\u006e\/\""}}`, domain.Page{Next: `n/"`}, []string{"1"}},
		{"a null total and returned", `{"data":[1],"hasMore":false,"meta":{"total":null,"returned":null}}`, domain.Page{Last: true}, []string{"1"}},
		{"a negative lifetime", `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":-3}}`, domain.Page{Next: "n"}, []string{"1"}},
		{"an absurd lifetime", `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":99999999999999}}`, domain.Page{Next: "n"}, []string{"1"}},
		{"a lifetime in words", `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":"120s"}}`, domain.Page{Next: "n"}, []string{"1"}},

		// A malformed record does not make the page bad: its decoder rejects the record.
		{"a field twice", `{"data":[{"a":1,"a":2}],"hasMore":false}`, domain.Page{Last: true}, []string{`{"a":1,"a":2}`}},
		{"not UTF-8", "{\"data\":[\"\xff\",1],\"hasMore\":false}", domain.Page{Last: true}, []string{"\"\xff\"", "1"}},
		{"raw control characters", "{\"data\":[{\"a\":\"\x00\x01\n\"},1],\"hasMore\":false}", domain.Page{Last: true}, []string{"{\"a\":\"\x00\x01\n\"}", "1"}},
		{"an unknown escape", `{"data":["\x","\ud83d"],"hasMore":false}`, domain.Page{Last: true}, []string{`"\x"`, `"\ud83d"`}},
		{"a broken literal", `{"data":[nul,NaN,01],"hasMore":false}`, domain.Page{Last: true}, []string{"nul", "NaN", "01"}},
		{"depth", `{"data":[` + deep + `,1],"hasMore":false}`, domain.Page{Last: true}, []string{deep, "1"}},
		{"quotes and brackets in strings", `{"data":[{"a":"}\\\"]"},"\\"],"hasMore":false}`, domain.Page{Last: true}, []string{`{"a":"}\\\"]"}`, `"\\"`}},
		{"null among the records", `{"data":[null,[]],"hasMore":false}`, domain.Page{Last: true}, []string{"null", "[]"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page, err := fetchBody(t, 200, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if page.Next != tt.want.Next || page.Last != tt.want.Last || page.ExpiresIn != tt.want.ExpiresIn || page.Total != tt.want.Total {
				t.Errorf("got page %+v, want %+v", page, tt.want)
			}
			if page.Receipt.Bytes != int64(len(tt.body)) || page.Receipt.Status != 200 {
				t.Errorf("got receipt %+v, want status 200 and %d bytes", page.Receipt, len(tt.body))
			}
			if len(page.Records) != len(tt.records) {
				t.Fatalf("got %d records, want %d", len(page.Records), len(tt.records))
			}
			for i, r := range page.Records {
				if string(r.Payload) != tt.records[i] || r.Index != i {
					t.Errorf("record %d: got %.80q with index %d, want %.80q", i, r.Payload, r.Index, tt.records[i])
				}
			}
		})
	}
}

var deep = strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)

func TestFetchPage_BadPages(t *testing.T) {
	t.Parallel()
	const flat = `"hasMore":true,"nextCursor":"n"`
	nested := func(pagination string) string { return `{"data":[1],"pagination":` + pagination + `}` }
	meta := func(meta string) string { return `{"data":[1,2],` + flat + `,"meta":` + meta + `}` }
	tests := []struct {
		name, body, says string // says: part of the error
	}{
		{"nothing", "", "not a JSON object"},
		{"space", " \n", "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"an array", "[]", "not a JSON object"},
		{"plain text", "Service Unavailable", "not a JSON object"},
		{"two byte order marks", "\ufeff\ufeff" + last, "not a JSON object"},
		{"a byte order mark alone", "\ufeff", "not a JSON object"},
		{"cut in the envelope", last[:len(last)-1], "ends too early"},
		{"cut in a record", `{"data":[{"id":"1`, "ends too early"},
		{"cut after a record", `{"data":[{"id":1},`, "ends too early"},
		{"trailing garbage", last + "x", "follows"},
		{"two values", last + last, "follows"},
		{"a member without a value", `{"data":[],}`, "is missing at byte"},
		{"an element missing", `{"data":[1,,2],` + flat + `}`, "is missing at byte"},
		{"a comma missing", `{"data":[1 2],` + flat + `}`, "is missing at byte"},
		{"brackets that do not match", `{"data":[{"a":[1}],` + flat + `}`, "is missing at byte"},
		{"a bracket that closes something else", `{"data":[{"a":1],{"b":2}],` + flat + `}`, "is missing at byte"},
		{"a name without quotes", `{data:[]}`, "is missing at byte"},
		{"a malformed name", `{"\x":1}`, "malformed"},
		{"a malformed value beside the data", `{"data":[],` + flat + `,"x":tru}`, "not valid JSON"},
		{"no data", `{` + flat + `}`, "data is missing"},
		{"no data but an error", `{"error":"x","code":"y"}`, "data is missing"},
		{"data null (dlt#2932)", `{"data":null,` + flat + `}`, "data is null"},
		{"data as an object", `{"data":{},` + flat + `}`, "data is an object"},
		{"data as a string", `{"data":"[]",` + flat + `}`, "data is a string"},
		{"data twice", `{"data":[1],"data":[2],` + flat + `}`, `"data" twice`},
		{"data twice, once escaped", `{"data":[1],"\u0064ata":[2],` + flat + `}`, `"data" twice`},
		{"hasMore twice", `{"data":[1],` + flat + `,"hasMore":false}`, `"hasMore" twice`},
		{"no pagination at all", `{"data":[1],"meta":{"total":9,"returned":1}}`, "pagination is missing"},
		{"pagination null", nested(`null`), "pagination is null"},
		{"pagination null beside the flat form", `{"data":[1],"pagination":null,` + flat + `}`, "pagination is null"},
		{"pagination as an array", nested(`[]`), "pagination is an array"},
		{"a member of pagination twice", nested(`{"hasMore":true,"hasMore":false,"nextCursor":"n"}`), `it has "hasMore" twice`},
		{"no hasMore", nested(`{"nextCursor":"n"}`), "hasMore is missing"},
		{"no hasMore and no cursor", nested(`{"limit":100}`), "hasMore is missing"},
		{"hasMore null", nested(`{"hasMore":null,"nextCursor":null}`), "hasMore is null"},
		{"hasMore as a string", nested(`{"hasMore":"false","nextCursor":null}`), "hasMore is a string"},
		{"hasMore as a number", nested(`{"hasMore":0}`), "hasMore is a number"},
		{"flat hasMore null", `{"data":[1],"hasMore":null}`, "hasMore is null"},
		{"more without a cursor (dlt#4225)", nested(`{"hasMore":true}`), "no nextCursor"},
		{"more with a null cursor", nested(`{"hasMore":true,"nextCursor":null}`), "no nextCursor"},
		{"more with an empty cursor", nested(`{"hasMore":true,"nextCursor":""}`), "nextCursor is empty"},
		{"a cursor that is no string", nested(`{"hasMore":true,"nextCursor":17}`), "nextCursor is a number"},
		{"a cursor that cannot be stored", nested(`{"hasMore":true,"nextCursor":"a\u0000"}`), "NUL"},
		{"a cursor that does not advance", nested(`{"hasMore":true,"nextCursor":"asked"}`), "does not advance"},
		{"a flat cursor that does not advance", `{"data":[1],"hasMore":true,"nextCursor":"asked"}`, "does not advance"},
		{"a flat cursor that is not UTF-8", "{\"data\":[1],\"hasMore\":true,\"nextCursor\":\"\xff\"}", "not valid text"},
		{"fewer records than returned", meta(`{"returned":3}`), "meta.returned is 3, but data has 2"},
		{"more records than returned", meta(`{"returned":1}`), "meta.returned is 1, but data has 2"},
		{"no records though returned says so", `{"data":[],"hasMore":false,"meta":{"returned":5}}`, "meta.returned is 5"},
		{"returned as a string", meta(`{"returned":"2"}`), "meta.returned is not a whole number"},
		{"a negative total", meta(`{"total":-1}`), "meta.total is not a whole number"},
		{"a total with a fraction", meta(`{"total":2.5}`), "meta.total is not a whole number"},
		{"a total beyond int64", meta(`{"total":99999999999999999999}`), "meta.total is not a whole number"},
		{"meta null", meta(`null`), "meta is null"},
		{"meta twice in itself", meta(`{"total":1,"total":2}`), `it has "total" twice`},
		{"a body that is too large", `{"data":["` + strings.Repeat("x", 1<<20) + `"],` + flat + `}`, "1048576 allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page, err := fetchBody(t, 200, tt.body)
			if domain.KindOf(err) != domain.BadPage {
				t.Fatalf("got page %+v, error %v, want BadPage", page, err)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got error %q, want one with %q", err, tt.says)
			}
			if len(page.Records) != 0 || page.Next != "" || page.Last {
				t.Errorf("got page %+v with the error, want none", page)
			}
		})
	}
	t.Run("web page", func(t *testing.T) {
		t.Parallel()
		for _, media := range []string{"text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"} {
			if _, err := fetchBody(t, 200, last, "Content-Type", media); domain.KindOf(err) != domain.BadPage || !strings.Contains(err.Error(), "web page, not JSON") ||
				!strings.Contains(domain.HintOf(err), "API_BASE_URL") {
				t.Errorf("%s: got error %v, hint %q, want BadPage with a hint", media, err, domain.HintOf(err))
			}
		}
		for _, media := range []string{"", "text/plain", "application/problem+json", ";;"} {
			if _, err := fetchBody(t, 200, last, "Content-Type", media); err != nil {
				t.Errorf("%q: got error %v, want none", media, err)
			}
		}
	})
	t.Run("encoding that was not requested", func(t *testing.T) {
		t.Parallel()
		if _, err := fetchBody(t, 200, last, "Content-Encoding", "br"); domain.KindOf(err) != domain.BadPage {
			t.Errorf("got error %v, want BadPage", err)
		}
	})
}

// TestFetchPage_Payloads checks that each record has exactly the bytes that were sent, as a record and as a reject.
func TestFetchPage_Payloads(t *testing.T) {
	t.Parallel()
	payloads := []string{
		"{ \"id\" :\r\n\t\"\\u0061\" , \"n\\u0061me\" : [ 1 ,\t2 ] ,\r\n \"x\" : 1.0e+02 }",
		"{\r\n}", "[ ]", "[ 1 , [ { } ] ]", `"\u0061\/\"\\"`, "\"a\r\nb\"", "-0.0", "1E400", "nul", `{"a":1,"a":2}`,
		"{\"a\":\"\xff\xfe\"}", `{"a":"\ud83d"}`, "{\"a\":\"\u2028<&>\"}", strings.Replace(valid, ":", " : ", 3),
	}
	for name, join := range map[string]func([]string) string{
		"compact":     func(p []string) string { return strings.Join(p, ",") },
		"with spaces": func(p []string) string { return "\r\n " + strings.Join(p, " \r\n,\t ") + "\r\n" },
	} {
		page, err := fetchBody(t, 200, `{"data":[`+join(payloads)+`],"hasMore":false}`)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		decoded, err := domain.FetchedPage{Page: page}.Decode(t.Context(), datasync.NewDecoder(datasync.DataSync()))
		if err != nil || len(page.Records) != len(payloads) {
			t.Fatalf("%s: got %d records, error %v, want %d", name, len(page.Records), err, len(payloads))
		}
		for i, want := range payloads {
			if got := page.Records[i]; string(got.Payload) != want || got.Index != i {
				t.Errorf("%s: record %d: got %q, want %q", name, got.Index, got.Payload, want)
			}
		}
		for _, reject := range decoded.Rejects {
			if want := payloads[reject.Record.Index]; string(reject.Record.Payload) != want {
				t.Errorf("%s: reject %d: got %q, want %q", name, reject.Record.Index, reject.Record.Payload, want)
			}
		}
		if len(decoded.Rejects) != len(payloads)-1 || string(decoded.Events[0].Record.Payload) != payloads[len(payloads)-1] {
			t.Errorf("%s: got %d rejects, %d events, want the last record alone as an event", name, len(decoded.Rejects), len(decoded.Events))
		}
	}
}

func TestFetchPage_TooManyRecords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ limit, max int }{
		{1, 1001},
		{100, 1100},
		{999, 1999},
		{1001, 2002},
		{5000, 10_000},
		{100_000, 10_000}, // 5,000 are requested
		{0, 10_000},
		{-1, 10_000},
	} {
		t.Run(strconv.Itoa(tt.limit), func(t *testing.T) {
			t.Parallel()
			page, err := fetchRecords(t, tt.max, tt.limit)
			if err != nil || len(page.Records) != tt.max {
				t.Errorf("got %d records, error %v, want %d", len(page.Records), err, tt.max)
			}
			_, err = fetchRecords(t, tt.max+1, tt.limit)
			if domain.KindOf(err) != domain.BadPage || !strings.Contains(err.Error(), fmt.Sprintf("more than %d records", tt.max)) {
				t.Errorf("%d records: got error %v, want BadPage", tt.max+1, err)
			}
		})
	}
}

// fetchRecords fetches a page of n tiny records with this limit in the request.
func fetchRecords(t *testing.T, n, limit int) (domain.Page, error) {
	t.Helper()
	body := `{"data":[1` + strings.Repeat(",1", n-1) + `],"hasMore":false}`
	client := newClient(t, func(c *datasync.Config) {
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { return respond(r, 200, nil, []byte(body)), nil })
	})
	return client.FetchPage(t.Context(), domain.PageRequest{Limit: limit})
}

func TestFetchPage_TooManyMembers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"beside the data": `{"data":[],"hasMore":false,` + members(1000, 8) + "}",
		"in meta":         `{"data":[],"hasMore":false,"meta":{` + members(1001, 8) + "}}",
		"in pagination":   `{"data":[],"pagination":{"hasMore":false,` + members(1000, 8) + "}}",
		"name too long":   `{"data":[],"hasMore":false,"` + strings.Repeat("n", 65<<10) + `":1}`,
		"cursor too long": `{"data":[],"hasMore":true,"nextCursor":"` + strings.Repeat("n", 65<<10) + `"}`,
	} {
		if _, err := fetchBody(t, 200, body); domain.KindOf(err) != domain.BadPage {
			t.Errorf("%s: got error %v, want BadPage", name, err)
		}
	}
	if _, err := fetchBody(t, 200, `{"data":[],"hasMore":false,`+members(990, 8)+`,"meta":{"x":{`+members(2000, 8)+"}}}"); err != nil {
		t.Errorf("many members: got error %v, want none", err)
	}
}

// members returns n members with different names, each of at least width bytes.
func members(n, width int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%0*d":1`, width-3, i)
	}
	return b.String()[1:]
}
