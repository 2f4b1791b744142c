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

// An Answer is an upstream's answer to one request: a page, an error, or no answer at all.
type Answer struct {
	Page   domain.Page   // has no receipt; empty if the answer is no page
	Kind   domain.Kind   // the kind of the error; domain.Unknown if the answer is no error
	In     time.Duration // only for domain.RateLimited: how long requests are forbidden; negative if the answer does not say it
	Status int           // the HTTP status of the error; 0 if it does not matter
	Hangs  bool          // the upstream does not answer; the request waits until its context ends
	Quota  AnswerQuota   // the quota that comes with a page
	Again  bool          // the reader must not accept the page, so the next request must have the same cursor
}

// An AnswerQuota is the domain.Quota of an answer, but with a reset relative to the answer. If Limit is 0, the answer has no
// quota.
type AnswerQuota struct {
	Limit, Remaining int64
	ResetIn          time.Duration // from the answer to the reset, in whole seconds
}

// PageOf returns an answer with a page of these payloads in the middle of a stream. next is the cursor of the next page, and the
// total is unknown.
func PageOf(next domain.Cursor, payloads ...string) Answer {
	page := domain.Page{Next: next}
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	return Answer{Page: page}
}

// LastPageOf returns an answer with a page of these payloads at the end of a stream whose total is unknown.
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
	a.Quota = AnswerQuota{Limit: limit, Remaining: remaining, ResetIn: resetIn}
	return a
}

// NotAccepted returns the answer as a page that the reader must not accept. The next request must then have the same cursor.
func (a Answer) NotAccepted() Answer {
	a.Again = true
	return a
}

// FailWith returns an answer with an error of a kind.
func FailWith(kind domain.Kind) Answer { return Answer{Kind: kind} }

// RefuseFor returns a refusal: an answer of kind domain.RateLimited that forbids requests for the time d. If d is negative, the
// answer does not say for how long.
func RefuseFor(d time.Duration) Answer { return Answer{Kind: domain.RateLimited, In: d} }

// WithStatus returns the answer with an HTTP status.
func (a Answer) WithStatus(status int) Answer {
	a.Status = status
	return a
}

// Hang returns an Answer for an upstream that does not answer. The request waits until its context ends.
func Hang() Answer { return Answer{Hangs: true} }

// A ScriptedSource is a domain.EventSource with prepared answers. To answer a request, it tries these in order:
//  1. the next answer that At has added for the request's cursor,
//  2. the next answer of the script,
//  3. the answer that Always has set for the request's cursor,
//  4. a page of the clean stream, if the source was made by NewCleanStream.
//
// It passes the SourceChecks and is safe for concurrent use.
//
// Each answer determines which cursor the next request must have:
//   - After a page: the page's next cursor.
//   - After CursorExpired or CursorInvalid: the empty cursor, which is the head.
//   - After any other error, or if the reader must not accept the page: the same cursor again.
//   - After a last page: the same cursor again, because a reader may want to confirm the end. A clean stream also accepts the head.
//
// A request with another cursor gets an error of kind Unknown. So does a request for which no answer is left.
type ScriptedSource struct {
	clean func(domain.PageRequest) Answer // returns the pages of a clean stream; nil without one

	mu        sync.Mutex
	script    []Answer
	forCursor map[domain.Cursor][]Answer // the answers that At has added
	always    map[domain.Cursor]Answer   // the answers that Always has set
	expected  []domain.Cursor            // the next request must have one of these cursors; nil if it may have any
	heldUntil time.Time                  // when the last refusal ends
	requests  []domain.PageRequest
}

// NewScriptedSource returns a source that gives these answers one after the other. The first request must be for the head.
func NewScriptedSource(answers ...Answer) *ScriptedSource {
	return &ScriptedSource{forCursor: map[domain.Cursor][]Answer{}, script: answers, expected: []domain.Cursor{""}}
}

// NewCleanStream returns a source of records in pages of at most pageSize records.
//   - The payloads are the numbers from 0 to records-1, which a LineDecoder accepts.
//   - The cursor of a page is the number of its first record. The cursor of the first page is empty.
//   - Each page announces records as the total.
//   - The first request may have the cursor of any page. After the last page the stream may be read again from its head.
func NewCleanStream(records, pageSize int) *ScriptedSource {
	s := NewScriptedSource()
	s.clean = func(req domain.PageRequest) Answer { return cleanPage(records, pageSize, req) }
	s.expected = nil
	return s
}

