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

// A place is where a pass stands. The cursor is left out: in the model it is the position.
type place struct{ pass, position uint8 }

// A checkpoint is the stream's row. Token 0 is never given out.
type checkpoint struct {
	exists            bool
	token, epoch, seq uint8
	place
	done bool
}

// A record is what the database knows of one record of the upstream.
type record struct {
	storedBy uint8 // page_id of the event, 0 if it is not stored
	letter   letter
}

type letter uint8

const (
	noLetter letter = iota
	openLetter
	resolvedLetter
)

func (r record) accounted() bool { return r.storedBy != 0 || r.letter != noLetter }

// A ledgerRow is a row of the table pages. A replay's row belongs to no pass: its pass is 0.
type ledgerRow struct{ id, pass, received, inserted, duplicate, parked uint8 }

// A database is all that is committed, and the sequence of page ids, which no transaction takes back.
type database struct {
	checkpoint checkpoint
	records    [maxRecords]record
	ledger     [maxRows]ledgerRow
	rows       uint8 // in the ledger
	lastID     uint8 // of the sequence
}

// A transaction holds the lock of the checkpoint's row. There is one at most; what it wrote is invisible until it is
// committed.
type transaction struct {
	by         actor // nobody: the lock is free
	cut        bool  // the connection is gone; the server has not ended the transaction yet
	commitSent bool  // before that the client sent COMMIT, so the transaction may still be committed
	pageID     uint8
	to         checkpoint // what the checkpoint becomes
	first, end uint8      // the records of the page are those from first up to end, without end
}

// A runner is what one process has in memory.
type runner struct {
	phase    phase
	claimed  uint8      // the token of its own claim, whatever it adopts later; only properties look at it
	at       checkpoint // the checkpoint as it was last read
	walk     place      // where its next page begins: not that of at after a cursor expired
	ends     bool       // the page in hand says that it is the last one
	pageID   uint8      // reserved too early, if that fault is planted
	restored bool       // a backup was restored since its claim; only properties look at it
}

type phase uint8

const (
	idle          phase = iota // not started, ended or crashed
	ready                      // has the checkpoint, needs a page
	holding                    // has a page, needs the lock
	reserved                   // has a page and a page id, needs the lock; only with IDsBeforeLock
	inTransaction              // has the lock
	doubtful                   // sent COMMIT and got no answer
)

// A replay is one `pawl dlq replay`.
type replay struct {
	phase  phase // idle, reserved or inTransaction
	pageID uint8
}

// A budget counts the events that would make the number of states infinite.
type budget struct {
	claims    uint8 // also the last token that was given out: tokens never repeat, whatever is restored
	lost      uint8 // COMMIT answers
	backups   uint8
	restores  uint8
	replays   uint8
	expiries  uint8 // of cursors
	falseEnds uint8
}

// A state is everything. It is comparable, and small, since databases are interned.
type state struct {
	db, backup unique.Handle[database]
	open       transaction
	runners    [2]runner
	replay     replay
	follows    uint8 // the reader asks for page_id > follows
	spent      budget
}

var noBackup unique.Handle[database]

// initial returns the state of an empty, migrated database.
func initial() state {
	return state{db: unique.Make(database{}), open: transaction{by: nobody}}
}

// A scope bounds what is explored: all interleavings within it are.
type scope struct {
	records   uint8    // that the upstream has
	announced bool     // the upstream announces their number, so that an end can be checked
	bad       uint8    // the record that cannot be decoded, so that it is parked
	pageSizes [2]uint8 // of runner A and runner B
	most      budget
	reader    bool
}

// Faults are wrong protocols. The zero value is the right one.
type faults struct {
	CountedEpoch       bool // a commit and its settling compare the epoch and no token
	PlaceNotCompared   bool // a commit and its settling compare seq, but not pass and position
	SettleIgnoresToken bool // settling compares the epoch and no token
	SettleDoesNotWait  bool // settling reads the checkpoint without its lock
	IDsBeforeLock      bool // a page id is reserved before the lock of the checkpoint's row is held
	CheckpointFirst    bool // the checkpoint moves in a transaction of its own, before the rows are stored
	AssumesCommitted   bool // a COMMIT without an answer is taken for one that happened
	AlwaysFenced       bool // a checkpoint that is not as it was read always means another runner
	EndNotChecked      bool // an end is believed whatever was announced and whatever is stored
}

// A model is a protocol within a scope.
type model struct {
	scope
	faults
}

// A transition is one step of one actor. Together the actor and what tell it from all other steps out of the same state.
type transition struct {
	by    actor
	what  step
	to    state
	ended ending
}

// An ending is how a run ends, other than by a crash.
type ending uint8

const (
	running ending = iota
	complete
	fenced  // another runner owns the stream: exit 5
	setBack // the database was set back: exit 3, run it again
)

// next returns the steps that are possible in s. A runner that can read does so before anybody else takes a step: reading
// touches nothing that the others see, so that it makes no difference when it happens.
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
