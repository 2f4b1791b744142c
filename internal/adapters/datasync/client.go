// Package datasync reads the DataSync Analytics API, and through another Profile any API like it: it turns HTTP answers
// into pages, records into events, and failures into classified errors.
//
// Facts about the API are marked "recorded" where a recording shows them and "claimed" where people only report them.
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

// A Config is what a Client needs to know. BaseURL, Profile, Timeout and MaxPageBytes must be set.
type Config struct {
	BaseURL      string // in any spelling that NormalizeBaseURL takes
	APIKey       string // printable ASCII; sent to BaseURL only. Empty: no key is sent
	Profile      Profile
	MinDelay     time.Duration     // least time between two requests, from send to send
	Timeout      time.Duration     // for one request, from dialling to the body's last byte
	MaxPageBytes int64             // of a page's body, after decompression
	Transport    http.RoundTripper // nil: a private one, with the proxy the environment names
	UserAgent    string            // empty: "pawl"
}

// A Client is the API as a domain.EventSource. It is safe for concurrent use, which shares the rate limit; pages in
// order come from one caller at a time.
type Client struct {
	sourceURL string
	cfg       Config
	events    url.URL // without query
	transport http.RoundTripper
	governor  governor
}

// New returns a client; it sends nothing. The error is Invalid and names what is wrong with cfg.
func New(cfg Config) (*Client, error) {
	base, err := NormalizeBaseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	events, err := url.Parse(base + cfg.Profile.EventsPath)
	switch {
	case err != nil || cfg.Profile.EventsPath == "":
		return nil, badConfig("the profile's events path is not a path")
	case cfg.Timeout <= 0:
		return nil, badConfig("the timeout is not longer than nothing")
	case cfg.MaxPageBytes <= 0:
		return nil, badConfig("the largest page is not larger than nothing")
	case strings.ContainsFunc(cfg.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, badConfig("the API key holds a character that cannot stand in a header")
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "pawl"
	}
	transport := cfg.Transport
	if transport == nil {
		transport = newTransport()
	}
	return &Client{sourceURL: base, cfg: cfg, events: *events, transport: transport, governor: governor{gap: cfg.MinDelay}}, nil
}

// SourceURL returns the API's address in its one form, by which a stream remembers what it reads from.
func (c *Client) SourceURL() string { return c.sourceURL }

// Endpoint returns the URL that pages are asked for from, without the query.
func (c *Client) Endpoint() string { return c.events.String() }

func badConfig(why string) error {
	return &domain.Error{Kind: domain.Invalid, Op: "set up the API client", Err: errors.New(why)}
}

// FetchPage implements domain.EventSource. A limit above the profile's is cut to it; without a positive one the API's
// own default holds. A page may hold more records than asked for: none is left out. Redirects are not followed, since
// the key must not travel to another host.
func (c *Client) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if ctx.Err() != nil {
		return domain.Page{}, &domain.Error{Kind: domain.Stopped, Op: opFetch, Unsent: true, Err: ctx.Err()}
	}
	if hold := c.governor.reserve(time.Now()); hold != nil {
		return domain.Page{}, &domain.Error{
			Kind: domain.RateLimited, Op: opFetch, Until: hold.until, Unsent: true, Err: hold,
		}
	}
	answer, err := c.ask(ctx, req)
	if err != nil {
		return domain.Page{}, err
	}
	headers, until := c.governor.observe(c.cfg.Profile.Headers, answer)
	if answer.status != http.StatusOK {
		return domain.Page{}, c.refused(answer, headers, until)
	}
	return c.page(answer, headers.quota, req)
}

// page reads a page from a successful answer.
func (c *Client) page(a answer, quota domain.Quota, req domain.PageRequest) (domain.Page, error) {
	names := &c.cfg.Profile
	page, fault := names.Envelope.open(a, req.Cursor, names.limit(req.Limit))
	if how := a.header.Get(names.Headers.Broken); names.Headers.Broken != "" && how != "" {
		fault = fmt.Errorf("the API says that it is broken on purpose: %s", c.shown(how))
	}
	id := identifier(a.header.Get(names.Headers.RequestID))
	if id == "" {
		id = page.Receipt.RequestID
	}
	if c.redact(id) != id {
		id = "" // it goes into logs and the ledger
	}
	if fault != nil {
		return domain.Page{}, &domain.Error{Kind: domain.BadPage, Op: opFetch, Status: a.status, Err: c.about(id, fault)}
	}
	page.Receipt = domain.Receipt{RequestID: id, Status: a.status, Bytes: int64(len(a.body)), FetchedAt: a.at, Quota: quota}
	return page, nil
}

// about says which request an error is about: where it went, without the query, and the API's own id of the answer.
func (c *Client) about(requestID string, err error) error {
	err = c.withoutKey(err)
	if requestID == "" {
		return fmt.Errorf("GET %s: %w", c.events.String(), err)
	}
	return fmt.Errorf("GET %s (request id %s): %w", c.events.String(), requestID, err)
}
