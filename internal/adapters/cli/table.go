package cli

import (
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A table is rows of cells, the first row its headings. Cells hold no control characters.
type table [][]string

func (t table) write(w io.Writer) error {
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range t {
		if _, err := io.WriteString(aligned, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return aligned.Flush()
}

// decimal is an id as a cell.
func decimal(n int64) string { return strconv.FormatInt(n, 10) }
