package protocol

import "unique"

const (
	maxRecords = 4
	maxRows    = 16
)

// An actor takes steps. Runner A is 0 and runner B is 1, so that an actor is also the index of its runner.
type actor uint8

const (
	runnerA actor = iota
	runnerB
	replayer // pawl dlq replay
	reader   // a program that follows page_id
	server   // PostgreSQL, with a transaction whose client is gone
	operator // takes a backup and restores it
	nobody
)

func (a actor) String() string {
	return [...]string{"runner A", "runner B", "replay", "reader", "server", "operator", "nobody"}[a]
}

// A position says where a pass is. It has no cursor: in the model the offset is the cursor.
type position struct{ pass, offset uint8 }

// A checkpoint is the stream's row. No claim has token 0.
type checkpoint struct {
	exists            bool
	token, epoch, seq uint8
	position
	done bool
}

// A record is the database's state of one record of the API.
type record struct {
	storedBy   uint8 // page_id of the event, 0 if it is not stored
	deadLetter deadLetterState
}

type deadLetterState uint8

const (
	noDeadLetter deadLetterState = iota
	openDeadLetter
	resolvedDeadLetter
)

func (r record) isAccounted() bool { return r.storedBy != 0 || r.deadLetter != noDeadLetter }

// A ledgerRow is a row of the table pages. A replay's row belongs to no pass: its pass is 0.
type ledgerRow struct{ pageID, pass, received, inserted, duplicate, parked uint8 }

// A database is everything that is committed, and the sequence of page ids, which a rollback does not reset.
type database struct {
	checkpoint checkpoint
	records    [maxRecords]record
	ledger     [maxRows]ledgerRow
	rows       uint8 // in the ledger
	lastID     uint8 // of the sequence
}

// A transaction holds the lock of the checkpoint's row, so there is at most one. Its changes are invisible until it is
// committed.
type transaction struct {
	holder                 actor // nobody if the lock is free
	disconnected           bool  // the connection is gone; the server has not ended the transaction yet
	commitSent             bool  // the client sent COMMIT before that, so the server may still commit
	pageID                 uint8
	target                 checkpoint // the checkpoint after the commit
	firstRecord, endRecord uint8      // the page has the records from first to end, excluding end
}

// A runner is the memory of one process.
type runner struct {
	phase      phase
	claimToken uint8      // the token of its own claim; used by properties only
	checkpoint checkpoint // the checkpoint as it was last read
	start      position   // where its next page begins; differs from at after a cursor has expired
	isLast     bool       // its page says that it is the last one
	pageID     uint8      // reserved too early; only with IDsBeforeLock
	restored   bool       // a backup was restored since its claim; used by properties only
}

type phase uint8

const (
	idle          phase = iota // not started, ended or crashed
	ready                      // has the checkpoint, needs a page
	fetched                    // has a page, needs the lock
	reserved                   // has a page and a page id, needs the lock; only with IDsBeforeLock
	inTransaction              // has the lock
	unanswered                 // sent COMMIT and got no answer
)

// A replay is one `pawl dlq replay`.
type replay struct {
	phase  phase // idle, reserved or inTransaction
	pageID uint8
}

// A budget counts the events that would otherwise make the number of states infinite.
type budget struct {
	claims          uint8 // also the last token: tokens never repeat, even after a restore
	lostConnections uint8 // COMMIT answers
	backups         uint8
	restores        uint8
	replays         uint8
	expiries        uint8 // of cursors
	falseEnds       uint8
}

// A state is the state of all actors and of the database. It is comparable, and small, since databases are interned.
type state struct {
	db, backup unique.Handle[database]
	tx         transaction
	runners    [2]runner
	replay     replay
	lastRead   uint8 // the last page_id that the reader has read
	spent      budget
}

var noBackup unique.Handle[database]

// initialState returns the state with an empty, migrated database.
func initialState() state {
	return state{db: unique.Make(database{}), tx: transaction{holder: nobody}}
}

// A scope bounds the exploration. All interleavings within it are explored.
type scope struct {
	records   uint8    // number of the API's records
	announced bool     // the API announces this number, so an end can be checked
	badRecord uint8    // index of the record that cannot be decoded and is parked
	pageSizes [2]uint8 // of runner A and runner B
	limits    budget
	reader    bool
}

// faults makes the protocol wrong, each field in one rule. The zero value is the correct protocol.
type faults struct {
	CountedEpoch        bool // a commit and its look-up compare the epoch and no token
	PositionNotCompared bool // a commit and its look-up compare seq, but not pass and offset
	LookUpIgnoresToken  bool // a look-up compares the epoch and no token
	LookUpDoesNotWait   bool // a look-up reads the checkpoint without its lock
	IDsBeforeLock       bool // a page id is reserved before the lock of the checkpoint's row is held
	CheckpointFirst     bool // the checkpoint moves in a transaction of its own, before the rows are stored
	AssumesCommitted    bool // an unanswered COMMIT is assumed to have happened
	AlwaysFenced        bool // every unexpected checkpoint is reported as fenced
	EndNotChecked       bool // an end is believed without comparing it with the announced total
}

// A model is a protocol within a scope.
type model struct {
	scope
	faults
}

// A transition is one step of one actor. The pair of by and what is unique among the steps from one state.
type transition struct {
	actor actor
	step  step
	next  state
	ended ending
}

// An ending is how a run ends, other than by a crash.
type ending uint8

const (
	running ending = iota
	complete
	fenced  // another runner holds the stream: exit 5
	setBack // the database was set back: exit 3, run it again
)

// next returns the steps that are possible in s. A runner that can read does so before any other actor takes a step: a read
// changes nothing that the others see, so its time makes no difference.
func (m model) next(s state) []transition {
	var steps []transition
	for _, who := range []actor{runnerA, runnerB} {
		if s.runners[who].phase == ready {
			return m.runnerSteps(s, who)
		}
		steps = append(steps, m.runnerSteps(s, who)...)
	}
	steps = append(steps, m.replaySteps(s)...)
	steps = append(steps, m.serverSteps(s)...)
	steps = append(steps, m.operatorSteps(s)...)
	return append(steps, m.readerSteps(s)...)
}
