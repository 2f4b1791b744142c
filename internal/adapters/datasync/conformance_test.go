package datasync_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestClient_Conformance runs the checks that every implementation of domain.EventSource must pass.
func TestClient_Conformance(t *testing.T) {
	t.Parallel()
	domaintest.RunSourceChecks(t, func(t *testing.T) domaintest.SourceUnderTest {
		t.Helper()
		return domaintest.SourceUnderTest{
			Open: func(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
				api := &upstream{answers: answers}
				return newClient(t, func(c *datasync.Config) { c.Transport = api }), api
			},
		}
	})
}

// An upstream is a transport that acts as the API: it gives scripted answers and records the requests.
type upstream struct {
	answers  []domaintest.Answer
	requests []domain.PageRequest
}

func (u *upstream) Requests() []domain.PageRequest { return u.requests }

func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		return nil, err
	}
	u.requests = append(u.requests, domain.PageRequest{Cursor: domain.Cursor(query.Get("cursor")), Limit: limit})
	answer := u.answers[0]
	u.answers = u.answers[1:]
	if answer.Hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	switch answer.Kind {
	case domain.Unknown: // the answer is a page
		return respond(r, 200, rateLimitHeaders(answer), marshalPage(answer.Page)), nil
	case domain.RateLimited:
		var headers []string
		if answer.In >= 0 { // a negative value means that the answer does not say when
			headers = []string{"Retry-After", strconv.Itoa(int(answer.In.Seconds()))}
		}
		return respond(r, 429, headers, []byte(`{"code":"RATE_LIMIT_EXCEEDED"}`)), nil
	case domain.Transient:
		return respond(r, 502, []string{"Content-Type", "text/html"}, []byte("<html>Bad Gateway</html>")), nil
	case domain.BadPage:
		return respond(r, 200, nil, []byte("null")), nil
	case domain.CursorExpired:
		return respond(r, 400, nil, []byte(`{"code":"CURSOR_EXPIRED"}`)), nil
	case domain.CursorInvalid:
		return respond(r, 400, nil, []byte(`{"code":"CURSOR_INVALID_FORMAT"}`)), nil
	case domain.Unauthorized:
		return respond(r, 401, nil, nil), nil
	case domain.Invalid:
		return respond(r, 404, nil, []byte(`{"code":"ENDPOINT_NOT_FOUND"}`)), nil
	default:
		return nil, fmt.Errorf("no answer of kind %s", answer.Kind)
	}
}

func rateLimitHeaders(answer domaintest.Answer) []string {
	headers := []string{"X-Request-ID", "r-1"}
	if q := answer.Quota; q.Limit > 0 {
		headers = append(headers, "X-RateLimit-Limit", strconv.FormatInt(q.Limit, 10),
			"X-RateLimit-Remaining", strconv.FormatInt(q.Remaining, 10),
			"X-RateLimit-Reset", strconv.FormatInt(int64(q.ResetIn/time.Second), 10))
	}
	return headers
}

// marshalPage returns the body of a page in the nested form, with white space around its records.
func marshalPage(page domain.Page) []byte {
	pagination := map[string]any{"hasMore": !page.Last, "nextCursor": nil, "cursorExpiresIn": nil}
	if !page.Last {
		pagination["nextCursor"] = page.Next
	}
	if page.ExpiresIn > 0 {
		pagination["cursorExpiresIn"] = page.ExpiresIn / time.Second
	}
	meta := map[string]any{"returned": len(page.Records)}
	if page.Total.Known {
		meta["total"] = page.Total.N
	}
	records := make([][]byte, len(page.Records))
	for i, r := range page.Records {
		records[i] = r.Payload
	}
	otherMembers, err := json.Marshal(map[string]any{"pagination": pagination, "meta": meta})
	if err != nil {
		panic(err)
	}
	otherMembers = bytes.TrimPrefix(otherMembers, []byte("{"))
	return fmt.Appendf(nil, "{\"data\": [%s ],\n%s", bytes.Join(records, []byte(" ,\n\t")), otherMembers)
}

// TestDecoder_Conformance runs the checks that every implementation of domain.Decoder must pass.
func TestDecoder_Conformance(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.DecoderChecks(), func(*testing.T) domaintest.DecoderUnderTest {
		return domaintest.DecoderUnderTest{
			Decoder: datasync.NewDecoder(datasync.DataSync()),
			Good:    []string{validRecord, recordWith("timestamp", `"2026-01-27T19:19:13.629Z"`)},
			Drifted: []string{
				recordWith("colour", `"blue"`), recordWith("session", `{"id":"`+sessionID+`","deviceType":"d","browser":"b","os":{"a":1}}`),
			},
			Faulty: []string{
				"null", "{}", recordWith("id", `"x"`), recordWith("timestamp", "1"), recordWith("name", `"\u0000"`), validRecord + "x",
			},
			Same: [][]string{ // the same record, the same time as text, and the same name with an escape and spaces
				{validRecord, recordWith("timestamp", `"2026-01-27T19:19:13.629Z"`), recordWith("name", ` "\u0065vent_00zz1k" `)},
			},
		}
	})
}
