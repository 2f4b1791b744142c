package cli

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

// generated is the first line of each generated page. It says how to generate the page again.
const generated = "<!-- Generated from the code: go test ./internal/adapters/cli -run TestReference -update -->\n"

// TestReference checks .env.example and docs/reference against the code. With -update it writes them.
func TestReference(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	for name, content := range map[string]string{
		".env.example":                 envExample(t),
		"docs/reference/settings.md":   settingsReference(),
		"docs/reference/commands.md":   commandsReference(t),
		"docs/reference/json.md":       jsonReference(t),
		"docs/reference/exit-codes.md": exitCodesReference(t),
		"docs/reference/errors.md":     errorsReference(),
	} {
		compareFile(t, filepath.Join(root, filepath.FromSlash(name)), content)
	}
}

// TestReference_README checks that the README has the table of the settings, or links to it.
func TestReference_README(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"
	path := filepath.Join("..", "..", "..", "README.md")
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, hasBegin := strings.Cut(string(readme), begin)
	_, after, hasEnd := strings.Cut(rest, end)
	if hasBegin && hasEnd {
		compareFile(t, path, before+begin+settingsTable(settings.All())+end+after)
		return
	}
	if !strings.Contains(string(readme), "docs/reference/settings.md") {
		t.Errorf("README.md has neither a table between %s and %s nor a link to docs/reference/settings.md", begin, end)
	}
}

// envExample returns the content of .env.example: each setting with an environment name, commented out.
func envExample(t *testing.T) string {
	t.Helper()
	text, err := settings.Values{}.EnvText("# Settings for pawl. Copy this file to .env and fill in what you need, or let `pawl init` do it. The environment\n" +
		"# and flags prevail over it. Put a value with $, #, quotes or spaces in single quotes: pawl then takes it unchanged.\n")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// settingsReference returns the content of docs/reference/settings.md.
func settingsReference() string {
	return "# Settings\n\n" + generated + `
A flag prevails over the environment. The environment prevails over the file ` + "`.env`" + ` or, with ` + "`--env-file`" + `, the file that
this flag names. An empty variable counts as not set. Secrets have no flag, because other users of the machine can read the arguments
of a process. An unknown name that begins with ` + "`PAWL_`" + ` is an error. ` + "`pawl config`" + ` prints every setting and where it comes from.

` + settingsTable(settings.All())
}

// settingsTable returns the settings as a Markdown table.
func settingsTable(all []settings.Setting) string {
	var b strings.Builder
	b.WriteString("| environment | flag | default | |\n|---|---|---|---|\n")
	for _, s := range all {
		flag := ""
		if s.Flag != "" {
			flag = "--" + s.Flag
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", codeList(s.EnvNames...), codeList(flag), codeList(s.Default), s.Help)
	}
	return b.String()
}

// codeList returns the texts as Markdown code, separated by commas. It leaves out empty texts.
func codeList(texts ...string) string {
	var quoted []string
	for _, text := range texts {
		if text != "" {
			quoted = append(quoted, "`"+text+"`")
		}
	}
	return strings.Join(quoted, ", ")
}

// commandsReference returns the content of docs/reference/commands.md.
func commandsReference(t *testing.T) string {
	t.Helper()
	var g grammar
	model, err := newParser(&g)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Commands\n\n" + generated + "\nEvery command also takes the flags of the [settings](settings.md).\n" +
		"The fields of `--json` are in [JSON output](json.md). The examples work in the folder of `pawl demo`.\n")
	writeCommands(&b, model.Model.Node)
	return b.String()
}

// writeCommands writes a section for each command below node, with all their subcommands.
func writeCommands(b *strings.Builder, node *kong.Node) {
	for _, command := range node.Children {
		summary := strings.TrimSpace(strings.ReplaceAll(command.Summary(), " [flags]", ""))
		fmt.Fprintf(b, "\n## `pawl %s`\n\n%s\n", summary, command.Help)
		if command.Detail != "" {
			fmt.Fprintf(b, "\n%s\n", command.Detail)
		}
		var rows strings.Builder
		for _, argument := range command.Positional {
			fmt.Fprintf(&rows, "| %s | %s |\n", codeList(argument.Summary()), argument.Help)
		}
		for _, flag := range command.Flags {
			if flag.Name != "help" {
				fmt.Fprintf(&rows, "| %s | %s |\n", codeList(flagUsage(flag)), flagMeaning(flag))
			}
		}
		if rows.Len() > 0 {
			b.WriteString("\n| argument or flag | |\n|---|---|\n" + rows.String())
		}
		if example := command.Tag.Get("example"); example != "" {
			fmt.Fprintf(b, "\n```sh\n%s\n```\n", example)
		}
		writeCommands(b, command)
	}
}

// flagUsage returns how a user writes the flag, for example --limit=N.
func flagUsage(flag *kong.Flag) string {
	if flag.IsBool() {
		return "--" + flag.Name
	}
	return "--" + flag.Name + "=" + flag.PlaceHolder
}

// flagMeaning returns the flag's help, with its default or the word "Required".
func flagMeaning(flag *kong.Flag) string {
	switch {
	case flag.HasDefault && !flag.IsBool():
		return flag.Help + " Default " + codeList(flag.Default) + "."
	case flag.Required:
		return flag.Help + " Required."
	}
	return flag.Help
}

// jsonReference returns the content of docs/reference/json.md. It describes each field by the comment in the source code.
func jsonReference(t *testing.T) string {
	t.Helper()
	types := structTypes(t, ".", "settings")
	var b strings.Builder
	b.WriteString("# JSON output\n\n" + generated + `
Each command prints one object on one line; ` + "`config`" + ` prints one object for each setting, and ` + "`status`" + ` one for each stream. Fields may be added later, so a script
should ignore fields that it does not know. Times are in RFC 3339. A field marked "may be missing" is left out if it has no value.
`)
	for _, section := range []struct{ commands, typeName string }{
		{"`pawl run --json`", "summaryJSON"},
		{"`pawl run --progress json`", "progressJSON"},
		{"`pawl run --dry-run --json`", "dryRunJSON"},
		{"`pawl status --json`", "statusJSON"},
		{"`pawl status --json` of a stream whose first run failed", "failedStartJSON"},
		{"`pawl verify --json`", "reportJSON"},
		{"`pawl dlq list --json`", "lettersJSON"},
		{"`pawl dlq list --summary --json`", "reasonsJSON"},
		{"`pawl dlq show --json`", "shownJSON"},
		{"`pawl dlq replay --json`", "replayJSON"},
		{"`pawl dlq discard --json`", "discardJSON"},
		{"`pawl drift --json`", "driftJSON"},
		{"`pawl checkpoint show --json`", "checkpointJSON"},
		{"`pawl config --json`", "Line"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| field | type | |\n|---|---|---|\n", section.commands)
		writeFields(t, &b, types, section.typeName, "")
	}
	return b.String()
}

// writeFields writes a row for each field of the struct type typeName. After the row of a field whose type is a struct too, it writes
// the rows of that struct. prefix is written before the name of each field. Each field must have a comment.
func writeFields(t *testing.T, b *strings.Builder, types map[string]*ast.StructType, typeName, prefix string) {
	t.Helper()
	if types[typeName] == nil {
		t.Fatalf("got no struct type %s, want one", typeName)
	}
	for _, field := range types[typeName].Fields.List {
		if len(field.Names) == 0 { // embedded
			writeFields(t, b, types, field.Type.(*ast.Ident).Name, prefix)
			continue
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			t.Fatal(err)
		}
		key, option, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		comment := strings.TrimSpace(field.Comment.Text())
		if comment == "" {
			t.Errorf("%s.%s has no comment to document %q", typeName, field.Names[0], key)
		}
		if option == "omitempty" {
			comment += "; may be missing"
		}
		kind, structName, separator := describeType(t, field.Type)
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, key, kind, comment)
		if structName != "" {
			writeFields(t, b, types, structName, prefix+key+separator)
		}
	}
}

// describeType returns the kind of JSON value of a type, for example "list of strings". For a struct type, or a list of structs, it
// also returns the name of the struct type, and the separator between the name of the field and the names of the struct's fields: a dot
// for the path resolved.how, or []. for the path letters[].id.
func describeType(t *testing.T, expr ast.Expr) (kind, structName, separator string) {
	t.Helper()
	switch e := expr.(type) {
	case *ast.StarExpr:
		kind, structName, separator = describeType(t, e.X)
		return kind + " or null", structName, separator
	case *ast.ArrayType:
		kind, structName, separator = describeType(t, e.Elt)
		if kind == "byte" { // encoding/json writes []byte as a string
			return "string", "", ""
		}
		return "list of " + kind + "s", structName, "[]" + separator
	case *ast.Ident:
		switch e.Name {
		case "string", "byte":
			return e.Name, "", ""
		case "bool":
			return "boolean", "", ""
		case "int", "int64", "float64":
			return "number", "", ""
		}
		return "object", e.Name, "."
	}
	t.Fatalf("got an expression %T, want a type that describeType knows", expr)
	return "", "", ""
}

// structTypes returns the struct types in the Go files of the folders by their names. It leaves out test files.
func structTypes(t *testing.T, dirs ...string) map[string]*ast.StructType {
	t.Helper()
	types := map[string]*ast.StructType{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			ast.Inspect(parseFile(t, file), func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok {
					if s, ok := spec.Type.(*ast.StructType); ok {
						types[spec.Name.Name] = s
					}
				}
				return true
			})
		}
	}
	return types
}

