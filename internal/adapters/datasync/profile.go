package datasync

// A Profile is all that is particular to one cursor-paginated API: its path, headers, parameters and field names. The
// rest of the package knows what they mean, never what they are called. An optional name that is empty is never found.
type Profile struct {
	EventsPath  string // behind the base URL, with a leading slash
	KeyHeader   string // carries the API key
	LimitParam  string
	CursorParam string
	MaxLimit    int // records in a page at most; asking for more is cut to it

	Headers  HeaderNames
	Envelope EnvelopeNames
	Refusal  RefusalNames
	Event    EventNames
}

// limit returns how many records to ask for. Without a positive number it is the most that a page may hold.
func (p *Profile) limit(asked int) int {
	if asked <= 0 {
		return p.MaxLimit
	}
	return min(asked, p.MaxLimit)
}

// HeaderNames are the answer's headers, beside those of RFC 9110.
type HeaderNames struct {
	Limit     string // requests in a window
	Remaining string // requests left in the window
	Reset     string // seconds left in the window
	RequestID string
	Broken    string // stands on a successful answer that is broken on purpose
}

// EnvelopeNames are the members around the records, in both forms: nested, and flat with HasMore and NextCursor
// beside Data.
type EnvelopeNames struct {
	Data       string
	Pagination string // nested form: holds HasMore, NextCursor and ExpiresIn
	HasMore    string
	NextCursor string
	ExpiresIn  string // seconds the next cursor lives
	Meta       string // holds Total, Returned and RequestID
	Total      string
	Returned   string
	RequestID  string
}

// RefusalNames are the members of an error's body.
type RefusalNames struct {
	Code          string
	Message       string
	CursorPrefix  string // codes that begin so are about the cursor
	CursorExpired string // the one code that says it has outlived its time
}

// EventNames are a record's members. All of them are required.
type EventNames struct {
	ID         string
	SessionID  string
	UserID     string
	Type       string
	Name       string
	Properties string
	Timestamp  string

	Session           string // an object that holds the three below
	SessionIDAgain    string // the session's id once more
	SessionDeviceType string
	SessionBrowser    string
}

// DataSync returns the profile of the DataSync Analytics API, version 1, as recorded: its own documentation gives
// another path and only the flat envelope.
func DataSync() Profile {
	return Profile{
		EventsPath: "/events", KeyHeader: "X-API-Key", LimitParam: "limit", CursorParam: "cursor",
		MaxLimit: 5000, // recorded: more is silently cut to it
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
		Refusal: RefusalNames{
			Code: "code", Message: "message", CursorPrefix: "CURSOR_", CursorExpired: "CURSOR_EXPIRED",
		},
		Event: EventNames{
			ID: "id", SessionID: "sessionId", UserID: "userId", Type: "type", Name: "name",
			Properties: "properties", Timestamp: "timestamp",
			Session: "session", SessionIDAgain: "id", SessionDeviceType: "deviceType", SessionBrowser: "browser",
		},
	}
}
