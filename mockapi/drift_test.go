package mockapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// For each kind, the truth matches the bytes, and the bytes are the same on every pass and at any index in a page.
func TestDriftMatchesExpectedRows(t *testing.T) {
	for _, kind := range mockapi.DriftKinds() {
		if kind == "duplicate" || kind == "conflict" {
			continue // see TestDuplicateAndConflictDrifts
		}
		t.Run(string(kind), func(t *testing.T) {
			srv := newDriftingServer(t, string(kind)+":1")
			firstPass, secondPass := readRawRecords(t, srv, 100), readRawRecords(t, srv, 7)
			if len(firstPass) != 200 || len(secondPass) != 200 {
				t.Fatalf("got %d and %d records", len(firstPass), len(secondPass))
			}
			for i, row := range srv.Truth().Rows(0, 200) {
				if !bytes.Equal(firstPass[i], secondPass[i]) || !bytes.Equal(firstPass[i], row.Payload) || row.Drift != kind {
					t.Fatalf("record %d\nfirst  %s\nsecond %s\ntruth  %s, %s", i, firstPass[i], secondPass[i], row.Payload, row.Drift)
				}
				want := classify(t, firstPass[i])
				want.Index, want.Drift, want.Payload = i, kind, row.Payload
				if !reflect.DeepEqual(row, want) {
					t.Fatalf("record %d: %s\ngot truth  %s\nfrom bytes %s", i, firstPass[i], rowText(row), rowText(want))
				}
				if !strings.Contains(kind.Describe(), string(row.Outcome)) || !strings.HasSuffix(kind.Describe(), row.Reason) {
					t.Fatalf("%s is %s, %s; described as %q", kind, row.Outcome, row.Reason, kind.Describe())
				}
			}
		})
	}
	if n := len(mockapi.DriftKinds()); n < 16 {
		t.Errorf("%d kinds", n)
	}
}

// classify returns Stored, without a reason or extra data, for records that do not drift.
func TestClassifyUnchangedRecords(t *testing.T) {
	srv := newDriftingServer(t)
	for i, raw := range readRawRecords(t, srv, 200) {
		want, _ := srv.Truth().Row(i)
		if got := classify(t, raw); rowText(got) != rowText(want) || want.Outcome != mockapi.Stored || want.Payload != nil {
			t.Fatalf("%s\njudged %s\nwant   %s", raw, rowText(got), rowText(want))
		}
	}
}

// "numbers beyond float64", "seconds, µs, ns, numeric strings, control or zero-width characters": each in the bytes.
func TestDriftVariants(t *testing.T) {
	for kind, shapes := range map[mockapi.DriftKind][]string{
		"new-field":         {`,"referrer":null}`, `,"referrer":17}`, `,"referrer":{"name"`},
		"new-session-field": {`"browser":"Edge","referrer":`},
		"timestamp-control": {`\u0007`, `\u200b`, "\u200b", `\ufeff`, `\t`},
		"bad-timestamp":     {`"timestamp":""`, `"timestamp":"yesterday"`, `"2026-02-30T`, `19:19:13.629"`, `"timestamp":0`, `"timestamp":-1`},
		"timestamp-offset":  {`+02:00"`, `-05:00"`, `+09:00"`},
		"null-field":        {`"sessionId":null`, `"userId":null`, `"type":null`, `"name":null`, `"properties":null`, `"deviceType":null`, `"browser":null`},
		"missing-field":     {`","userId"`, `"type"`},
		"spelling":          {"{\r\n\t\"id\" : \"", `"n\u0061me" : "`, `"p\u0061ge" : "`, "\r\n}"},
		"spelling-null":     {`"userId" : null`},
		"nul":               {`"name":"a\u0000b"`, `{"remark":"a\u0000b"`, `"referrer":"a\u0000b"`},
		"lone-surrogate":    {`"a\ud83db"`},
		"bad-utf8":          {"\"a\xffb\""},
		"big-number":        {`"amount":1e400,`, `"amount":-2.5e-400,`, `"amount":7`, `"amount":0.`},
		"unstorable-number": {`"amount":1e400000,`, `"amount":-3.5E+400000,`},
		"properties-string": {`"properties":"{\"page\":\"/home\"}"`},
		"not-an-object":     {"null", "42", `"event"`, "[]", "false"},
		"bad-id":            {`{"id":""`, `{"id":"undefined"`, `{"id":"evt_`},
		"wrong-type":        {`"name":12`, `"properties":[]`, `"browser":true`},
	} {
		all := bytes.Join(readRawRecords(t, newDriftingServer(t, string(kind)+":1"), 50), nil)
		for _, shape := range shapes {
			if !bytes.Contains(all, []byte(shape)) {
				t.Errorf("%s: never %s", kind, shape)
			}
		}
	}
}