// parseFile parses a Go file with its comments.
func parseFile(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// exitCodesReference returns the content of docs/reference/exit-codes.md. It describes each exit code by the comment of its constant in
// exit.go, and by the kinds of errors that lead to it.
func exitCodesReference(t *testing.T) string {
	t.Helper()
	kinds := map[int][]string{}
	unknown := domain.Kind(0).String() // the text of the first kind and of all numbers after the last kind
	for kind := domain.Kind(0); ; kind++ {
		if isAfterLast := kind > 0 && kind.String() == unknown; isAfterLast {
			break
		}
		code := exitCode(&domain.Error{Kind: kind})
		kinds[code] = append(kinds[code], kind.String())
	}
	var b strings.Builder
	b.WriteString("# Exit codes\n\n" + generated + `
An exit code tells you what to do next. With ` + "`--log-format=json`" + `, the error on standard error is a JSON object with the
fields ` + "`msg`, `hint`, `code`, `exit_code` and `kind`" + `. The code says more than the exit code: [messages](errors.md) explains
each one.

| code | what to do | kinds of errors |
|---|---|---|
`)
	for _, decl := range parseFile(t, "exit.go").Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			constant := spec.(*ast.ValueSpec)
			value := constant.Values[0].(*ast.BasicLit).Value
			code, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			meaning := strings.TrimSpace(constant.Comment.Text())
			if meaning == "" {
				t.Errorf("the constant %s has no comment", constant.Names[0])
			}
			fmt.Fprintf(&b, "| %d | %s | %s |\n", code, meaning, strings.Join(kinds[code], ", "))
			delete(kinds, code)
		}
	}
	if len(kinds) > 0 {
		t.Errorf("exit codes without a constant: %v", kinds)
	}
	b.WriteString("\nA second signal ends pawl at once, but the same signal again within a second counts once. The exit code is then 128 + the signal's number. " +
		"`pawl psql` ends with the exit code of psql.\n")
	return b.String()
}
