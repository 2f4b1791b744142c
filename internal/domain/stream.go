package domain

// A StreamID names one chain of pages with its own checkpoint: a whole source, or one partition of it.
type StreamID struct {
	Source    string
	Partition string // empty for a source that is read as a whole
}

// String is the stream's name in tables, logs and messages: "source" or "source/partition".
func (s StreamID) String() string {
	if s.Partition == "" {
		return s.Source
	}
	return s.Source + "/" + s.Partition
}
