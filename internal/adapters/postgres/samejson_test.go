package postgres

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestSurelySameJSON checks pairs of a given text and the text that PostgreSQL writes for the same value or for another one.
func TestSurelySameJSON(t *testing.T) {
	t.Parallel()
	// manyMembers returns an object with n members. PostgreSQL writes a space after each colon and comma.
	manyMembers := func(n int, space string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"%02d":%s%d`, i, space, i))
		}
		return "{" + strings.Join(all, ","+space) + "}"
	}
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	tests := []struct {
		name, given, stored string
		want                bool
	}{
		{name: "an empty object", given: `{}`, stored: `{}`, want: true},
		{name: "members in another order", given: `{"bb":"x y","a":1}`, stored: `{"a": 1, "bb": "x y"}`, want: true},
		{name: "white space", given: " {\n\t\"a\" : [ 1 , { } ] }\r ", stored: `{"a": [1, {}]}`, want: true},
		{name: "nested values", given: `{"a":{"c":[true,null,-1.50],"b":[]}}`, stored: `{"a": {"b": [], "c": [true, null, -1.50]}}`, want: true},
		{name: "no ASCII", given: `{"ä":"€"}`, stored: `{"ä": "€"}`, want: true},
		{name: "an escape that PostgreSQL writes too", given: `{"a\"":"\\"}`, stored: `{"a\"": "\\"}`, want: true},
		{name: "a mark of punctuation in a string", given: `{"a":"}, \"b\": {"}`, stored: `{"a": "}, \"b\": {"}`, want: true},
		{name: "as many members as possible", given: manyMembers(maxMembers, ""), stored: manyMembers(maxMembers, " "), want: true},

		// These are not surely the same.
		{name: "too many members", given: manyMembers(maxMembers+1, ""), stored: manyMembers(maxMembers+1, " ")},
		{name: "deep nesting", given: nested(100), stored: nested(100)},
		{name: "another escape of the same string", given: `{"a":"\u0041"}`, stored: `{"a": "A"}`},
		{name: "another text of the same number", given: `{"a":1e2}`, stored: `{"a": 100}`},
		{name: "a key twice", given: `{"a":1,"a":1}`, stored: `{"a": 1}`},
		{name: "a key twice, and another one missing", given: `{"a":1,"a":1}`, stored: `{"a": 1, "b": 1}`},
		{name: "a missing member", given: `{"a":1}`, stored: `{"a": 1, "b": 2}`},
		{name: "a further member", given: `{"a":1,"b":2}`, stored: `{"a": 1}`},
		{name: "another number with the same beginning", given: `{"a":1}`, stored: `{"a": 10}`},
		{name: "a number with a longer text", given: `{"a":10}`, stored: `{"a": 1}`},
		{name: "another string with the same beginning", given: `{"a":"x"}`, stored: `{"a": "x\"y"}`},
		{name: "a missing element", given: `[1]`, stored: `[1, 2]`},
		{name: "a further element", given: `[1,2]`, stored: `[1]`},
		{name: "elements in another order", given: `[1,2]`, stored: `[2, 1]`},
		{name: "another type", given: `{"a":"1"}`, stored: `{"a": 1}`},
		{name: "text behind the value", given: `{} {}`, stored: `{}`},
		{name: "a comma too many", given: `{"a":1,}`, stored: `{"a": 1}`},
		{name: "no text", given: ``, stored: `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := isSurelySameJSON([]byte(tt.given), []byte(tt.stored)); got != tt.want {
				t.Errorf("%s and %s: got %t, want %t", tt.given, tt.stored, got, tt.want)
			}
			for n := range tt.given {
				incomplete, missing := tt.given[:n], tt.given[n:]
				isSame := isSurelySameJSON([]byte(incomplete), []byte(tt.stored)) // must not panic, either
				maySame := strings.TrimSpace(missing) == "" || !json.Valid([]byte(tt.given))
				if isSame && !maySame {
					t.Errorf("%s and %s: got true, want false", incomplete, tt.stored)
				}
			}
		})
	}
}

