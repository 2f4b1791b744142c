package domaintest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// An Answer is what an upstream says to one request, in terms of the port: a page, or an error of a Kind.
type Answer struct {
	Page   domain.Page   // without its receipt
	Kind   domain.Kind   // of the error, domain.Unknown for a page
	In     time.Duration // domain.RateLimited only: how long from now; negative: it is not said
	Status int           // HTTP status that comes with the error
	Hangs  bool          // nothing comes, until the context ends
	Quota  AnswerQuota   // announced with a page
}

// An AnswerQuota is a domain.Quota as the upstream says it; Limit 0: it says nothing.
type AnswerQuota struct {
	Limit, Remaining int64
	ResetIn          time.Duration // whole seconds
}

// PageOf answers with a page in the middle of a stream whose total is unknown.
func PageOf(next domain.Cursor, payloads ...string) Answer {
	page := domain.Page{Next: next}
	for i, p := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(p), Index: i})
	}
	return Answer{Page: page}
}

// LastPageOf answers with the last page of a stream whose total is unknown.
func LastPageOf(payloads ...string) Answer {
	a := PageOf("", payloads...)
	a.Page.Last = true
	return a
}

// Announcing is the same page with a total.
func (a Answer) Announcing(total int64) Answer {
	a.Page.Total = domain.Total{N: total, Known: true}
	return a
}

// ExpiringIn is the same page with a life of its next cursor.
func (a Answer) ExpiringIn(d time.Duration) Answer {
	a.Page.ExpiresIn = d
	return a
}

// Counting is the same page with the rate limit it counted against.
func (a Answer) Counting(limit, remaining int64, resetIn time.Duration) Answer {
	a.Quota = AnswerQuota{limit, remaining, resetIn}
	return a
}

// FailWith answers with an error of a kind.
func FailWith(kind domain.Kind) Answer { return Answer{Kind: kind} }

// RefuseFor answers that the rate limit is used up for some time from now on; negative: it does not say for how long.
func RefuseFor(d time.Duration) Answer { return Answer{Kind: domain.RateLimited, In: d} }

// WithStatus is the same error with an HTTP status.
func (a Answer) WithStatus(status int) Answer {
	a.Status = status
	return a
}

// Hang answers nothing.
func Hang() Answer { return Answer{Hangs: true} }

// A ScriptedSource is a domain.EventSource that answers from a script, in this order: what At holds for the request's
// cursor, the next answer of Then, the stream it was made with, and if none is left an error of kind Unknown. It keeps
// to the port's contract and is safe for concurrent use.
type ScriptedSource struct {
	stream func(domain.PageRequest) Answer

	mu       sync.Mutex
	next     []Answer
	at       map[domain.Cursor][]Answer
	until    time.Time
	requests []domain.PageRequest
}

// NewScriptedSource returns a source that gives these answers one after the other, whatever is asked for.
func NewScriptedSource(answers ...Answer) *ScriptedSource {
	return (&ScriptedSource{at: map[domain.Cursor][]Answer{}}).Then(answers...)
}

// NewCleanStream returns a source of records 0 to n-1, as LineDecoder reads them, in pages of at most size. Each page
// announces n as the total, and may be asked for at any time and again.
func NewCleanStream(n, size int) *ScriptedSource {
	s := NewScriptedSource()
	s.stream = func(req domain.PageRequest) Answer { return cleanPage(n, size, req) }
	return s
}

func cleanPage(n, size int, req domain.PageRequest) Answer {
	from := 0
	if req.Cursor != "" {
		var err error
		if from, err = strconv.Atoi(string(req.Cursor)); err != nil || from <= 0 || from >= n {
			return FailWith(domain.CursorInvalid)
		}
	}
	if req.Limit > 0 {
		size = min(size, req.Limit)
	}
	to := min(from+size, n)
	var payloads []string
	for i := from; i < to; i++ {
		payloads = append(payloads, strconv.Itoa(i))
	}
	if to == n {
		return LastPageOf(payloads...).Announcing(int64(n))
	}
	return PageOf(domain.Cursor(strconv.Itoa(to)), payloads...).Announcing(int64(n))
}

// Then adds answers for whatever is asked next, and returns s.
func (s *ScriptedSource) Then(answers ...Answer) *ScriptedSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, answers...)
	return s
}

// At adds answers for requests with that cursor, one each, and returns s.
func (s *ScriptedSource) At(cursor domain.Cursor, answers ...Answer) *ScriptedSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[cursor] = append(s.at[cursor], answers...)
	return s
}

// Requests are the requests sent so far, without those a rate limit held back.
func (s *ScriptedSource) Requests() []domain.PageRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// FetchPage implements domain.EventSource.
func (s *ScriptedSource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if ctx.Err() != nil {
		return domain.Page{}, &domain.Error{Kind: domain.Stopped, Op: opScript, Unsent: true, Err: ctx.Err()}
	}
	answer, refusal := s.send(req)
	if refusal != nil {
		return domain.Page{}, refusal
	}
	if answer.Hangs {
		<-ctx.Done()
		return domain.Page{}, &domain.Error{Kind: domain.Stopped, Op: opScript, Err: ctx.Err()}
	}
	page := answer.Page
	page.Records = slices.Clone(page.Records)
	page.Receipt = domain.Receipt{RequestID: "scripted-" + strconv.Itoa(len(s.Requests())), Status: 200, FetchedAt: time.Now()}
	if q := answer.Quota; q.Limit > 0 {
		page.Receipt.Quota = domain.Quota{Limit: q.Limit, Remaining: q.Remaining, Reset: time.Now().Add(q.ResetIn)}
	}
	for i, r := range page.Records {
		page.Records[i].Payload = slices.Clone(r.Payload)
		page.Receipt.Bytes += int64(len(r.Payload))
	}
	return page, nil
}

const opScript = "fetch scripted page"

var errScripted = errors.New("as scripted")

// send counts the request, unless a rate limit holds it back, and finds its answer.
func (s *ScriptedSource) send(req domain.PageRequest) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.until) {
		return Answer{}, &domain.Error{Kind: domain.RateLimited, Op: opScript, Until: s.until, Unsent: true, Err: errScripted}
	}
	s.requests = append(s.requests, req)
	answer, ok := s.find(req)
	switch {
	case !ok:
		return Answer{}, &domain.Error{Kind: domain.Unknown, Op: opScript, Err: errors.New("the script has no answer left")}
	case answer.Kind == domain.Unknown:
		return answer, nil
	}
	failure := &domain.Error{Kind: answer.Kind, Op: opScript, Status: answer.Status, Err: errScripted}
	if answer.Kind == domain.RateLimited && answer.In >= 0 {
		s.until = time.Now().Add(answer.In)
		failure.Until = s.until
	}
	return Answer{}, failure
}

func (s *ScriptedSource) find(req domain.PageRequest) (Answer, bool) {
	if queue := s.at[req.Cursor]; len(queue) > 0 {
		s.at[req.Cursor] = queue[1:]
		return queue[0], true
	}
	if len(s.next) > 0 {
		answer := s.next[0]
		s.next = s.next[1:]
		return answer, true
	}
	if s.stream != nil {
		return s.stream(req), true
	}
	return Answer{}, false
}
