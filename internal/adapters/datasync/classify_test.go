package datasync

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestClassify_EveryStatus checks all statuses that an HTTP answer can have, so that none is Unknown by accident.
func TestClassify_EveryStatus(t *testing.T) {
	t.Parallel()
	special := map[int]domain.Kind{
		401: domain.Unauthorized, 403: domain.Unauthorized,
		408: domain.Transient, 425: domain.Transient, 429: domain.RateLimited,
	}
	for status := range 1000 {
		if status == http.StatusOK {
			continue // read as a page
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
			t.Errorf("status %d: got %s, want %s", status, got.kind, want)
		}
		if needsHint := want == domain.Invalid || want == domain.Unauthorized; needsHint != (got.hint != "") {
			t.Errorf("status %d (%s): got hint %q, want one: %v", status, want, got.hint, needsHint)
		}
	}
}

func TestClassify_CodesAndHeaders(t *testing.T) {
	t.Parallel()
	retryAfter := rateHeaders{retryAfter: time.Now()}
	tests := []struct {
		status  int
		code    string
		headers rateHeaders
		want    domain.Kind
	}{
		{400, "CURSOR_EXPIRED", rateHeaders{}, domain.CursorExpired},
		{410, "CURSOR_EXPIRED", rateHeaders{}, domain.CursorExpired},
		{400, "CURSOR_INVALID_FORMAT", rateHeaders{}, domain.CursorInvalid},
		{410, "CURSOR_GONE", rateHeaders{}, domain.CursorInvalid},
		{400, "CURSOR_EXPIRED_LONG_AGO", rateHeaders{}, domain.CursorInvalid},
		{400, "cursor_expired", rateHeaders{}, domain.Invalid},
		{400, "INVALID_CURSOR_", rateHeaders{}, domain.Invalid},
		{400, "INVALID_LIMIT", rateHeaders{}, domain.Invalid},
		{410, "", rateHeaders{}, domain.Invalid},
		{404, "CURSOR_EXPIRED", rateHeaders{}, domain.Invalid},
		{500, "CURSOR_EXPIRED", rateHeaders{}, domain.Transient},
		{429, "CURSOR_EXPIRED", rateHeaders{}, domain.RateLimited},
		{503, "", rateHeaders{}, domain.Transient},
		{503, "", retryAfter, domain.RateLimited},
		{503, "", rateHeaders{limit: rateLimitItem{hasRemaining: true, reset: time.Now()}}, domain.Transient},
		{500, "", retryAfter, domain.Transient},
		{403, "", retryAfter, domain.RateLimited},
		{403, "", rateHeaders{limit: rateLimitItem{hasRemaining: true}}, domain.RateLimited},
		{403, "", rateHeaders{limit: rateLimitItem{hasRemaining: true, remaining: 1}}, domain.Unauthorized},
		{401, "", retryAfter, domain.Unauthorized},
	}
	for _, tt := range tests {
		t.Run(strconv.Itoa(tt.status)+" "+tt.code, func(t *testing.T) {
			t.Parallel()
			if got := DataSync().ErrorBody.classify(tt.status, tt.code, tt.headers); got.kind != tt.want {
				t.Errorf("got %s, want %s", got.kind, tt.want)
			}
		})
	}
	if hint := DataSync().ErrorBody.classify(404, "", rateHeaders{}).hint; !strings.Contains(hint, "API_BASE_URL") {
		t.Errorf("404: got hint %q, want one with API_BASE_URL", hint)
	}
}