// TestSurelySameJSONLikePostgreSQL checks with random JSON that isSurelySameJSON is false for two values that differ for PostgreSQL. It
// also checks that isSurelySameJSON is true for at least a quarter of the pairs with the same value. A function that is always false
// would be useless.
func TestSurelySameJSONLikePostgreSQL(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's connection
	const seed, pairs = 1, 20_000
	generator := jsonGenerator{rand.New(rand.NewPCG(seed, 0))}
	var givens, storeds []string // PostgreSQL stores the second text of each pair as jsonb
	for range pairs {
		given, stored := generator.makePair()
		givens, storeds = append(givens, given), append(storeds, stored)
	}
	rows, err := conn.Query(t.Context(), `SELECT g.given, g.stored::jsonb::text, g.given::jsonb = g.stored::jsonb
		FROM ROWS FROM (unnest($1::text[]), unnest($2::text[])) AS g (given, stored)`, givens, storeds)
	if err != nil {
		t.Fatal(err)
	}
	same, surelySame := 0, 0 // numbers of pairs
	var given, stored string
	var isSame bool
	_, err = pgx.ForEachRow(rows, []any{&given, &stored, &isSame}, func() error {
		isSurelySame := isSurelySameJSON([]byte(given), []byte(stored))
		if isSurelySame && !isSame {
			t.Errorf("%s and %s: got surely the same, want different, as PostgreSQL says", given, stored)
		}
		if isSame {
			same++
		}
		if isSurelySame {
			surelySame++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d pairs are the same, and %d surely", same, pairs, surelySame)
	isMixed := same >= pairs/10 && same <= pairs*9/10 // otherwise the generator is at fault
	if !isMixed || surelySame < same/4 {
		t.Errorf("got %d same and %d surely same of %d pairs, want a better mixture", same, surelySame, pairs)
	}
}

// A jsonGenerator makes random JSON texts from few different parts, so that small differences are common.
type jsonGenerator struct{ random *rand.Rand }

// makePair returns the texts of two objects. The second object has up to two random changes. Some changes change only the text and not
// the value.
func (g jsonGenerator) makePair() (first, second string) {
	const depth = 3
	value := g.makeObject(depth)
	first = value.text(g)
	for range g.random.IntN(3) {
		value.change(g)
	}
	return first, value.text(g)
}

// A jsonValue is an object, an array or a scalar.
type jsonValue struct {
	open    string       // "{", "[" or empty for a scalar
	keys    []string     // of an object, with their quotation marks
	members []*jsonValue // of an object or array
	scalar  string       // the text of a scalar
}

// makeObject returns an object in which values are nested at most depth levels deep.
func (g jsonGenerator) makeObject(depth int) *jsonValue {
	v := &jsonValue{open: "{"}
	for range g.random.IntN(5) {
		v.keys, v.members = append(v.keys, g.makeKey()), append(v.members, g.makeValue(depth-1))
	}
	return v
}

func (g jsonGenerator) makeKey() string {
	keys := []string{`"a"`, `"b"`, `"aa"`, `"\u0061"`, `"a\"b"`, `"ä"`, `""`, `"c:"`, `"d,"`, `"e}"`, `"\\"`}
	return keys[g.random.IntN(len(keys))]
}

func (g jsonGenerator) makeValue(depth int) *jsonValue {
	if depth > 0 && g.random.IntN(4) == 0 {
		return g.makeObject(depth)
	}
	if depth > 0 && g.random.IntN(4) == 0 {
		v := &jsonValue{open: "["}
		for range g.random.IntN(4) {
			v.members = append(v.members, g.makeValue(depth-1))
		}
		return v
	}
	scalars := []string{
		`1`, `10`, `1.0`, `1.00`, `-1`, `-0`, `0`, `1e1`, `1E1`, `1e-2`, `0.01`, `12345678901234567890.5`, `true`, `false`, `null`,
		`"1"`, `""`, `"a"`, `"a b"`, `"\u0061"`, `"a\"b"`, `"a\\"`, `"\n"`, `"\u000a"`, `"\/"`, `"/"`, `"ä"`, `"\u00e4"`, `"}"`, `"], {"`, `","`,
		`"\ud83d\ude00"`, `"😀"`, `"true"`,
	}
	return &jsonValue{scalar: scalars[g.random.IntN(len(scalars))]}
}

// change changes a random part of the value. It leaves an empty object or array as it is.
func (v *jsonValue) change(g jsonGenerator) {
	if v.open == "" {
		const scalarOnly = 0 // the depth
		v.scalar = g.makeValue(scalarOnly).scalar
		return
	}
	if len(v.members) == 0 {
		return
	}
	i := g.random.IntN(len(v.members))
	switch {
	case g.random.IntN(3) == 0: // changes something within a member
		v.members[i].change(g)
	case v.open == "{" && g.random.IntN(2) == 0: // swaps two members
		v.keys[0], v.keys[i] = v.keys[i], v.keys[0]
		v.members[0], v.members[i] = v.members[i], v.members[0]
	case g.random.IntN(2) == 0: // replaces a member
		v.members[i] = g.makeValue(1)
	default: // removes a member
		v.members = slices.Delete(v.members, i, i+1)
		if v.open == "{" {
			v.keys = slices.Delete(v.keys, i, i+1)
		}
	}
}

// text returns the value as JSON with random white space.
func (v *jsonValue) text(g jsonGenerator) string {
	if v.open == "" {
		return v.scalar
	}
	space := func() string { return []string{"", "", "", " ", "\n\t"}[g.random.IntN(5)] }
	var b bytes.Buffer
	b.WriteString(v.open)
	for i, m := range v.members {
		if i > 0 {
			b.WriteString("," + space())
		}
		if v.open == "{" {
			b.WriteString(v.keys[i] + space() + ":" + space())
		}
		b.WriteString(m.text(g) + space())
	}
	if v.open == "{" {
		return b.String() + "}"
	}
	return b.String() + "]"
}
