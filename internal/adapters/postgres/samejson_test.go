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
		{"an empty object", `{}`, `{}`, true},
		{"members in another order", `{"bb":"x y","a":1}`, `{"a": 1, "bb": "x y"}`, true},
		{"white space", " {\n\t\"a\" : [ 1 , { } ] }\r ", `{"a": [1, {}]}`, true},
		{"nested values", `{"a":{"c":[true,null,-1.50],"b":[]}}`, `{"a": {"b": [], "c": [true, null, -1.50]}}`, true},
		{"no ASCII", `{"ä":"€"}`, `{"ä": "€"}`, true},
		{"an escape that PostgreSQL writes too", `{"a\"":"\\"}`, `{"a\"": "\\"}`, true},
		{"a mark of punctuation in a string", `{"a":"}, \"b\": {"}`, `{"a": "}, \"b\": {"}`, true},
		{"as many members as possible", manyMembers(maxMembers, ""), manyMembers(maxMembers, " "), true},

		{"too many members", manyMembers(maxMembers+1, ""), manyMembers(maxMembers+1, " "), false},
		{"deep nesting", nested(100), nested(100), false},
		{"another escape of the same string", `{"a":"\u0041"}`, `{"a": "A"}`, false},
		{"another text of the same number", `{"a":1e2}`, `{"a": 100}`, false},
		{"a key twice", `{"a":1,"a":1}`, `{"a": 1}`, false},
		{"a key twice, and another one missing", `{"a":1,"a":1}`, `{"a": 1, "b": 1}`, false},
		{"a missing member", `{"a":1}`, `{"a": 1, "b": 2}`, false},
		{"a further member", `{"a":1,"b":2}`, `{"a": 1}`, false},
		{"another number with the same beginning", `{"a":1}`, `{"a": 10}`, false},
		{"a number with a longer text", `{"a":10}`, `{"a": 1}`, false},
		{"another string with the same beginning", `{"a":"x"}`, `{"a": "x\"y"}`, false},
		{"a missing element", `[1]`, `[1, 2]`, false},
		{"a further element", `[1,2]`, `[1]`, false},
		{"elements in another order", `[1,2]`, `[2, 1]`, false},
		{"another type", `{"a":"1"}`, `{"a": 1}`, false},
		{"text behind the value", `{} {}`, `{}`, false},
		{"a comma too many", `{"a":1,}`, `{"a": 1}`, false},
		{"no text", ``, `{}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := isSurelySameJSON([]byte(tt.given), []byte(tt.stored)); got != tt.want {
				t.Errorf("%s and %s: got %t, want %t", tt.given, tt.stored, got, tt.want)
			}
			for n := range tt.given { // an incomplete text must do no harm
				if isSurelySameJSON([]byte(tt.given[:n]), []byte(tt.stored)) && json.Valid([]byte(tt.given)) && strings.TrimSpace(tt.given[n:]) != "" {
					t.Errorf("%s and %s: got true, want false", tt.given[:n], tt.stored)
				}
			}
		})
	}
}

// TestSurelySameJSONLikePostgreSQL checks with random JSON that isSurelySameJSON never reports two values as the same that PostgreSQL
// reports as different. It also checks that isSurelySameJSON recognises most values that are the same, since it would be useless
// otherwise.
func TestSurelySameJSONLikePostgreSQL(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's connection
	const seed, pairs = 1, 20_000
	generator := jsonGenerator{rand.New(rand.NewPCG(seed, 0))}
	var givens, storeds []string
	for range pairs {
		given, stored := generator.makePair()
		givens, storeds = append(givens, given), append(storeds, stored)
	}
	rows, err := conn.Query(t.Context(), `SELECT g.given, g.stored::jsonb::text, g.given::jsonb = g.stored::jsonb
		FROM ROWS FROM (unnest($1::text[]), unnest($2::text[])) AS g (given, stored)`, givens, storeds)
	if err != nil {
		t.Fatal(err)
	}
	same, surelySame := 0, 0
	var given, stored string
	var isSame bool
	_, err = pgx.ForEachRow(rows, []any{&given, &stored, &isSame}, func() error {
		surely := isSurelySameJSON([]byte(given), []byte(stored))
		if surely && !isSame {
			t.Errorf("%s and %s: got surely the same, want different, as PostgreSQL says", given, stored)
		}
		if isSame {
			same++
		}
		if surely {
			surelySame++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d pairs are the same, and %d surely", same, pairs, surelySame)
	if same < pairs/10 || same > pairs*9/10 || surelySame < same/4 {
		t.Errorf("got %d same and %d surely same of %d pairs, want a better mixture", same, surelySame, pairs)
	}
}

// A jsonGenerator makes random JSON texts from few different parts, so that small differences are common.
type jsonGenerator struct{ random *rand.Rand }

// makePair returns two texts of objects. The second one differs from the first in a few random ways, which may change its value.
func (g jsonGenerator) makePair() (first, second string) {
	value := g.makeObject(3)
	first = value.text(g)
	for range g.random.IntN(3) {
		value.change(g)
	}
	return first, value.text(g)
}

// A jsonValue is an object, an array or a scalar.
type jsonValue struct {
	open    string // "{", "[" or empty for a scalar
	keys    []string
	members []*jsonValue
	scalar  string
}

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

// change changes a random part of the value.
func (v *jsonValue) change(g jsonGenerator) {
	if len(v.members) == 0 {
		if v.open == "" {
			v.scalar = g.makeValue(0).scalar
		}
		return
	}
	i := g.random.IntN(len(v.members))
	switch {
	case g.random.IntN(3) == 0:
		v.members[i].change(g)
	case v.open == "{" && g.random.IntN(2) == 0: // swaps two members
		v.keys[0], v.keys[i] = v.keys[i], v.keys[0]
		v.members[0], v.members[i] = v.members[i], v.members[0]
	case g.random.IntN(2) == 0:
		v.members[i] = g.makeValue(1)
	default:
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
