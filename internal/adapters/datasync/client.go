// Package datasync reads the DataSync Analytics API, or a similar API that another [Profile] describes. It turns HTTP answers into
// pages, records into events, and failures into classified errors.
//
// Start with [Client.FetchPage] in client.go and [Decoder.Decode] in decode.go. All names of the API's headers and fields
// are in profile.go.
//
// Facts about the API are marked "recorded" where a recording shows them, and "claimed" where people only report them.
package datasync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const opFetch = "fetch page"

// A Config sets up a Client. BaseURL, Profile, Timeout and MaxPageBytes are required.
type Config struct {
	BaseURL      string // in any form that NormalizeBaseURL accepts
	APIKey       string // printable ASCII, sent to BaseURL only; empty: the client sends no key
	Profile      Profile
	MinDelay     time.Duration     // minimum time from the start of a request to the start of the next one
	Timeout      time.Duration     // maximum time for one request, from dialling to the last byte of the body
	MaxPageBytes int64             // maximum size of a page's body, after decompression
	Transport    http.RoundTripper // nil: a private transport that uses the proxy in the environment
	UserAgent    string            // empty: "pawl"
}

// A Client implements [domain.EventSource] for an HTTP API. It is safe for concurrent use. Concurrent calls share the rate
// limit, so one call may put a hold on another one. To read pages in order, use one goroutine at a time.
type Client struct {
	sourceURL string
	cfg       Config
	events    url.URL // the URL of the pages, without a query
	transport http.RoundTripper
	permits   permits
	dialect   dialect
	bodies    bodyMemory
	secrets   secrets
}

// New returns a client. It sends nothing. If a field of cfg is invalid, New returns an Invalid error that names the fault.
func New(cfg Config) (*Client, error) {
	base, err := NormalizeBaseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	events, err := url.Parse(base + cfg.Profile.EventsPath)
	switch {
	case err != nil || cfg.Profile.EventsPath == "":
		return nil, configError("the profile's events path is not a valid path")
	case strings.HasSuffix(base, cfg.Profile.EventsPath):
		return nil, &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeSettingInvalid, Op: "read API_BASE_URL",
			Err:  fmt.Errorf("%s ends in %s, which pawl adds itself", base, cfg.Profile.EventsPath),
			Hint: "leave it out: " + strings.TrimSuffix(base, cfg.Profile.EventsPath),
		}
	case cfg.Timeout <= 0:
		return nil, configError("the timeout must be positive")
	case cfg.MaxPageBytes <= 0:
		return nil, configError("the maximum size of a page must be positive")
	case strings.ContainsFunc(cfg.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, configError("the API key has a character that is not allowed in a header")
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "pawl"
	}
	transport := cfg.Transport
	if transport == nil {
		transport = newTransport()
	}
	return &Client{
		sourceURL: base, cfg: cfg, events: *events, transport: transport, permits: &governor{minDelay: cfg.MinDelay},
		secrets: newSecrets(cfg.APIKey),
	}, nil
}

func configError(reason string) error {
	return &domain.Error{Kind: domain.Invalid, Code: domain.CodeSettingInvalid, Op: "set up the API client", Err: errors.New(reason)}
}

// SourceURL returns the normalized base URL. The database stores it with a stream, to recognize the stream's API.
func (c *Client) SourceURL() string { return c.sourceURL }

// Endpoint returns the URL of the pages, without a query.
func (c *Client) Endpoint() string { return c.events.String() }

// FetchPage implements [domain.EventSource]. If the limit of req is above the profile's MaxLimit, FetchPage requests MaxLimit
// records. If that limit is zero or negative, FetchPage requests no limit, and the API uses its default. A page may have more
// records than requested; FetchPage returns all of them, up to a maximum (see maxRecords). FetchPage follows no redirect, so
// that no other host receives the API key.
func (c *Client) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if ctx.Err() != nil {
		return domain.Page{}, &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: opFetch, Unsent: true, Err: ctx.Err()}
	}
	sentAt := time.Now()
	if hold := c.permits.take(sentAt); hold != nil {
		return domain.Page{}, &domain.Error{
			Kind: domain.RateLimited, Code: domain.CodeRateLimited, Op: opFetch, Until: hold.until, Unsent: true, Err: hold,
		}
	}
	answer, err := c.send(ctx, req)
	if answer.receivedAt.IsZero() { // there was no answer
		c.permits.tell(outcome{sentAt: sentAt})
		return domain.Page{}, err
	}
	answer.sentAt = sentAt
	headers := c.dialect.read(c.cfg.Profile.Headers, answer)
	retryAt := c.permits.tell(outcome{
		sentAt: sentAt, answered: true, receivedAt: answer.receivedAt, status: answer.status, headers: headers,
	})
	if err != nil { // the headers arrived, but not the whole body
		return domain.Page{}, err
	}
	if answer.status != http.StatusOK {
		return domain.Page{}, c.answerError(req, answer, headers, retryAt)
	}
	return c.parsePage(answer, headers.quota, req)
}

// parsePage returns the page in a successful answer to req. If the answer is not a complete page, it returns a BadPage error.
func (c *Client) parsePage(a answer, quota domain.Quota, req domain.PageRequest) (domain.Page, error) {
	profile := &c.cfg.Profile
	page, err := profile.Envelope.parse(a, req.Cursor, profile.clampLimit(req.Limit))
	reason := a.header.Get(profile.Headers.Broken)
	isBroken := profile.Headers.Broken != "" && reason != ""
	if isBroken { // such an answer is no page, even if it was parsed without an error
		err = fmt.Errorf("the API says that this answer is broken on purpose: %s", c.secrets.excerpt(reason))
	}
	id := checkedRequestID(a.header.Get(profile.Headers.RequestID))
	if id == "" {
		id = page.Receipt.RequestID
	}
	if c.secrets.redact(id) != id {
		id = "" // the id contains the API key, and it would go into logs and the ledger
	}
	if err != nil {
		failure := &domain.Error{
			Kind: domain.BadPage, Code: domain.CodeAPIBadPage, Op: opFetch, Status: a.status, Err: c.addRequestInfo(id, err),
		}
		if errors.Is(err, errWebPage) || errors.Is(err, errOtherJSON) || errors.Is(err, errOtherText) {
			failure.Code, failure.OtherAPI = domain.CodeAPIWrongAddress, true
			failure.Hint = "check API_BASE_URL (it usually ends in /api/v1)"
		}
		return domain.Page{}, failure
	}
	page.Receipt = domain.Receipt{
		RequestID: id, Status: a.status, Bytes: int64(len(a.body)), FetchedAt: a.receivedAt, Quota: quota,
	}
	page.Release = func() { c.bodies.put(a.body) }
	return page, nil
}
