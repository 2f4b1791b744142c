package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ownPrefix begins every setting's environment name that could be anybody's otherwise.
const ownPrefix = "PAWL_"

// checkNames refuses a name of pawl's own that pawl does not know: it is a slip, and the setting would not hold.
func (e environment) checkNames() error {
	known := settingNames()
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if strings.HasPrefix(name, ownPrefix) && e[name].value != "" && !slices.Contains(known, name) {
			return invalid(name, fmt.Sprintf("there is no such setting; did you mean %s?", nearest(name, known)))
		}
	}
	return nil
}

func settingNames() (names []string) {
	for _, s := range allSettings() {
		names = append(names, s.names...)
	}
	return names
}

func nearest(name string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
}

// distance is the number of characters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
