package mockapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// TestDriftMatchesExpectedRows checks for each kind that the expected row matches the bytes of the record, as classify reads
// them. It also checks that the bytes are the same on every pass and at any index in a page.
func TestDriftMatchesExpectedRows(t *testing.T) {
	for _, kind := range mockapi.DriftKinds() {
		if kind == "duplicate" || kind == "conflict" {
			continue // see TestDuplicateAndConflictDrifts
		}
		t.Run(string(kind), func(t *testing.T) {
			srv := newDriftingServer(t, string(kind)+":1")
			const firstPageSize, secondPageSize = 100, 7 // so that most records have another index in the page
			firstPass, secondPass := readRawRecords(t, srv, firstPageSize), readRawRecords(t, srv, secondPageSize)
			if len(firstPass) != driftingServerEvents || len(secondPass) != driftingServerEvents {
				t.Fatalf("got passes of %d and %d records, want %d", len(firstPass), len(secondPass), driftingServerEvents)
			}
			for i, row := range srv.Truth().Rows(0, driftingServerEvents) {
				if !bytes.Equal(firstPass[i], row.Payload) || !bytes.Equal(secondPass[i], row.Payload) {
					t.Fatalf("record %d:\ngot first  %s\ngot second %s\nwant       %s", i, firstPass[i], secondPass[i], row.Payload)
				}
				want := classify(t, firstPass[i])
				want.Index, want.Drift, want.Payload = i, kind, row.Payload
				if !reflect.DeepEqual(row, want) {
					t.Fatalf("record %d, %s:\ngot expected row      %s\nwant from its bytes   %s", i, firstPass[i], rowText(row), rowText(want))
				}
				description := kind.Describe() // ends with the outcome and the reason
				if !strings.Contains(description, string(row.Outcome)) || !strings.HasSuffix(description, row.Reason) {
					t.Fatalf("got description %q, want it to name outcome %s and reason %q", description, row.Outcome, row.Reason)
				}
			}
		})
	}
	// With too few kinds, the loop above would prove nothing.
	if n := len(mockapi.DriftKinds()); n < 16 {
		t.Errorf("got %d kinds, want 16 or more", n)
	}
}

// TestClassifyUnchangedRecords checks that classify returns the expected rows for records that do not drift. All of them are
// Stored.
func TestClassifyUnchangedRecords(t *testing.T) {
	srv := newDriftingServer(t)
	for i, raw := range readRawRecords(t, srv, 100) {
		want := truthRow(t, srv, i)
		if want.Outcome != mockapi.Stored || want.Payload != nil {
			t.Fatalf("record %d: got expected row %s, want Stored without a payload", i, rowText(want))
		}
		if got := classify(t, raw); rowText(got) != rowText(want) {
			t.Fatalf("record %d, %s:\ngot  %s\nwant %s", i, raw, rowText(got), rowText(want))
		}
	}
}

// TestDriftVariants checks that the records of a kind contain its variants. A variant is shown by a part of its record.
func TestDriftVariants(t *testing.T) {
	for kind, variants := range map[mockapi.DriftKind][]string{
		"new-field":         {`,"referrer":null}`, `,"referrer":17}`, `,"referrer":{"name"`},
		"new-session-field": {`"browser":"Edge","referrer":`},
		"timestamp-control": {`\u0007`, `\u200b`, "\u200b", `\ufeff`, `\t`},
		"bad-timestamp":     {`"timestamp":""`, `"timestamp":"yesterday"`, `"2026-02-30T`, `19:19:13.629"`, `"timestamp":0`, `"timestamp":-1`},
		"timestamp-offset":  {`+02:00"`, `-05:00"`, `+09:00"`},
		"null-field": {
			`"sessionId":null`, `"userId":null`, `"type":null`, `"name":null`, `"properties":null`, `"deviceType":null`, `"browser":null`,
		},
		"missing-field": {
			`"type":"click","properties"`, // no name, which is usually between them
			`","timestamp"`,               // no properties, which usually end in a brace
			`Z"}`,                         // no session, which is usually after the timestamp
		},
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
		for _, variant := range variants {
			if !bytes.Contains(all, []byte(variant)) {
				t.Errorf("%s: got no record with %s", kind, variant)
			}
		}
	}
}

