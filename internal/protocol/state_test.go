package protocol

import "unique"

const (
	maxRecords = 4  // records of the API
	maxRows    = 16 // rows of the ledger
)

// An actor takes steps. Runner A is 0 and runner B is 1, so that an actor is also the index of its runner.
type actor uint8

const (
	runnerA actor = iota
	runnerB
	replayer // pawl dlq replay
	reader   // a program that reads the ledger in order of page_id
	server   // PostgreSQL, when it ends a transaction whose client is gone
	operator // the user who takes a backup and restores it, and resets the checkpoint
	nobody   // no actor: the lock is free
)

func (a actor) String() string {
	return [...]string{
		runnerA: "runner A", runnerB: "runner B", replayer: "replay", reader: "reader", server: "server", operator: "operator",
		nobody: "nobody",
	}[a]
}

// A position says where a pass is. A pass is one walk over the stream, and the offset counts its committed records. In the model the
// offset is also the cursor.
type position struct{ pass, offset uint8 }

// A checkpoint is the stream's row in the database.
type checkpoint struct {
	exists   bool
	token    uint8 // 0 if the stream was never claimed
	epoch    uint8 // the number of claims and resets
	seq      uint8 // the number of committed pages
	position       // where the next page begins
	done     bool  // the stream is complete
}

// A record is the database's state of one record of the API.
type record struct {
	storedBy   uint8 // page_id of the page or replay that stored its event, 0 if the event is not stored
	deadLetter deadLetterState
}

type deadLetterState uint8

const (
	noDeadLetter deadLetterState = iota
	openDeadLetter
	resolvedDeadLetter
)

// isAccounted reports whether the record is stored or parked.
func (r record) isAccounted() bool { return r.storedBy != 0 || r.deadLetter != noDeadLetter }

// A ledgerRow is a row of the table pages. The row of a replay or reset belongs to no pass, so its pass is 0.
type ledgerRow struct{ pageID, pass, received, inserted, duplicate, parked uint8 }

// A database holds what is committed. It also holds the last page id of the sequence, which a rollback does not set back.
type database struct {
	checkpoint checkpoint
	records    [maxRecords]record
	ledger     [maxRows]ledgerRow
	rows       uint8 // the number of rows in the ledger
	lastID     uint8 // the last page id that the sequence gave out
}

// A transaction holds the lock of the checkpoint's row, so there is at most one transaction. Nobody sees its changes until it is
// committed.
type transaction struct {
	holder                 actor // nobody if the lock is free
	disconnected           bool  // the client is gone, and the server has not ended the transaction yet
	commitSent             bool  // the client sent COMMIT before it was gone, so the server may still commit
	pageID                 uint8
	target                 checkpoint // the checkpoint after the commit
	firstRecord, endRecord uint8      // the page has the records from firstRecord to endRecord, excluding endRecord
}

// A runner is what one process has in memory.
type runner struct {
	phase      phase
	claimToken uint8      // the token of its own claim; only the properties use it
	checkpoint checkpoint // the checkpoint as the runner last read it
	start      position   // where its next page begins; differs from the checkpoint after a cursor has expired
	isLast     bool       // the runner has a page, and the page says that it is the last one
	pageID     uint8      // the page id that it reserved without the lock for its page; 0 if it reserved none
	nextID     uint8      // the page id that it reserved for the page after its page; 0 if it reserved none
	restored   bool       // a backup was restored since its claim; only the properties use it
}

// A phase says what a process has done, and so which step is its next one.
type phase uint8

const (
	idle          phase = iota // it has not started, or it has ended or crashed
	ready                      // it has the checkpoint and needs a page
	fetched                    // it has a page and needs the lock
	reserved                   // it has a page and a page id, and needs the lock
	inTransaction              // it has the lock
	unanswered                 // it has sent COMMIT and got no answer
)

// A replay is the state of one `pawl dlq replay`.
type replay struct {
	phase  phase // idle, reserved or inTransaction
	pageID uint8
}

// A budget counts steps that have a limit. Without a limit the number of states would be infinite.
type budget struct {
	claims          uint8 // with resets also the last token, so tokens never repeat, even after a restore
	resets          uint8
	lostConnections uint8 // before or after COMMIT was sent
	backups         uint8
	restores        uint8
	replays         uint8
	expiries        uint8 // expired cursors
	falseEnds       uint8 // pages that say wrongly that they are the last one
	idsAhead        uint8 // page ids that a runner reserves without the lock
}

// A state is the state of all actors and of the database. States can be compared with ==. They are small, because equal databases
// share one value (package unique).
type state struct {
	db, backup unique.Handle[database]
	tx         transaction
	runners    [2]runner
	replay     replay
	lastRead   uint8  // the last page_id that the reader has read
	spent      budget // how many steps with a limit were taken
}

// noBackup is the backup of a state without a backup.
var noBackup unique.Handle[database]

// initialState returns the state with an empty, migrated database.
func initialState() state {
	return state{db: unique.Make(database{}), tx: transaction{holder: nobody}}
}

// A scope limits the exploration. Within a scope the tests explore every order of steps.
type scope struct {
	records   uint8    // the number of the API's records
	announced bool     // whether the API announces the number of records, so that a commit can check an end
	badRecord uint8    // the index, from 0, of the record that cannot be decoded and is parked
	pageSizes [2]uint8 // the page sizes of runner A and runner B
	limits    budget
	reader    bool // whether there is a reader
}

// faults makes the protocol wrong. Each field breaks one rule. The zero value is the correct protocol.
type faults struct {
	CountedEpoch        bool // a commit and its look-up compare only the epoch, and not the token
	PositionNotCompared bool // a commit and its look-up compare only the seq, and not the pass and the offset
	LookUpIgnoresToken  bool // a look-up compares only the epoch, and not the token
	LookUpDoesNotWait   bool // a look-up reads the checkpoint without its lock
	IDsBeforeLock       bool // each page id is reserved before the lock of the checkpoint's row is held, and never compared
	IDsNotCompared      bool // a page id that was reserved without the lock is not compared with the ledger
	CheckpointFirst     bool // the checkpoint moves in a transaction of its own, before the rows are stored
	AssumesCommitted    bool // an unanswered COMMIT is assumed to have happened
	AlwaysFenced        bool // a run that finds any unexpected checkpoint ends fenced, and never set back
	ResetKeepsClaim     bool // a reset takes no new epoch and no new token
	EndNotChecked       bool // a commit does not compare an end with the announced total
}

// A model is a protocol within a scope.
type model struct {
	scope
	faults
}

// A transition is one step of one actor. No two transitions from the same state have the same move.
type transition struct {
	actor actor
	step  step
	next  state  // the state after the step
	ended ending // the ending of the runner's run; running for other actors
}

func (t transition) move() move { return move{actor: t.actor, step: t.step} }

// An ending says how a run ends. A run that crashes has no ending.
type ending uint8

const (
	running  ending = iota // the run has not ended
	complete               // the pass has reached the end of the stream
	fenced                 // another runner holds the stream: exit code 5
	setBack                // the database was set back, so the run must be repeated: exit code 3
)

// next returns the steps that are possible in s. If a runner can read a page, next returns only the steps of this runner. The other
// actors do not see what a read changes, so the time of a read makes no difference.
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
