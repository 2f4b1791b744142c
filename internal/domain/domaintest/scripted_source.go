package domaintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// An Answer is an upstream's answer to one request: a page, or an error of a kind.
type Answer struct {
	Page   domain.Page   // without its receipt
	Kind   domain.Kind   // of the error, domain.Unknown for a page
	In     time.Duration // for domain.RateLimited: how long from now; negative: not stated
	Status int           // HTTP status that comes with the error
	Hangs  bool          // no answer until the context ends
	Quota  AnswerQuota   // announced with a page
	Again  bool          // a page that the reader must not accept: the next request must have the same cursor
}

// An AnswerQuota is a domain.Quota in an answer; Limit 0: none.
type AnswerQuota struct {
	Limit, Remaining int64
	ResetIn          time.Duration // whole seconds
}

// PageOf returns an answer with a page in the middle of a stream whose total is unknown.
func PageOf(next domain.Cursor, payloads ...string) Answer {
	page := domain.Page{Next: next}
	for i, p := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(p), Index: i})
	}
	return Answer{Page: page}
}

// LastPageOf returns an answer with the last page of a stream whose total is unknown.
func LastPageOf(payloads ...string) Answer {
	a := PageOf("", payloads...)
	a.Page.Last = true
	return a
}

// WithTotal returns the answer with a total.
func (a Answer) WithTotal(total int64) Answer {
	a.Page.Total = domain.Total{N: total, Known: true}
	return a
}

// WithExpiry returns the answer with the lifetime of its cursor.
func (a Answer) WithExpiry(d time.Duration) Answer {
	a.Page.ExpiresIn = d
	return a
}

// WithQuota returns the answer with a quota.
func (a Answer) WithQuota(limit, remaining int64, resetIn time.Duration) Answer {
	a.Quota = AnswerQuota{limit, remaining, resetIn}
	return a
}

// NotAccepted returns the answer as a page that the reader must not accept: the next request must have the same cursor.
func (a Answer) NotAccepted() Answer {
	a.Again = true
	return a
}

// FailWith returns an answer with an error of a kind.
func FailWith(kind domain.Kind) Answer { return Answer{Kind: kind} }

// RefuseFor returns an answer that the rate limit is used up for a time from now; negative: without stating how long.
func RefuseFor(d time.Duration) Answer { return Answer{Kind: domain.RateLimited, In: d} }

// WithStatus returns the answer with an HTTP status.
func (a Answer) WithStatus(status int) Answer {
	a.Status = status
	return a
}

// Hang returns an answer that never comes: the request waits until its context ends.
func Hang() Answer { return Answer{Hangs: true} }

// A ScriptedSource is a domain.EventSource with prepared answers. It uses, in this order: the answers that At has added for
// the request's cursor, the next answer of the script, the stream that it was made with. It fulfills the port's contract
// and is safe for concurrent use.
//
// Each answer determines the cursor of the next request. After a page that is its next cursor, after a lost cursor the
// head. After any other error it is the same cursor again, and so it is after a last page, since a reader may want to
// confirm the end. A request for another cursor, or without an answer left, gets an error of kind Unknown.
type ScriptedSource struct {
	stream func(domain.PageRequest) Answer

	mu       sync.Mutex
	next     []Answer
	at       map[domain.Cursor][]Answer
	expected []domain.Cursor // the next request must have one of them; nil: it may have any
	until    time.Time
	requests []domain.PageRequest
}

// NewScriptedSource returns a source that gives these answers one after the other. The first request must be for the head.
func NewScriptedSource(answers ...Answer) *ScriptedSource {
	return &ScriptedSource{at: map[domain.Cursor][]Answer{}, next: answers, expected: []domain.Cursor{""}}
}

// NewCleanStream returns a source of records 0 to n-1, as LineDecoder reads them, in pages of at most size. Each page
// announces n as the total. The first request may be for any page, and after the last page the stream may be read again.
func NewCleanStream(n, size int) *ScriptedSource {
	s := NewScriptedSource()
	s.stream, s.expected = func(req domain.PageRequest) Answer { return cleanPage(n, size, req) }, nil
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
		return LastPageOf(payloads...).WithTotal(int64(n))
	}
	return PageOf(domain.Cursor(strconv.Itoa(to)), payloads...).WithTotal(int64(n))
}

// From makes s expect cursor in the first request, instead of the head, and returns s.
func (s *ScriptedSource) From(cursor domain.Cursor) *ScriptedSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected = []domain.Cursor{cursor}
	return s
}

// At adds answers for requests with that cursor, one each, and returns s.
func (s *ScriptedSource) At(cursor domain.Cursor, answers ...Answer) *ScriptedSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[cursor] = append(s.at[cursor], answers...)
	return s
}

// Left returns the number of answers of the script that were not used yet.
func (s *ScriptedSource) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := len(s.next)
	for _, answers := range s.at {
		left += len(answers)
	}
	return left
}

// Requests returns the requests sent so far, without those that a rate limit held back.
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

// send records the request, unless a rate limit holds it back, and returns its answer.
func (s *ScriptedSource) send(req domain.PageRequest) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.until) {
		return Answer{}, &domain.Error{Kind: domain.RateLimited, Op: opScript, Until: s.until, Unsent: true, Err: errScripted}
	}
	s.requests = append(s.requests, req)
	if s.expected != nil && !slices.Contains(s.expected, req.Cursor) {
		return Answer{}, &domain.Error{
			Kind: domain.Unknown, Op: opScript, Err: fmt.Errorf("got a request with cursor %q, want %q", req.Cursor, s.expected),
		}
	}
	answer, ok := s.find(req)
	if !ok {
		return Answer{}, &domain.Error{
			Kind: domain.Unknown, Op: opScript, Err: fmt.Errorf("the script has no answer left for cursor %q", req.Cursor),
		}
	}
	s.expected = s.nextCursors(req, answer)
	if answer.Kind == domain.Unknown {
		return answer, nil
	}
	failure := &domain.Error{Kind: answer.Kind, Op: opScript, Status: answer.Status, Err: errScripted}
	if answer.Kind == domain.RateLimited && answer.In >= 0 {
		s.until = time.Now().Add(answer.In)
		failure.Until = s.until
	}
	return Answer{}, failure
}

// nextCursors returns the cursors that the request after req may have, if req got answer.
func (s *ScriptedSource) nextCursors(req domain.PageRequest, answer Answer) []domain.Cursor {
	switch {
	case answer.Kind == domain.CursorExpired, answer.Kind == domain.CursorInvalid:
		return []domain.Cursor{""}
	case answer.Kind != domain.Unknown, answer.Hangs, answer.Again:
		return []domain.Cursor{req.Cursor}
	case !answer.Page.Last:
		return []domain.Cursor{answer.Page.Next}
	case s.stream != nil:
		return []domain.Cursor{req.Cursor, ""}
	}
	return []domain.Cursor{req.Cursor}
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