// TestDuplicateAndConflictDrifts checks the drifts that give a record the id of its newer neighbour.
func TestDuplicateAndConflictDrifts(t *testing.T) {
	// The numbers are indices. The newer neighbour of the record at index i is the one at index i-1.
	srv := newDriftingServer(t, "duplicate@0,3", "conflict@10,12,13", "nul@20", "duplicate@21")
	records := readRawRecords(t, srv, 100)
	rows := make([]mockapi.Row, 0, driftingServerEvents)
	for _, row := range srv.Truth().Rows(0, driftingServerEvents) {
		rows = append(rows, row)
	}
	// A duplicate has the values of its neighbour.
	wantEqual(t, "outcome of record 3", rows[3].Outcome, mockapi.Duplicate)
	wantEqual(t, "values of record 3", rowText(classify(t, records[3])), rowText(rows[2]))
	wantEqual(t, "payload of row 3", string(rows[3].Payload), string(records[3]))
	// A conflict has the id of its neighbour and other values.
	for _, i := range []int{10, 12} {
		wantEqual(t, fmt.Sprintf("outcome of record %d", i), rows[i].Outcome, mockapi.Parked)
		wantEqual(t, fmt.Sprintf("reason of record %d", i), rows[i].Reason, "conflict")
		row, neighbour := classify(t, records[i]), rows[i-1]
		wantEqual(t, fmt.Sprintf("id of record %d", i), row.ID, neighbour.ID)
		if rowText(row) == rowText(neighbour) {
			t.Errorf("record %d: got all values of its neighbour %s, want other values", i, rowText(neighbour))
		}
	}
	// Record 0 has no newer neighbour. The neighbours of records 13 and 21 drift themselves, so they are not copied.
	for _, i := range []int{0, 13, 21} {
		wantEqual(t, fmt.Sprintf("outcome of record %d", i), rows[i].Outcome, mockapi.Stored)
		wantEqual(t, fmt.Sprintf("drift of record %d", i), rows[i].Drift, "")
	}
}

// TestDriftProbability checks that the frequencies of drifts match their probabilities, and that the same events drift when
// the collection is larger.
func TestDriftProbability(t *testing.T) {
	const events, newEvents = 20_000, 7
	count := map[mockapi.DriftKind]int{}
	srv := newServer(t, withEvents(events), withDrifts(t, "nul:0.1", "duplicate:0.05", "new-field@1,2,3"))
	larger := srv.Truth().At(events + newEvents)
	for i, row := range srv.Truth().Rows(0, events) {
		count[row.Drift]++
		if i == 0 {
			continue // in the larger collection this event has a newer neighbour, so it can be a duplicate
		}
		if shifted, _ := larger.Row(i + newEvents); rowText(shifted) != rowText(row) {
			t.Fatalf("row %d: got %s in a larger collection, want %s", i, rowText(shifted), rowText(row))
		}
	}
	if got := float64(count["nul"]) / events; got < .09 || got > .11 {
		t.Errorf("got frequency %.3f of nul, want about .1", got)
	}
	// A duplicate is left out if its neighbour drifts too, which has a probability of .15. So about .05 * .85 = .0425 are left.
	if got := float64(count["duplicate"]) / events; got < .035 {
		t.Errorf("got frequency %.3f of duplicate, want .035 or more", got)
	}
	wantEqual(t, "number of new-field", count["new-field"], 3)
}

// TestDriftAfterSizeChange checks that the same event drifts after the collection has grown and the scenario has changed. The
// rule nul@5 continues to mean the event that had index 5 at the start.
func TestDriftAfterSizeChange(t *testing.T) {
	const newEvents = 10
	srv := newDriftingServer(t, "nul@5")
	before := truthRow(t, srv, 5)
	wantEqual(t, "drift at the start", before.Drift, "nul")
	sendScenario(t, srv, http.MethodPost, fmt.Sprintf(`{"events": %d}`, driftingServerEvents+newEvents))
	sendScenario(t, srv, http.MethodPost, `{"latency": "1ms"}`)
	after := truthRow(t, srv, 5+newEvents)
	wantEqual(t, "payload after the changes", string(after.Payload), string(before.Payload))
}

// readRawRecords returns the exact bytes of all records of one pass.
func readRawRecords(t *testing.T, srv http.Handler, pageSize int) [][]byte {
	t.Helper()
	var all [][]byte
	for cursor := noCursor; ; {
		body := get(t, srv, eventsPath(pageSize, cursor)).Body.Bytes()
		records, rest := splitData(t, body)
		all = append(all, records...)
		var page struct {
			Pagination struct {
				HasMore    bool
				NextCursor string
			}
		}
		// A drifted record need not be valid JSON. So decode the page with null instead of its records.
		if err := json.Unmarshal([]byte(`{"data":null`+string(rest)), &page); err != nil {
			t.Fatalf("%v in %s", err, rest)
		}
		if !page.Pagination.HasMore {
			return all
		}
		cursor = page.Pagination.NextCursor
	}
}

// splitData returns the exact bytes of the records of a page, and the bytes after the array of records. encoding/json cannot
// do this, because it replaces invalid UTF-8.
func splitData(t *testing.T, body []byte) (records [][]byte, rest []byte) {
	t.Helper()
	data, ok := bytes.CutPrefix(body, []byte(`{"data":[`))
	if !ok {
		t.Fatalf("got body %.80s, want it to begin with data", body)
	}
	start := 0 // where the current record begins
	depth := 0 // of objects and arrays within the array of records
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++ // skips the escaped character
		case c == '"':
			inString = !inString
		case inString:
		case c == ',' && depth == 0:
			records = append(records, data[start:i])
			start = i + 1
		case c == ']' && depth == 0:
			if isEmpty := i == 0; !isEmpty {
				records = append(records, data[start:i])
			}
			return records, data[i+1:]
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	t.Fatal("got a body in which the array data does not end")
	return nil, nil
}