// cleanPage returns the page of a clean stream for the request.
func cleanPage(records, pageSize int, req domain.PageRequest) Answer {
	from := 0
	if req.Cursor != "" {
		var err error
		if from, err = strconv.Atoi(string(req.Cursor)); err != nil || from <= 0 || from >= records {
			return FailWith(domain.CursorInvalid)
		}
	}
	if req.Limit > 0 {
		pageSize = min(pageSize, req.Limit)
	}
	to := min(from+pageSize, records)
	var payloads []string
	for number := from; number < to; number++ {
		payloads = append(payloads, strconv.Itoa(number))
	}
	if to == records {
		return LastPageOf(payloads...).WithTotal(int64(records))
	}
	return PageOf(domain.Cursor(strconv.Itoa(to)), payloads...).WithTotal(int64(records))
}

// From makes s expect this cursor in the next request, instead of the head, and returns s.
func (s *ScriptedSource) From(cursor domain.Cursor) *ScriptedSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected = []domain.Cursor{cursor}
	return s
}

// At adds answers for the next requests with this cursor, and returns s. Each request uses one answer.
func (s *ScriptedSource) At(cursor domain.Cursor, answers ...Answer) *ScriptedSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forCursor[cursor] = append(s.forCursor[cursor], answers...)
	return s
}

// Always sets the answer to requests with this cursor for which no other answer is left, and returns s. After this call, each request may
// have any cursor.
func (s *ScriptedSource) Always(cursor domain.Cursor, answer Answer) *ScriptedSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.always == nil {
		s.always = map[domain.Cursor]Answer{}
	}
	s.always[cursor], s.expected = answer, nil
	return s
}

// Left returns the number of answers that were not used yet: those of the script and those that At has added.
func (s *ScriptedSource) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := len(s.script)
	for _, answers := range s.forCursor {
		left += len(answers)
	}
	return left
}

// Requests returns the requests that were sent so far. It leaves out requests that a refusal held back.
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
	answer, err := s.send(req)
	if err != nil {
		return domain.Page{}, err
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

// opScript is the operation in the errors of a ScriptedSource.
const opScript = "fetch scripted page"

// errScripted is the cause of the errors that an answer of the script asks for.
var errScripted = errors.New("as scripted")

// send records the request and returns its answer, or the error that the answer asks for. If an earlier refusal has not ended,
// send returns RateLimited and does not record the request.
func (s *ScriptedSource) send(req domain.PageRequest) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.heldUntil) {
		return Answer{}, &domain.Error{
			Kind: domain.RateLimited, Code: domain.CodeRateLimited, Op: opScript, Until: s.heldUntil, Unsent: true, Err: errScripted,
		}
	}
	s.requests = append(s.requests, req)
	if s.expected != nil && !slices.Contains(s.expected, req.Cursor) {
		return Answer{}, &domain.Error{
			Kind: domain.Unknown, Op: opScript, Err: fmt.Errorf("got a request with cursor %q, want %q", req.Cursor, s.expected),
		}
	}
	answer, ok := s.takeAnswer(req)
	if !ok {
		return Answer{}, &domain.Error{
			Kind: domain.Unknown, Op: opScript, Err: fmt.Errorf("the script has no answer left for cursor %q", req.Cursor),
		}
	}
	if s.always == nil {
		s.expected = s.nextCursors(req, answer)
	}
	if answer.Kind == domain.Unknown { // a page, or no answer at all
		return answer, nil
	}
	failure := &domain.Error{Kind: answer.Kind, Op: opScript, Status: answer.Status, Err: errScripted}
	if answer.Kind == domain.RateLimited && answer.In >= 0 {
		s.heldUntil = time.Now().Add(answer.In)
		failure.Code, failure.Until = domain.CodeRateLimited, s.heldUntil
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
	case s.clean != nil:
		return []domain.Cursor{req.Cursor, ""}
	}
	return []domain.Cursor{req.Cursor}
}

// takeAnswer removes and returns the answer to the request. It returns false if there is none.
func (s *ScriptedSource) takeAnswer(req domain.PageRequest) (Answer, bool) {
	if answers := s.forCursor[req.Cursor]; len(answers) > 0 {
		s.forCursor[req.Cursor] = answers[1:]
		return answers[0], true
	}
	if len(s.script) > 0 {
		answer := s.script[0]
		s.script = s.script[1:]
		return answer, true
	}
	if answer, ok := s.always[req.Cursor]; ok {
		return answer, true
	}
	if s.clean != nil {
		return s.clean(req), true
	}
	return Answer{}, false
}
