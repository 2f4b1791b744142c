package datasync

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestClassify_EveryStatus checks the kind of every status that an HTTP answer can have.
func TestClassify_EveryStatus(t *testing.T) {
	t.Parallel()
	special := map[int]domain.Kind{ // the statuses whose kind differs from that of other statuses with the same first digit
		401: domain.Unauthorized, 403: domain.Unauthorized,
		408: domain.Transient, 425: domain.Transient, 429: domain.RateLimited,
	}
	for status := range 1000 {
		if status == http.StatusOK {
			continue // it is not an error
		}
		want, found := special[status]
		if !found {
			switch status / 100 {
			case 1, 3, 4:
				want = domain.Invalid
			case 2:
				want = domain.BadPage
			default:
				want = domain.Transient
			}
		}
		got := DataSync().ErrorBody.classify(status, "", rateHeaders{})
		if got.kind != want {
			t.Errorf("status %d: got kind %s, want %s", status, got.kind, want)
		}
		needsHint := want == domain.Invalid || want == domain.Unauthorized
		hasHint := got.hint != ""
		if hasHint != needsHint {
			t.Errorf("status %d (%s): got hint %q, want a hint: %v", status, want, got.hint, needsHint)
		}
		if got.code == "" {
			t.Errorf("status %d (%s): got no code, want one", status, want)
		}
	}
}

// TestClassify_Codes checks the code of the statuses that users meet.
func TestClassify_Codes(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]domain.Code{
		101: domain.CodeAPIWrongAddress, 204: domain.CodeAPIBadPage, 302: domain.CodeAPIWrongAddress, 304: domain.CodeAPIRequestRefused,
		400: domain.CodeAPIRequestRefused, 401: domain.CodeAPIKeyRefused, 403: domain.CodeAPIKeyRefused, 404: domain.CodeAPIWrongAddress,
		407: domain.CodeProxyFailed, 418: domain.CodeAPIRequestRefused, 429: domain.CodeRateLimited, 503: domain.CodeAPIServerError,
	} {
		if got := DataSync().ErrorBody.classify(status, "", rateHeaders{}).code; got != want {
			t.Errorf("status %d: got code %s, want %s", status, got, want)
		}
	}
}

// TestClassify_CodesAndHeaders checks how an error code, a Retry-After or the remaining requests change the kind of a status.
func TestClassify_CodesAndHeaders(t *testing.T) {
	t.Parallel()
	headers := map[string]rateHeaders{
		"":                      {},
		"Retry-After":           {retryAfter: time.Now()},
		"none left":             {limit: rateLimitItem{hasRemaining: true, remaining: 0}},
		"none left until reset": {limit: rateLimitItem{hasRemaining: true, remaining: 0, reset: time.Now()}},
		"one left":              {limit: rateLimitItem{hasRemaining: true, remaining: 1}},
	}
	tests := []struct {
		status  int
		code    string
		headers string // a key of headers
		want    domain.Kind
	}{
		{status: 400, code: "CURSOR_EXPIRED", want: domain.CursorExpired},
		{status: 410, code: "CURSOR_EXPIRED", want: domain.CursorExpired},
		{status: 400, code: "CURSOR_INVALID_FORMAT", want: domain.CursorInvalid},
		{status: 410, code: "CURSOR_GONE", want: domain.CursorInvalid},
		{status: 400, code: "CURSOR_EXPIRED_LONG_AGO", want: domain.CursorInvalid},
		{status: 400, code: "cursor_expired", want: domain.Invalid},
		{status: 400, code: "INVALID_CURSOR_", want: domain.Invalid},
		{status: 400, code: "INVALID_LIMIT", want: domain.Invalid},
		{status: 410, want: domain.Invalid},
		{status: 404, code: "CURSOR_EXPIRED", want: domain.Invalid},
		{status: 500, code: "CURSOR_EXPIRED", want: domain.Transient},
		{status: 429, code: "CURSOR_EXPIRED", want: domain.RateLimited},
		{status: 503, want: domain.Transient},
		{status: 503, headers: "Retry-After", want: domain.RateLimited},
		{status: 503, headers: "none left until reset", want: domain.Transient},
		{status: 500, headers: "Retry-After", want: domain.Transient},
		{status: 403, headers: "Retry-After", want: domain.RateLimited},
		{status: 403, headers: "none left", want: domain.RateLimited},
		{status: 403, headers: "one left", want: domain.Unauthorized},
		{status: 401, headers: "Retry-After", want: domain.Unauthorized},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %s%s", tt.status, tt.code, tt.headers), func(t *testing.T) {
			t.Parallel()
			if got := DataSync().ErrorBody.classify(tt.status, tt.code, headers[tt.headers]); got.kind != tt.want {
				t.Errorf("got kind %s, want %s", got.kind, tt.want)
			}
		})
	}
	if hint := DataSync().ErrorBody.classify(404, "", rateHeaders{}).hint; !strings.Contains(hint, "API_BASE_URL") {
		t.Errorf("404: got hint %q, want one with API_BASE_URL", hint)
	}
}
