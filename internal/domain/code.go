package domain

// A Code names one class of failure, so that a message can be looked up. A code never changes its meaning. Package
// internal/adapters/cli explains each code, because the explanations name commands and flags.
type Code string

// These codes are about the API and the records that it sends.
const (
	CodeAPIKeyRefused           Code = "api-key-refused"
	CodeAPIWrongAddress         Code = "api-wrong-address"
	CodeAPIRequestRefused       Code = "api-request-refused"
	CodeAPICertificateUntrusted Code = "api-certificate-untrusted"
	CodeAPIUnreachable          Code = "api-unreachable"
	CodeAPIServerError          Code = "api-server-error"
	CodeProxyFailed             Code = "proxy-failed"
	CodeAPIBadPage              Code = "api-bad-page"
	CodeAPIPageTooLarge         Code = "api-page-too-large"
	CodeAPIPageRepeated         Code = "api-page-repeated"
	CodeAPIEndTooEarly          Code = "api-end-too-early"
	CodeAPIEndUnconfirmed       Code = "api-end-unconfirmed"
	CodeRateLimited             Code = "rate-limited"
	CodeRateLimitWaitTooLong    Code = "rate-limit-wait-too-long"
	CodeCursorLost              Code = "cursor-lost"
	CodeTooManyRejects          Code = "too-many-rejects"
	CodeValueRefused            Code = "value-refused"
	CodeDeadLetterUnknown       Code = "dead-letter-unknown"
	CodeDeadLetterResolved      Code = "dead-letter-resolved"
	CodeStreamHeld              Code = "stream-held"
	CodeStreamTakenOver         Code = "stream-taken-over"
	CodeStreamOtherAddress      Code = "stream-other-address"
	CodeStreamUnknown           Code = "stream-unknown"
	CodeStreamIncomplete        Code = "stream-incomplete"
	CodeVerifyDifferences       Code = "verify-differences"
)

// These codes are about the database.
const (
	CodeDatabaseURLInvalid       Code = "database-url-invalid"
	CodeDatabaseUnreachable      Code = "database-unreachable"
	CodeDatabaseLoginRefused     Code = "database-login-refused"
	CodeDatabaseNotFound         Code = "database-not-found"
	CodeDatabaseNotSecure        Code = "database-not-secure"
	CodeDatabasePermissionDenied Code = "database-permission-denied"
	CodeDatabaseDiskFull         Code = "database-disk-full"
	CodeDatabaseReadOnly         Code = "database-read-only"
	CodeDatabaseBusy             Code = "database-busy"
	CodeDatabaseInternalError    Code = "database-internal-error"
	CodeDatabaseRefusedStatement Code = "database-refused-statement"
	CodeDatabaseSetBack          Code = "database-set-back"
	CodeDatabaseNotUTF8          Code = "database-not-utf8"
	CodeCommitUnanswered         Code = "commit-unanswered"
	CodeSchemaNotFound           Code = "schema-not-found"
	CodeSchemaOutdated           Code = "schema-outdated"
	CodeSchemaNewer              Code = "schema-newer"
	CodeSchemaTaken              Code = "schema-taken"
	CodeEventsWithoutKey         Code = "events-without-key"
	CodeMigrationBlocked         Code = "migration-blocked"
	CodeMigrationNeedsDirect     Code = "migration-needs-direct"
	CodePrivateDatabaseFolder    Code = "private-database-folder"
	CodePrivateDatabasePrograms  Code = "private-database-programs"
	CodePrivateDatabaseBusy      Code = "private-database-busy"
	CodePrivateDatabaseDamaged   Code = "private-database-damaged"
	CodePrivateDatabaseStart     Code = "private-database-start"
)

// These codes are about the program itself, its settings and its environment.
const (
	CodeSettingMissing   Code = "setting-missing"
	CodeSettingInvalid   Code = "setting-invalid"
	CodeEnvFileInvalid   Code = "env-file-invalid"
	CodeUsage            Code = "usage"
	CodePsqlFailed       Code = "psql-failed"
	CodeDemoFailed       Code = "demo-failed"
	CodeOutputFailed     Code = "output-failed"
	CodeStopped          Code = "stopped"
	CodePageLimitReached Code = "page-limit-reached"
	CodeTimeLimitReached Code = "time-limit-reached"
	CodeBug              Code = "bug"
)

// CodeOf returns the code of the outermost Error in err's chain that has one. If there is none, CodeOf returns CodeStopped for
// an error of the kind Stopped, and CodeBug for any other error.
func CodeOf(err error) Code {
	for e := AsError(err); e != nil; e = AsError(e.Err) {
		if e.Code != "" {
			return e.Code
		}
	}
	if KindOf(err) == Stopped {
		return CodeStopped
	}
	return CodeBug
}
