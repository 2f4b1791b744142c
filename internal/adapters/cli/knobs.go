package cli

// knobs is every setting there is, as text: its flag (name), its environment names in order of preference (setting),
// its default and one line of help. A setting without a flag is a secret or leads to one: arguments can be read by
// everybody on the machine.
type knobs struct {
	APIBaseURL   string `group:"api" name:"api-base-url" setting:"API_BASE_URL" placeholder:"URL" help:"Where the API lives, without /events: https://host/api/v1."`
	APIKey       string `group:"api" kong:"-" setting:"API_KEY,TARGET_API_KEY" help:"The API's key."`
	APIKeyFile   string `group:"api" kong:"-" setting:"API_KEY_FILE" help:"A file that holds the API's key, instead of API_KEY."`
	PageSize     string `group:"api" name:"page-size" setting:"BATCH_SIZE" default:"5000" placeholder:"N" help:"Events to ask for in one page, 1 to 5000."`
	RequestDelay string `group:"api" name:"rate-limit-delay-ms" setting:"RATE_LIMIT_DELAY_MS" default:"0" placeholder:"MS" help:"Least time between two requests, in milliseconds."`
	Timeout      string `group:"api" name:"request-timeout" setting:"PAWL_REQUEST_TIMEOUT" default:"60s" placeholder:"TIME" help:"Longest time for one request, its answer included."`
	MaxPageBytes string `group:"api" name:"max-page-bytes" setting:"PAWL_MAX_PAGE_BYTES" default:"16777216" placeholder:"N" help:"Largest page taken, in bytes."`
	Tries        string `group:"api" name:"tries" setting:"PAWL_TRIES" default:"5" placeholder:"N" help:"Attempts before a failing request or commit ends the run."`
	RejectRatio  string `group:"api" name:"max-reject-ratio" setting:"PAWL_MAX_REJECT_RATIO" default:"0.5" placeholder:"SHARE" help:"Share of a page's records that may become dead letters, 0 to 1; a page with more, and at least 10, stops the run."`
	MaxWait      string `group:"api" name:"max-wait" setting:"PAWL_MAX_WAIT" default:"1h" placeholder:"TIME" help:"Longest wait for the API's rate limit before one page."`

	DatabaseURL     string `group:"database" kong:"-" setting:"DATABASE_URL" help:"postgres://user:password@host:5432/database, or embedded:DIR for a private PostgreSQL in that folder."`
	DatabaseURLFile string `group:"database" kong:"-" setting:"DATABASE_URL_FILE" help:"A file that holds the database's URL, instead of DATABASE_URL."`
	Migrate         string `group:"database" name:"migrate" setting:"PAWL_MIGRATE" default:"auto" placeholder:"MODE" help:"The schema, at the start of a run: auto brings it up to date, check refuses one that is not, off leaves it alone."`
	Stream          string `group:"database" name:"stream" setting:"PAWL_STREAM" default:"datasync" placeholder:"NAME" help:"The stream's name; each has its own checkpoint."`

	EnvFile   string `group:"output" name:"env-file" placeholder:"FILE" help:"A file of NAME=value lines, read under the environment. Without it .env is read, if it is there."`
	Progress  string `group:"output" name:"progress" setting:"PAWL_PROGRESS" default:"auto" placeholder:"WHEN" help:"How a run shows its progress: auto is one live line on a terminal and a log line every 5 s elsewhere, always the live line, never neither."`
	LogFormat string `group:"output" name:"log-format" setting:"PAWL_LOG_FORMAT" default:"text" placeholder:"FORMAT" help:"Log lines as text or json."`
	LogLevel  string `group:"output" name:"log-level" setting:"PAWL_LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"Log from debug, info, warn or error upwards."`
}
