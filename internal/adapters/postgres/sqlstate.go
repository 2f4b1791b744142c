package postgres

import "github.com/pawldata/pawl/internal/domain"

// kindOfState classifies a SQLSTATE (PostgreSQL manual, appendix A) that is no answer about an event's row; see
// kindOfRow for those. A state that none of pawl's statements can cause is Unknown on purpose: it is a bug here.
func kindOfState(code string) domain.Kind {
	if kind, ok := stateKinds(code); ok {
		return kind
	}
	if len(code) < 2 {
		return domain.Unknown
	}
	switch code[:2] {
	case "08", // connection exception
		"26", // prepared statement is gone: a pooler gave us another server connection
		"40", // serialization failure, deadlock
		"53", // insufficient resources
		"55", // object not in prerequisite state: lock not available
		"57", // operator intervention: shutdown, statement timeout
		"58", // system error outside PostgreSQL
		"72", // snapshot too old
		"XX": // an internal error of the server, such as a corrupted index
		return domain.Transient
	case "0A", // feature not supported by this server
		"0L", "0P", // grantor or role
		"28", // authorization: password, role
		"3D", // no such database
		"3F", // no such schema
		"F0", // the server's configuration file
		"P0": // raised by a trigger or function that is not pawl's
		return domain.Invalid
	}
	return domain.Unknown
}

func stateKinds(code string) (domain.Kind, bool) {
	switch code {
	case "25006", // read-only transaction: a standby, or a primary that became one
		"25P03", "25P04": // idle-in-transaction and transaction timeout
		return domain.Transient, true
	case "42501", "42P01", "42703": // insufficient privilege; a table or column that an older schema lacks
		return domain.Invalid, true
	}
	return domain.Unknown, false
}

// kindOfRow classifies the answer to a statement that carries events' values: there, data exceptions (22), limits (54)
// and constraints (23, except a key that exists already) speak about a value of the upstream's.
func kindOfRow(code string) domain.Kind {
	if len(code) < 2 || code == "23505" {
		return kindOfState(code)
	}
	switch code[:2] {
	case "22", "23", "54":
		return domain.Unstorable
	}
	return kindOfState(code)
}