// "the same id twice (identical / other content)"
func TestDuplicateAndConflictDrifts(t *testing.T) {
	srv := newDriftingServer(t, "duplicate@3,0", "conflict@10,12,13", "nul@20", "duplicate@21")
	records := readRawRecords(t, srv, 100)
	rows := make([]mockapi.Row, 0, 200)
	for _, row := range srv.Truth().Rows(0, 200) {
		rows = append(rows, row)
	}
	copied := classify(t, records[3])
	if rows[3].Outcome != mockapi.Duplicate || rowText(copied) != rowText(rows[2]) || !bytes.Equal(rows[3].Payload, records[3]) {
		t.Errorf("record 3 is %s\nand not %s again", records[3], rowText(rows[2]))
	}
	for _, i := range []int{10, 12} {
		other := classify(t, records[i])
		if rows[i].Outcome != mockapi.Parked || rows[i].Reason != "conflict" || other.ID != rows[i-1].ID || rowText(other) == rowText(rows[i-1]) {
			t.Errorf("record %d is %s\nbeside   %s", i, records[i], rowText(rows[i-1]))
		}
	}
	// The head has no newer neighbour, and a neighbour that drifts is not copied.
	for _, i := range []int{0, 13, 21} {
		if rows[i].Outcome != mockapi.Stored || rows[i].Drift != "" {
			t.Errorf("record %d: %s", i, rowText(rows[i]))
		}
	}
}

// "deterministic by seed and by the event": the frequencies match the probabilities, also in a larger collection.
func TestDriftProbability(t *testing.T) {
	const n = 20_000
	count := map[mockapi.DriftKind]int{}
	srv := newServer(t, func(c *mockapi.Config) {
		c.Events = n
		c.Drifts = []mockapi.Drift{{Kind: "nul", Probability: .1}, {Kind: "duplicate", Probability: .05}, {Kind: "new-field", At: []int{1, 2, 3}}}
	})
	for i, row := range srv.Truth().Rows(0, n) {
		count[row.Drift]++
		larger, _ := srv.Truth().At(n + 7).Row(i + 7)
		if i > 0 && rowText(larger) != rowText(row) {
			t.Fatalf("row %d: got %s, in a larger collection %s", i, rowText(row), rowText(larger))
		}
	}
	if count["nul"] < n*9/100 || count["nul"] > n*11/100 || count["duplicate"] < n*35/1000 || count["new-field"] != 3 {
		t.Errorf("got %v", count)
	}
}

// Drifts number the events that existed at the start, also after the collection has grown.
func TestDriftAfterSizeChange(t *testing.T) {
	srv := newDriftingServer(t, "nul@5")
	before, _ := srv.Truth().Row(5)
	sendScenario(t, srv, http.MethodPost, `{"events": 210}`)
	sendScenario(t, srv, http.MethodPost, `{"latency": "1ms"}`)
	if after, _ := srv.Truth().Row(15); before.Drift != "nul" || !bytes.Equal(after.Payload, before.Payload) {
		t.Errorf("got %s, then %s", rowText(before), rowText(after))
	}
}

// readRawRecords returns the exact bytes of all records of one pass.
func readRawRecords(t *testing.T, srv http.Handler, limit int) [][]byte {
	t.Helper()
	var all [][]byte
	for cursor := ""; ; {
		body := get(t, srv, eventsPath(limit, cursor)).Body.Bytes()
		data, rest := splitData(t, body)
		all = append(all, data...)
		var page struct {
			Pagination struct {
				HasMore    bool
				NextCursor string
			}
		}
		if err := json.Unmarshal([]byte(`{"data":null`+string(rest)), &page); err != nil {
			t.Fatalf("%v in %s", err, rest)
		}
		if !page.Pagination.HasMore {
			return all
		}
		cursor = page.Pagination.NextCursor
	}
}

// splitData returns the records of a body and what follows them. It changes no byte, while encoding/json replaces invalid
// UTF-8.
func splitData(t *testing.T, body []byte) (records [][]byte, rest []byte) {
	t.Helper()
	body, ok := bytes.CutPrefix(body, []byte(`{"data":[`))
	if !ok {
		t.Fatalf("body %.80s", body)
	}
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',' && depth == 0:
			records, start = append(records, body[start:i]), i+1
		case c == ']' && depth == 0:
			if i > 0 {
				records = append(records, body[start:i])
			}
			return records, body[i+1:]
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	t.Fatal("the array data is not closed")
	return nil, nil
}
