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

const generated = "<!-- Generated from the code: go test ./internal/adapters/cli -run TestReference -update -->\n"

// TestReference checks .env.example and docs/reference against the code. With -update it writes them.
func TestReference(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	for name, content := range map[string]string{
		".env.example":                 envExample(),
		"docs/reference/settings.md":   settingsReference(),
		"docs/reference/commands.md":   commandsReference(t),
		"docs/reference/json.md":       jsonReference(t),
		"docs/reference/exit-codes.md": exitCodesReference(t),
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
	before, rest, found := strings.Cut(string(readme), begin)
	_, after, closed := strings.Cut(rest, end)
	switch {
	case found && closed:
		compareFile(t, path, before+begin+settingsTable(settings.All())+end+after)
	case !strings.Contains(string(readme), "docs/reference/settings.md"):
		t.Errorf("README.md has neither a table between %s and %s nor a link to docs/reference/settings.md", begin, end)
	}
}

func envExample() string {
	var b strings.Builder
	b.WriteString("# Settings for pawl. Copy this file to .env and fill in what you need. The environment and flags prevail over it.\n" +
		"# A value in single quotes is taken unchanged. Without them $NAME is replaced, and # begins a comment.\n")
	for _, s := range settings.All() {
		if len(s.EnvNames) > 0 {
			fmt.Fprintf(&b, "\n# %s\n#%s=%s\n", s.Help, s.EnvNames[0], s.Default)
		}
	}
	return b.String()
}

func settingsReference() string {
	return "# Settings\n\n" + generated + `
A flag prevails over the environment, and the environment over the file ` + "`.env`" + ` or the one of ` + "`--env-file`" + `. An empty
variable counts as not set. Secrets have no flag, because everybody on the machine can read the arguments of a process. An unknown
name that begins with ` + "`PAWL_`" + ` is an error. ` + "`pawl config`" + ` prints every setting and where it comes from.

` + settingsTable(settings.All())
}

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

// codeList returns the texts that are not empty as Markdown code, joined by commas.
func codeList(texts ...string) string {
	var quoted []string
	for _, text := range texts {
		if text != "" {
			quoted = append(quoted, "`"+text+"`")
		}
	}
	return strings.Join(quoted, ", ")
}

func commandsReference(t *testing.T) string {
	t.Helper()
	var g grammar
	model, err := newParser(&g)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Commands\n\n" + generated + "\nEvery command also takes the flags of the [settings](settings.md).\n" +
		"The fields of `--json` are in [JSON output](json.md).\n")
	writeCommands(&b, model.Model.Node)
	return b.String()
}

// writeCommands writes a section for each command below the node.
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
		writeCommands(b, command)
	}
}

func flagUsage(flag *kong.Flag) string {
	if flag.IsBool() {
		return "--" + flag.Name
	}
	return "--" + flag.Name + "=" + flag.PlaceHolder
}

func flagMeaning(flag *kong.Flag) string {
	switch {
	case flag.HasDefault && !flag.IsBool():
		return flag.Help + " Default " + codeList(flag.Default) + "."
	case flag.Required:
		return flag.Help + " Required."
	}
	return flag.Help
}

// jsonReference describes the JSON types by the comments of their fields.
func jsonReference(t *testing.T) string {
	t.Helper()
	types := structTypes(t, ".", "settings")
	var b strings.Builder
	b.WriteString("# JSON output\n\n" + generated + `
Each command prints one object on one line; ` + "`config`" + ` prints one object for each setting. Fields may be added later, so a script
should ignore fields that it does not know. Times are in RFC 3339. A field marked "may be missing" is left out if it has no value.
`)
	for _, section := range []struct{ commands, name string }{
		{"`pawl run --json`, `pawl status --json`", "summaryJSON"},
		{"`pawl verify --json`", "reportJSON"},
		{"`pawl dlq list --json`", "lettersJSON"},
		{"`pawl dlq list --summary --json`", "reasonsJSON"},
		{"`pawl dlq show --json`", "shownJSON"},
		{"`pawl dlq replay --json`", "replayJSON"},
		{"`pawl dlq discard --json`", "discardJSON"},
		{"`pawl drift --json`", "driftJSON"},
		{"`pawl config --json`", "Line"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| field | type | |\n|---|---|---|\n", section.commands)
		writeFields(t, &b, types, section.name, "")
	}
	return b.String()
}

// writeFields writes a row for each field of a struct type, and for the fields of the types within it. Each field must have a
// comment.
func writeFields(t *testing.T, b *strings.Builder, types map[string]*ast.StructType, name, prefix string) {
	t.Helper()
	if types[name] == nil {
		t.Fatalf("there is no struct type %s", name)
	}
	for _, field := range types[name].Fields.List {
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
			t.Errorf("%s.%s has no comment to document %q", name, field.Names[0], key)
		}
		if option == "omitempty" {
			comment += "; may be missing"
		}
		kind, nested, suffix := describeType(t, field.Type)
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, key, kind, comment)
		if nested != "" {
			writeFields(t, b, types, nested, prefix+key+suffix)
		}
	}
}

// describeType returns how a type looks in JSON. For a struct type, or a list of them, it also returns the type's name and what
// stands between the names of the field and of its own fields.
func describeType(t *testing.T, expr ast.Expr) (kind, nested, suffix string) {
	t.Helper()
	switch e := expr.(type) {
	case *ast.StarExpr:
		kind, nested, suffix = describeType(t, e.X)
		return kind + " or null", nested, suffix
	case *ast.ArrayType:
		kind, nested, suffix = describeType(t, e.Elt)
		if kind == "byte" {
			return "string", "", ""
		}
		return "list of " + kind + "s", nested, "[]" + suffix
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
	t.Fatalf("no description for the type %T", expr)
	return "", "", ""
}

// structTypes returns the struct types in the Go files of the folders, without tests, by their names.
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

func parseFile(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// exitCodesReference describes the exit codes by the comments of their constants and the kinds of errors that lead to them.
func exitCodesReference(t *testing.T) string {
	t.Helper()
	kinds := map[int][]string{}
	for kind := domain.Kind(0); kind == 0 || kind.String() != domain.Kind(0).String(); kind++ {
		code := exitCode(&domain.Error{Kind: kind})
		kinds[code] = append(kinds[code], kind.String())
	}
	var b strings.Builder
	b.WriteString("# Exit codes\n\n" + generated + `
An exit code says what to do next. With ` + "`--log-format=json`" + ` the error on standard error is a JSON object with the fields ` +
		"`msg`, `hint`,\n`exit_code` and `kind`" + `.

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
				t.Errorf("%s has no comment", constant.Names[0])
			}
			fmt.Fprintf(&b, "| %d | %s | %s |\n", code, meaning, strings.Join(kinds[code], ", "))
			delete(kinds, code)
		}
	}
	if len(kinds) > 0 {
		t.Errorf("exit codes without a constant: %v", kinds)
	}
	b.WriteString("\nA second signal ends pawl at once with 128 + the signal's number. `pawl psql` ends with the exit code of psql.\n")
	return b.String()
}
