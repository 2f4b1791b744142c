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

// TestFetchPage_CompletePages checks pages that must be accepted. dlt#3358 is an issue of the project dlt about such a page.
func TestFetchPage_CompletePages(t *testing.T) {
	t.Parallel()
	knownTotal := func(n int64) domain.Total { return domain.Total{N: n, Known: true} }
	tests := []struct {
		name, body string
		want       domain.Page // only Next, Last, ExpiresIn and Total are compared
		records    []string
	}{
		{
			name: "nested, as recorded",
			body: `{"data":[{"id":1},{"id":2}],"pagination":{"limit":2,"hasMore":true,"nextCursor":"n","cursorExpiresIn":118},` +
				`"meta":{"total":9,"returned":2,"requestId":"r"}}`,
			want:    domain.Page{Next: "n", ExpiresIn: 118 * time.Second, Total: knownTotal(9)},
			records: []string{`{"id":1}`, `{"id":2}`},
		},
		{
			name: "the end, as recorded",
			body: `{"data":[],"pagination":{"limit":2,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},` +
				`"meta":{"total":0,"returned":0}}`,
			want: domain.Page{Last: true, Total: knownTotal(0)},
		},
		{
			name: "flat, as documented", want: domain.Page{Next: "n"}, records: []string{"1"},
			body: `{"data":[1],"hasMore":true,"nextCursor":"n"}`,
		},
		{name: "flat end", body: `{"data":[1],"hasMore":false,"nextCursor":null}`, want: domain.Page{Last: true}, records: []string{"1"}},
		{name: "flat end without a cursor", body: `{"data":[],"hasMore":false}`, want: domain.Page{Last: true}},
		{
			name: "flat with meta", want: domain.Page{Last: true, Total: knownTotal(1)}, records: []string{"1"},
			body: `{"data":[1],"hasMore":false,"meta":{"total":1}}`,
		},
		{
			name: "nested wins over flat", want: domain.Page{Next: "n"}, records: []string{"1"},
			body: `{"hasMore":false,"data":[1],"pagination":{"hasMore":true,"nextCursor":"n"},"nextCursor":"flat"}`,
		},
		{
			name: "a cursor on the last page (dlt#3358)", want: domain.Page{Last: true}, records: []string{"1"},
			body: `{"data":[1],"pagination":{"hasMore":false,"nextCursor":"n","cursorExpiresIn":9}}`,
		},
		{
			name: "the requested cursor on the last page", want: domain.Page{Last: true}, records: []string{"1"},
			body: `{"data":[1],"pagination":{"hasMore":false,"nextCursor":"` + requestedCursor + `"}}`,
		},
		{
			name: "an empty page in the middle", want: domain.Page{Next: "n"},
			body: `{"data":[],"pagination":{"hasMore":true,"nextCursor":"n"}}`,
		},
		{
			name: "data last", want: domain.Page{Next: "n"}, records: []string{"1"},
			body: `{"meta":{"returned":1},"pagination":{"hasMore":true,"nextCursor":"n"},"data":[1]}`,
		},
		{
			name: "after a byte order mark", want: domain.Page{Last: true}, records: []string{"1"},
			body: "\ufeff" + `{"data":[1],"hasMore":false}`,
		},
		{
			name: "space everywhere", want: domain.Page{Last: true}, records: []string{"1", "2"},
			body: " {\n\"data\" : [ 1 ,\t2 ] ,\r\n\"hasMore\" : false } \n",
		},
		{
			name: "unknown members", want: domain.Page{Next: "n"}, records: []string{"1"},
			body: `{"data":[1],"links":{"a":[1,1],"b":{"x":1}},"pagination":{"hasMore":true,"nextCursor":"n","page":1}}`,
		},
		{
			name: "names and cursor escaped", want: domain.Page{Next: `n/"`}, records: []string{"1"},
			body: `{"d\u0061ta":[1],"pagination":{"hasMore":true,"nextCursor":"\u006e\/\""}}`,
		},
		{
			name: "a null total and returned", want: domain.Page{Last: true}, records: []string{"1"},
			body: `{"data":[1],"hasMore":false,"meta":{"total":null,"returned":null}}`,
		},
		{
			name: "a negative lifetime", want: domain.Page{Next: "n"}, records: []string{"1"},
			body: `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":-3}}`,
		},
		{
			name: "an absurd lifetime", want: domain.Page{Next: "n"}, records: []string{"1"},
			body: `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":99999999999999}}`,
		},
		{
			name: "a lifetime in words", want: domain.Page{Next: "n"}, records: []string{"1"},
			body: `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":"120s"}}`,
		},

		// A malformed record does not make the page bad: its decoder rejects the record.
		{
			name: "a field twice", want: domain.Page{Last: true}, records: []string{`{"a":1,"a":2}`},
			body: `{"data":[{"a":1,"a":2}],"hasMore":false}`,
		},
		{
			name: "not UTF-8", want: domain.Page{Last: true}, records: []string{"\"\xff\"", "1"},
			body: "{\"data\":[\"\xff\",1],\"hasMore\":false}",
		},
		{
			name: "raw control characters", want: domain.Page{Last: true}, records: []string{"{\"a\":\"\x00\x01\n\"}", "1"},
			body: "{\"data\":[{\"a\":\"\x00\x01\n\"},1],\"hasMore\":false}",
		},
		{
			name: "an unknown escape", want: domain.Page{Last: true}, records: []string{`"\x"`, `"\ud83d"`},
			body: `{"data":["\x","\ud83d"],"hasMore":false}`,
		},
		{
			name: "a broken literal", want: domain.Page{Last: true}, records: []string{"nul", "NaN", "01"},
			body: `{"data":[nul,NaN,01],"hasMore":false}`,
		},
		{
			name: "depth", want: domain.Page{Last: true}, records: []string{deepRecord, "1"},
			body: `{"data":[` + deepRecord + `,1],"hasMore":false}`,
		},
		{
			name: "quotes and brackets in strings", want: domain.Page{Last: true}, records: []string{`{"a":"}\\\"]"}`, `"\\"`},
			body: `{"data":[{"a":"}\\\"]"},"\\"],"hasMore":false}`,
		},
		{
			name: "null among the records", want: domain.Page{Last: true}, records: []string{"null", "[]"},
			body: `{"data":[null,[]],"hasMore":false}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page, err := fetchAnswer(t, 200, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			isSameEnd := page.Next == tt.want.Next && page.Last == tt.want.Last
			if !isSameEnd || page.ExpiresIn != tt.want.ExpiresIn || page.Total != tt.want.Total {
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

// deepRecord is an array in an array, and so on, 20,000 times.
var deepRecord = strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)

// TestFetchPage_BadPages checks bodies that must not be accepted as a page. dlt#2932 and dlt#4225 are issues of the project dlt
// about such bodies.
func TestFetchPage_BadPages(t *testing.T) {
	t.Parallel()
	const flat = `"hasMore":true,"nextCursor":"n"`
	nested := func(pagination string) string { return `{"data":[1],"pagination":` + pagination + `}` }
	withMeta := func(meta string) string { return `{"data":[1,2],` + flat + `,"meta":` + meta + `}` }
	wantTooLarge := fmt.Sprintf("%d allowed", maxPageBytes)
	tests := []struct {
		name, body, wantText string // wantText is a part of the error
	}{
		{name: "no body", body: "", wantText: "not a JSON object"},
		{name: "space", body: " \n", wantText: "not a JSON object"},
		{name: "null", body: "null", wantText: "not a JSON object"},
		{name: "an array", body: "[]", wantText: "not a JSON object"},
		{name: "plain text", body: "Service Unavailable", wantText: "not a JSON object"},
		{name: "two byte order marks", body: "\ufeff\ufeff" + lastPage, wantText: "not a JSON object"},
		{name: "a byte order mark alone", body: "\ufeff", wantText: "not a JSON object"},
		{name: "cut in the envelope", body: lastPage[:len(lastPage)-1], wantText: "ends too early"},
		{name: "cut in a record", body: `{"data":[{"id":"1`, wantText: "ends too early"},
		{name: "cut after a record", body: `{"data":[{"id":1},`, wantText: "ends too early"},
		{name: "trailing garbage", body: lastPage + "x", wantText: "follows"},
		{name: "two values", body: lastPage + lastPage, wantText: "follows"},
		{name: "a member without a value", body: `{"data":[],}`, wantText: "is missing at byte"},
		{name: "an element missing", body: `{"data":[1,,2],` + flat + `}`, wantText: "is missing at byte"},
		{name: "a comma missing", body: `{"data":[1 2],` + flat + `}`, wantText: "is missing at byte"},
		{name: "brackets that do not match", body: `{"data":[{"a":[1}],` + flat + `}`, wantText: "is missing at byte"},
		{name: "a bracket that closes something else", body: `{"data":[{"a":1],{"b":2}],` + flat + `}`, wantText: "is missing at byte"},
		{name: "a name without quotes", body: `{data:[]}`, wantText: "is missing at byte"},
		{name: "a malformed name", body: `{"\x":1}`, wantText: "malformed"},
		{name: "a malformed value beside the data", body: `{"data":[],` + flat + `,"x":tru}`, wantText: "not valid JSON"},
		{name: "no data", body: `{` + flat + `}`, wantText: "data is missing"},
		{name: "no data but an error", body: `{"error":"x","code":"y"}`, wantText: "data is missing"},
		{name: "data null (dlt#2932)", body: `{"data":null,` + flat + `}`, wantText: "data is null"},
		{name: "data as an object", body: `{"data":{},` + flat + `}`, wantText: "data is an object"},
		{name: "data as a string", body: `{"data":"[]",` + flat + `}`, wantText: "data is a string"},
		{name: "data twice", body: `{"data":[1],"data":[2],` + flat + `}`, wantText: `"data" twice`},
		{name: "data twice, once escaped", body: `{"data":[1],"\u0064ata":[2],` + flat + `}`, wantText: `"data" twice`},
		{name: "hasMore twice", body: `{"data":[1],` + flat + `,"hasMore":false}`, wantText: `"hasMore" twice`},
		{
			name: "neither pagination nor a flat hasMore", body: `{"data":[1],"meta":{"total":9,"returned":1}}`,
			wantText: "pagination is missing",
		},
		{name: "pagination null", body: nested(`null`), wantText: "pagination is null"},
		{name: "pagination null beside the flat form", body: `{"data":[1],"pagination":null,` + flat + `}`, wantText: "pagination is null"},
		{name: "pagination as an array", body: nested(`[]`), wantText: "pagination is an array"},
		{
			name: "a member of pagination twice", body: nested(`{"hasMore":true,"hasMore":false,"nextCursor":"n"}`),
			wantText: `it has "hasMore" twice`,
		},
		{name: "no hasMore", body: nested(`{"nextCursor":"n"}`), wantText: "hasMore is missing"},
		{name: "no hasMore and no cursor", body: nested(`{"limit":100}`), wantText: "hasMore is missing"},
		{name: "hasMore null", body: nested(`{"hasMore":null,"nextCursor":null}`), wantText: "hasMore is null"},
		{name: "hasMore as a string", body: nested(`{"hasMore":"false","nextCursor":null}`), wantText: "hasMore is a string"},
		{name: "hasMore as a number", body: nested(`{"hasMore":0}`), wantText: "hasMore is a number"},
		{name: "flat hasMore null", body: `{"data":[1],"hasMore":null}`, wantText: "hasMore is null"},
		{name: "more without a cursor (dlt#4225)", body: nested(`{"hasMore":true}`), wantText: "no nextCursor"},
		{name: "more with a null cursor", body: nested(`{"hasMore":true,"nextCursor":null}`), wantText: "no nextCursor"},
		{name: "more with an empty cursor", body: nested(`{"hasMore":true,"nextCursor":""}`), wantText: "nextCursor is empty"},
		{name: "a cursor that is no string", body: nested(`{"hasMore":true,"nextCursor":17}`), wantText: "nextCursor is a number"},
		{name: "a cursor that cannot be stored", body: nested(`{"hasMore":true,"nextCursor":"a\u0000"}`), wantText: "NUL"},
		{
			name: "a cursor that does not advance", body: nested(`{"hasMore":true,"nextCursor":"` + requestedCursor + `"}`),
			wantText: "does not advance",
		},
		{
			name: "a flat cursor that does not advance", body: `{"data":[1],"hasMore":true,"nextCursor":"` + requestedCursor + `"}`,
			wantText: "does not advance",
		},
		{
			name: "a flat cursor that is not UTF-8", body: "{\"data\":[1],\"hasMore\":true,\"nextCursor\":\"\xff\"}",
			wantText: "not valid text",
		},
		{name: "fewer records than returned", body: withMeta(`{"returned":3}`), wantText: "meta.returned is 3, but data has 2"},
		{name: "more records than returned", body: withMeta(`{"returned":1}`), wantText: "meta.returned is 1, but data has 2"},
		{name: "no records, but returned is 5", body: `{"data":[],"hasMore":false,"meta":{"returned":5}}`, wantText: "meta.returned is 5"},
		{name: "returned as a string", body: withMeta(`{"returned":"2"}`), wantText: "meta.returned is not a whole number"},
		{name: "a negative total", body: withMeta(`{"total":-1}`), wantText: "meta.total is not a whole number"},
		{name: "a total with a fraction", body: withMeta(`{"total":2.5}`), wantText: "meta.total is not a whole number"},
		{name: "a total beyond int64", body: withMeta(`{"total":99999999999999999999}`), wantText: "meta.total is not a whole number"},
		{name: "meta null", body: withMeta(`null`), wantText: "meta is null"},
		{name: "meta twice in itself", body: withMeta(`{"total":1,"total":2}`), wantText: `it has "total" twice`},
		{
			name: "a body that is too large", body: `{"data":["` + strings.Repeat("x", maxPageBytes) + `"],` + flat + `}`,
			wantText: wantTooLarge,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page, err := fetchAnswer(t, 200, tt.body)
			if domain.KindOf(err) != domain.BadPage {
				t.Fatalf("got page %+v, error %v, want BadPage", page, err)
			}
			if !strings.Contains(err.Error(), tt.wantText) {
				t.Errorf("got error %q, want one with %q", err, tt.wantText)
			}
			if len(page.Records) != 0 || page.Next != "" || page.Last {
				t.Errorf("got page %+v with the error, want none", page)
			}
		})
	}
	t.Run("web page", func(t *testing.T) {
		t.Parallel()
		for _, media := range []string{"text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"} {
			_, err := fetchAnswer(t, 200, lastPage, "Content-Type", media)
			if domain.KindOf(err) != domain.BadPage || !strings.Contains(err.Error(), "web page, not JSON") ||
				!strings.Contains(domain.HintOf(err), "API_BASE_URL") {
				t.Errorf("%s: got error %v, hint %q, want BadPage with the hint to check API_BASE_URL", media, err, domain.HintOf(err))
			}
		}
		for _, media := range []string{"", "text/plain", "application/problem+json", ";;"} {
			if _, err := fetchAnswer(t, 200, lastPage, "Content-Type", media); err != nil {
				t.Errorf("%q: got error %v, want none", media, err)
			}
		}
	})
	t.Run("another API", func(t *testing.T) {
		t.Parallel()
		for body, want := range map[string]bool{
			`[]`: true, `ok`: true, `<html></html>`: true, `{"status":"ok"}`: true, `{"data":{"id":1}}`: true,
			``: false, `null`: false, `{"data":{},"meta":{}}`: false, `{"data":[`: false, `{"data":[],"meta":{}}`: false,
		} {
			_, err := fetchAnswer(t, 200, body)
			if domain.KindOf(err) != domain.BadPage || domain.AsError(err).OtherAPI != want {
				t.Errorf("%s: got error %v, other API %t, want BadPage and %t", body, err, domain.AsError(err).OtherAPI, want)
			}
		}
	})
	t.Run("encoding that was not requested", func(t *testing.T) {
		t.Parallel()
		if _, err := fetchAnswer(t, 200, lastPage, "Content-Encoding", "br"); domain.KindOf(err) != domain.BadPage {
			t.Errorf("got error %v, want BadPage", err)
		}
	})
}

// TestFetchPage_Payloads checks that each record has exactly the bytes that the API sent, and that a reject has them, too. Only
// the last payload is a record that the decoder accepts.
func TestFetchPage_Payloads(t *testing.T) {
	t.Parallel()
	payloads := []string{
		"{ \"id\" :\r\n\t\"\\u0061\" , \"n\\u0061me\" : [ 1 ,\t2 ] ,\r\n \"x\" : 1.0e+02 }",
		"{\r\n}", "[ ]", "[ 1 , [ { } ] ]", `"\u0061\/\"\\"`, "\"a\r\nb\"", "-0.0", "1E400", "nul", `{"a":1,"a":2}`,
		"{\"a\":\"\xff\xfe\"}", `{"a":"\ud83d"}`, "{\"a\":\"\u2028<&>\"}", strings.Replace(validRecord, ":", " : ", 3),
	}
	for name, join := range map[string]func([]string) string{
		"compact":     func(p []string) string { return strings.Join(p, ",") },
		"with spaces": func(p []string) string { return "\r\n " + strings.Join(p, " \r\n,\t ") + "\r\n" },
	} {
		page, err := fetchAnswer(t, 200, `{"data":[`+join(payloads)+`],"hasMore":false}`)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		decoded, err := domain.FetchedPage{Page: page}.Decode(t.Context(), datasync.NewDecoder(datasync.DataSync()), nil)
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
			t.Errorf("%s: got %d rejects and %d events, want only the last record as an event",
				name, len(decoded.Rejects), len(decoded.Events))
		}
	}
}

// TestFetchPage_TooManyRecords checks how many records a page may have: twice the limit, and at least 1,000 more than the limit.
func TestFetchPage_TooManyRecords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit int // in the request
		max   int // maximum number of records in the page
	}{
		{1, 1001},
		{100, 1100},
		{999, 1999},
		{1001, 2002},
		{5000, 10_000},
		{100_000, 10_000}, // the client requests the API's maximum of 5,000
		{0, 10_000},       // without a limit, the client expects that maximum
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
		c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) { return respond(r, 200, nil, []byte(body)), nil })
	})
	return client.FetchPage(t.Context(), domain.PageRequest{Limit: limit})
}

