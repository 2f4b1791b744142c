package domain

// A Remedy says what the user can do about an error. Only the command line knows the commands and flags for it, so it
// words the remedy; see internal/adapters/cli.
type Remedy int

// The remedies. Zero is none.
const (
	_                    Remedy = iota
	StartStream                 // run the stream, which was never claimed
	FinishStream                // run the stream until it is complete
	OtherStream                 // wait for the other runner, or use a stream of another name
	MoveStream                  // move the stream to the API's new address, or correct the address
	CorrectAddress              // correct the API's address, or name another stream
	CorrectFormerAddress        // name the address that the stream reads from
	WaitLonger                  // run again later, or allow longer waits
	OtherPageSize               // ask for pages of another size
	LargerPages                 // allow larger pages, or ask for fewer records
	AcceptShortEnd              // accept an end below the announced total
	ParkRejects                 // allow more of a page's records to become dead letters
	SelectDeadLetters           // name dead letters by id or by reason, or select all
	SelectByReason              // name a reason, or select all
	ListDeadLetters             // list the open dead letters
	ListAllDeadLetters          // list the dead letters of every state
	ShowDeadLetter              // show the dead letter
	MigrateDatabase             // apply the migrations
	MigrateAsOwner              // apply the migrations as a user who may create tables
	endOfRemedies
)

// Remedies returns all remedies, so that a test can check that each is worded.
func Remedies() []Remedy {
	var all []Remedy
	for r := StartStream; r < endOfRemedies; r++ {
		all = append(all, r)
	}
	return all
}
