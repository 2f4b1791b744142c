package postgres_test

import (
	"strconv"
	"strings"
	"testing"
)

// givePageIDs gives the pages of all streams ids of the test's own, in the order of the ids that the store gave them. Ids
// to come are greater than all of these.
func givePageIDs(t *testing.T, databaseURL string, ids ...int) {
	t.Helper()
	if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM pages"); n != len(ids) {
		t.Fatalf("%d pages are stored, want %d", n, len(ids))
	}
	var given []string
	for _, id := range ids {
		given = append(given, strconv.Itoa(id))
	}
	renumbered := "(SELECT id, (ARRAY[" + strings.Join(given, ",") + "])[row_number() OVER (ORDER BY id)] AS given FROM pages) AS n"
	exec(t, databaseURL, `UPDATE events SET page_id = n.given FROM `+renumbered+` WHERE n.id = page_id;
		UPDATE dead_letters AS l SET page_id = n.given FROM `+renumbered+` WHERE n.id = page_id;
		UPDATE dead_letters AS l SET resolved_page_id = n.given FROM `+renumbered+` WHERE n.id = resolved_page_id;
		UPDATE pages AS p SET id = -n.given FROM `+renumbered+` WHERE n.id = p.id;
		UPDATE pages SET id = -id;
		SELECT setval(pg_get_serial_sequence('pages', 'id'), 1000)`)
}
