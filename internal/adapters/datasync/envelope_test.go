package datasync_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// fetchBody fetches the page behind cursor "asked" from an API that answers with this body.
func fetchBody(t *testing.T, status int, body string, headers ...string) (domain.Page, error) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, "https://api.test/api/v1/events", func(r *http.Request) (*http.Response, error) {
		return respond(r, status, headers, []byte(body)), nil
	})
	client := newClient(t, func(c *datasync.Config) { c.Transport = mock })
	return client.FetchPage(t.Context(), domain.PageRequest{Cursor: "asked", Limit: 10})
}

func TestWholePages(t *testing.T) {
	t.Parallel()
	known := func(n int64) domain.Total { return domain.Total{N: n, Known: true} }
	tests := []struct {
		name, body string
		want       domain.Page // Records by number only
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
		{"the asked cursor on the last page", `{"data":[1],"pagination":{"hasMore":false,"nextCursor":"asked"}}`, domain.Page{Last: true}, []string{"1"}},
		{"an empty page in the middle", `{"data":[],"pagination":{"hasMore":true,"nextCursor":"n"}}`, domain.Page{Next: "n"}, nil},
		{"data last", `{"meta":{"returned":1},"pagination":{"hasMore":true,"nextCursor":"n"},"data":[1]}`, domain.Page{Next: "n"}, []string{"1"}},
		{"behind a byte order mark", "\ufeff" + `{"data":[1],"hasMore":false}`, domain.Page{Last: true}, []string{"1"}},
		{"space everywhere", " {\n\"data\" : [ 1 ,\t2 ] ,\r\n\"hasMore\" : false } \n", domain.Page{Last: true}, []string{"1", "2"}},
		{"members nobody knows", `{"data":[1],"links":{"a":[1,1],"b":{"x":1}},"pagination":{"hasMore":true,"nextCursor":"n","page":1}}`, domain.Page{Next: "n"}, []string{"1"}},
		{"names and cursor escaped", `{"d\u0061ta":[1],"pagination":{"hasMore":true,"nextCursor":"\u006e\/\""}}`, domain.Page{Next: `n/"`}, []string{"1"}},
		{"a null total and returned", `{"data":[1],"hasMore":false,"meta":{"total":null,"returned":null}}`, domain.Page{Last: true}, []string{"1"}},
		{"a negative life", `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":-3}}`, domain.Page{Next: "n"}, []string{"1"}},
		{"an absurd life", `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":99999999999999}}`, domain.Page{Next: "n"}, []string{"1"}},
		{"a life in words", `{"data":[1],"pagination":{"hasMore":true,"nextCursor":"n","cursorExpiresIn":"120s"}}`, domain.Page{Next: "n"}, []string{"1"}},

		// One bad record never spoils the page: its decoder refuses it.
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
				t.Errorf("page %+v, want %+v", page, tt.want)
			}
			if page.Receipt.Bytes != int64(len(tt.body)) || page.Receipt.Status != 200 {
				t.Errorf("receipt %+v", page.Receipt)
			}
			if len(page.Records) != len(tt.records) {
				t.Fatalf("%d records, want %d", len(page.Records), len(tt.records))
			}
			for i, r := range page.Records {
				if string(r.Payload) != tt.records[i] || r.Index != i {
					t.Errorf("record %d is %.80q at index %d, want %.80q", i, r.Payload, r.Index, tt.records[i])
				}
			}
		})
	}
}

var deep = strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)

func TestBadPages(t *testing.T) {
	t.Parallel()
	const flat = `"hasMore":true,"nextCursor":"n"`
	nested := func(pagination string) string { return `{"data":[1],"pagination":` + pagination + `}` }
	meta := func(meta string) string { return `{"data":[1,2],` + flat + `,"meta":` + meta + `}` }
	tests := []struct {
		name, body, says string // says: what the error names
	}{
		{"nothing", "", "not a JSON object"},
		{"space", " \n", "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"an array", "[]", "not a JSON object"},
		{"plain text", "Service Unavailable", "not a JSON object"},
		{"two byte order marks", "\ufeff\ufeff" + last, "not a JSON object"},
		{"a byte order mark and no more", "\ufeff", "not a JSON object"},
		{"cut in the envelope", last[:len(last)-1], "ends too early"},
		{"cut in a record", `{"data":[{"id":"1`, "ends too early"},
		{"cut behind a record", `{"data":[{"id":1},`, "ends too early"},
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
		{"half a total", meta(`{"total":2.5}`), "meta.total is not a whole number"},
		{"a total beyond int64", meta(`{"total":99999999999999999999}`), "meta.total is not a whole number"},
		{"meta null", meta(`null`), "meta is null"},
		{"meta twice in itself", meta(`{"total":1,"total":2}`), `it has "total" twice`},
		{"a body over its bound", `{"data":["` + strings.Repeat("x", 1<<20) + `"],` + flat + `}`, "1048576 allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page, err := fetchBody(t, 200, tt.body)
			if domain.KindOf(err) != domain.BadPage {
				t.Fatalf("page %+v, error %v", page, err)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error %q does not say %q", err, tt.says)
			}
			if len(page.Records) != 0 || page.Next != "" || page.Last {
				t.Errorf("a page came with the error: %+v", page)
			}
		})
	}
	t.Run("HTML", func(t *testing.T) {
		t.Parallel()
		for _, media := range []string{"text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"} {
			if _, err := fetchBody(t, 200, last, "Content-Type", media); domain.KindOf(err) != domain.BadPage || !strings.Contains(err.Error(), "web page, not JSON") ||
				!strings.Contains(domain.HintOf(err), "API_BASE_URL") {
				t.Errorf("%s: %v", media, err)
			}
		}
		for _, media := range []string{"", "text/plain", "application/problem+json", ";;"} {
			if _, err := fetchBody(t, 200, last, "Content-Type", media); err != nil {
				t.Errorf("%q: %v", media, err)
			}
		}
	})
	t.Run("an encoding not asked for", func(t *testing.T) {
		t.Parallel()
		if _, err := fetchBody(t, 200, last, "Content-Encoding", "br"); domain.KindOf(err) != domain.BadPage {
			t.Error(err)
		}
	})
}
