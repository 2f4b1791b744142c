package datasync

import "github.com/pawldata/pawl/internal/domain"

// identify returns the id of a record that cannot be decoded, whatever else is wrong with it; zero if it has none, or
// two.
func (d *Decoder) identify(payload []byte) domain.EventID {
	var id domain.EventID
	found := 0
	s := scanner{body: payload}
	err := s.object(func(name string) error {
		value, err := s.value()
		if err != nil || name != d.names.ID {
			return err
		}
		found++
		text, err := unquote(value)
		if err != nil {
			return err
		}
		id, err = domain.ParseUUID(string(text))
		return err
	})
	if err != nil || found != 1 {
		return domain.EventID{}
	}
	return id
}
