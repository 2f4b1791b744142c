package domain

// A Remedy is an action by which the user can correct an error. Package internal/adapters/cli writes the text for it,
// because only that package knows the commands and flags.
type Remedy int

// These are the remedies. The zero Remedy means that there is none.
const (
	_                    Remedy = iota
	StartStream                 // run the stream for the first time
	FinishStream                // run the stream until it is complete
	WaitForRunner               // wait for the other runner, which can be watched
	MoveStream                  // move the stream to the API's new URL, or correct the URL
	CorrectAddress              // correct the API's URL, or name another stream
	CorrectFormerAddress        // correct the URL that is given as the stream's former source URL
	WaitLonger                  // run again later, or allow longer waits
	OtherPageSize               // ask for pages of another size, or reset the checkpoint
	LargerPages                 // allow larger pages, or ask for fewer records
	AllowLongerOutage           // run again when the database works, or allow a longer outage
	RetryLonger                 // run again later, or allow more time for a page
	FetchFaster                 // fetch more records in the lifetime of a cursor
	AcceptShortEnd              // accept an end below the announced total
	ParkRejects                 // allow more of a page's records to become dead letters
	SelectDeadLetters           // name dead letters by id or by reason, or select all
	SelectByReason              // name a reason, or select all
	ListDeadLetters             // list the open dead letters
	ListAllDeadLetters          // list open and resolved dead letters
	ShowDeadLetter              // show the dead letter in question
	MigrateDatabase             // apply the migrations
	MigrateAsOwner              // apply the migrations as a user who may create tables
	OtherFolder                 // name another folder for the private database
	endOfRemedies
)

// Remedies returns all remedies, so that a test can check that the command line has a text for each.
func Remedies() []Remedy {
	var all []Remedy
	for r := StartStream; r < endOfRemedies; r++ {
		all = append(all, r)
	}
	return all
}
