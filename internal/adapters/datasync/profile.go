package datasync

// A Profile holds everything that is specific to one cursor-paginated API: its path, headers, parameters and field names.
// No other code in the package contains such a name. If an optional name is empty, the API has no such header or field.
type Profile struct {
	EventsPath  string // the path after the base URL, with a leading slash
	KeyHeader   string // the header for the API key
	LimitParam  string
	CursorParam string
	MaxLimit    int // maximum number of records that a request may ask for

	Headers   HeaderNames
	Envelope  EnvelopeNames
	ErrorBody ErrorBodyFormat
	Event     EventNames
}

// HeaderNames are the names of headers in an answer. Headers that a standard names, such as Retry-After, are read in addition.
type HeaderNames struct {
	Limit     string // requests in a window
	Remaining string // requests left in the window
	Reset     string // seconds left in the window
	RequestID string
	Broken    string // marks a successful answer as broken on purpose
}

// EnvelopeNames are the names of the members of a page around its records. In the nested form HasMore, NextCursor and
// ExpiresIn are members of the object Pagination. In the flat form they are beside Data.
type EnvelopeNames struct {
	Data       string
	Pagination string // an object, in the nested form only
	HasMore    string
	NextCursor string
	ExpiresIn  string // lifetime of the next cursor, in seconds
	Meta       string // an object with Total, Returned and RequestID
	Total      string // number of records in the stream
	Returned   string // number of records in the page
	RequestID  string
}

// An ErrorBodyFormat describes the JSON body of an error answer.
type ErrorBodyFormat struct {
	Code             string // the name of the member with the error's code
	Message          string // the name of the member with the error's message
	CursorCodePrefix string // the beginning of all codes about the cursor
	ExpiredCode      string // the code of an expired cursor
}

// EventNames are the names of a record's members. All of them are required.
type EventNames struct {
	ID         string
	SessionID  string
	UserID     string
	Type       string
	Name       string
	Properties string
	Timestamp  string

	Session           string // an object with the three members below
	InnerSessionID    string // has the same value as SessionID
	SessionDeviceType string
	SessionBrowser    string
}

// DataSync returns the profile of the DataSync Analytics API, version 1, as recorded. The API's own documentation differs: it
// gives another path, and it knows only the flat form of a page.
func DataSync() Profile {
	return Profile{
		EventsPath: "/events", KeyHeader: "X-API-Key", LimitParam: "limit", CursorParam: "cursor",
		MaxLimit: 5000, // recorded: the API reduces a larger limit to this one, without an error
		Headers: HeaderNames{
			Limit: "X-RateLimit-Limit", Remaining: "X-RateLimit-Remaining", Reset: "X-RateLimit-Reset",
			RequestID: "X-Request-ID",
			Broken:    "X-Chaos-Applied", // claimed
		},
		Envelope: EnvelopeNames{
			Data:       "data",
			Pagination: "pagination", HasMore: "hasMore", NextCursor: "nextCursor", ExpiresIn: "cursorExpiresIn",
			Meta: "meta", Total: "total", Returned: "returned", RequestID: "requestId",
		},
		ErrorBody: ErrorBodyFormat{
			Code: "code", Message: "message", CursorCodePrefix: "CURSOR_", ExpiredCode: "CURSOR_EXPIRED",
		},
		Event: EventNames{
			ID: "id", SessionID: "sessionId", UserID: "userId", Type: "type", Name: "name",
			Properties: "properties", Timestamp: "timestamp",
			Session: "session", InnerSessionID: "id", SessionDeviceType: "deviceType", SessionBrowser: "browser",
		},
	}
}

// clampLimit returns limit, or MaxLimit if limit is larger, zero or negative.
func (p *Profile) clampLimit(limit int) int {
	if limit <= 0 {
		return p.MaxLimit
	}
	return min(limit, p.MaxLimit)
}