// TestFetchPage_TooManyMembers checks the limits of the members around the records: at most 1,000 members in an object, and at
// most 64 KiB for a name or a cursor.
func TestFetchPage_TooManyMembers(t *testing.T) {
	t.Parallel()
	const maxMembers, maxTextBytes = 1000, 64 << 10
	tooLong := strings.Repeat("n", maxTextBytes+1)
	for name, body := range map[string]string{
		"beside the data": `{"data":[],"hasMore":false,` + members(maxMembers) + "}",
		"in meta":         `{"data":[],"hasMore":false,"meta":{` + members(maxMembers+1) + "}}",
		"in pagination":   `{"data":[],"pagination":{"hasMore":false,` + members(maxMembers) + "}}",
		"name too long":   `{"data":[],"hasMore":false,"` + tooLong + `":1}`,
		"cursor too long": `{"data":[],"hasMore":true,"nextCursor":"` + tooLong + `"}`,
	} {
		if _, err := fetchAnswer(t, 200, body); domain.KindOf(err) != domain.BadPage {
			t.Errorf("%s: got error %v, want BadPage", name, err)
		}
	}
	const otherMembers = 3                                        // data, hasMore and meta
	deepMembers := `"meta":{"x":{` + members(2*maxMembers) + "}}" // the limit does not count the members of x
	if _, err := fetchAnswer(t, 200, `{"data":[],"hasMore":false,`+members(maxMembers-otherMembers)+","+deepMembers+"}"); err != nil {
		t.Errorf("maximum of members: got error %v, want none", err)
	}
}
