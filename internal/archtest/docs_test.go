package archtest

import (
	"go/ast"
	"io/fs"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docChecks lists the checks that compare the documentation with the repository. Each check returns one line for each fault.
var docChecks = map[string]func(*testing.T, fs.FS) []string{
	"links":       brokenLinks,
	"unlinked":    unlinkedPages,
	"targets":     unknownTargets,
	"commands":    unknownCommands,
	"settings":    unknownSettings,
	"columns":     wrongColumns,
	"identifiers": unknownIdentifiers,
	"tests":       unknownTests,
}

// root is the path of the repository from the folder of this package.
const root = "../.."

// TestDocs checks that no check of docChecks finds a fault in this repository.
func TestDocs(t *testing.T) {
	t.Parallel()
	for name, check := range docChecks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, fault := range check(t, os.DirFS(root)) {
				t.Error(fault)
			}
		})
	}
}

// brokenLinks returns the relative links to a file or a heading that does not exist.
func brokenLinks(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	for page, text := range pages(t, repo) {
		for _, target := range linksOf(text) {
			file, anchor, _ := strings.Cut(target, "#")
			linked := page // a link without a file leads to a heading of the same page
			if file != "" {
				linked = path.Join(path.Dir(page), file)
			}
			if _, err := fs.Stat(repo, linked); err != nil {
				faults = append(faults, page+": there is no file for the link "+target)
				continue
			}
			if anchor != "" && !slices.Contains(anchorsOf(textOf(t, repo, linked)), anchor) {
				faults = append(faults, page+": there is no heading for the link "+target)
			}
		}
	}
	return faults
}

// unlinkedPages returns the pages below docs to which no other page links.
func unlinkedPages(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	linked := map[string]bool{}
	all := pages(t, repo)
	for page, text := range all {
		for _, target := range linksOf(text) {
			file, _, _ := strings.Cut(target, "#")
			if other := path.Join(path.Dir(page), file); other != page {
				linked[other] = true
			}
		}
	}
	for page := range all {
		if strings.HasPrefix(page, "docs/") && !linked[page] {
			faults = append(faults, page+": no other page links to it")
		}
	}
	return faults
}

var (
	// makeCall finds a call of make. Group 1 contains the targets of the call.
	makeCall = regexp.MustCompile(`(?m)(?:^|[\s(])make((?: [a-z][a-z0-9-]*)+)`)
	// makeTarget finds a target in the Makefile. Group 1 is its name.
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
)

// unknownTargets returns the make targets that are named in pages or workflows, but are not in the Makefile.
func unknownTargets(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	var targets []string
	for _, found := range makeTarget.FindAllStringSubmatch(textOf(t, repo, "Makefile"), -1) {
		targets = append(targets, found[1])
	}
	texts := map[string]string{}
	for page, text := range pages(t, repo) {
		texts[page] = strings.Join(codeOf(text), "\n")
	}
	for _, workflow := range filesIn(t, repo, ".github/workflows", ".yml") {
		texts[workflow] = textOf(t, repo, workflow)
	}
	for file, text := range texts {
		for _, found := range makeCall.FindAllStringSubmatch(text, -1) {
			for target := range strings.FieldsSeq(found[1]) {
				if !slices.Contains(targets, target) {
					faults = append(faults, file+": there is no make target "+target)
				}
			}
		}
	}
	return faults
}

var (
	// pawlCall finds a call of pawl. A flag with a value may come before the command. Group 1 is the command, group 2 the subcommand if
	// there is one, and group 3 the rest of the call.
	pawlCall = regexp.MustCompile("(?m)(?:^|[\\s\"'(;&|]|bin/)pawl (?:--[a-z-]+ [a-z]+ )?([a-z][a-z-]*)(?: ([a-z]+))?([^\n|;#`]*)")
	// flagName finds a flag. Group 1 is its name.
	flagName = regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`)
)

// unknownCommands returns the commands and flags of pawl that are named in pages or examples, but are not in the command line. It
// accepts a flag of any command after each command.
func unknownCommands(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	commands, flags := commandLine(t, repo)
	for file, text := range examplesAndCode(t, repo) {
		for _, found := range pawlCall.FindAllStringSubmatch(text, -1) {
			command, sub, rest := found[1], found[2], found[3]
			subs, isKnown := commands[command]
			if !isKnown {
				faults = append(faults, file+": there is no command pawl "+command)
				continue
			}
			hasSub := len(subs) > 0 && sub != "" // otherwise sub is an argument, if there is one
			if hasSub && !slices.Contains(subs, sub) {
				faults = append(faults, file+": there is no command pawl "+command+" "+sub)
			}
			if command == "psql" { // the rest of the call is for the program psql
				continue
			}
			for _, flag := range flagName.FindAllStringSubmatch(rest, -1) {
				if !slices.Contains(flags, flag[1]) {
					faults = append(faults, file+": pawl "+command+" has no flag --"+flag[1])
				}
			}
		}
	}
	return faults
}

// commandLine returns the commands of pawl with their subcommands, and the names of all flags. It reads them from the tags of the
// structs in package cli, as package kong does.
func commandLine(t *testing.T, repo fs.FS) (commands map[string][]string, flags []string) {
	t.Helper()
	commandTypes := map[string]map[string]string{} // for each struct and each command in it: the type of the command
	isCommandType := map[string]bool{}             // by the name of the type
	flags = []string{"help"}
	for _, f := range cliFields(t, repo) {
		if name := f.tag.Get("name"); name != "" {
			flags = append(flags, name)
		}
		if _, isCommand := f.tag.Lookup("cmd"); isCommand {
			if commandTypes[f.structName] == nil {
				commandTypes[f.structName] = map[string]string{}
			}
			commandTypes[f.structName][strings.ToLower(f.fieldName)] = f.typeName
			isCommandType[f.typeName] = true
		}
	}
	commands = map[string][]string{}
	for structName, types := range commandTypes {
		if isCommandType[structName] {
			continue // the struct is a command, so its own commands are subcommands
		}
		for command, typeName := range types {
			commands[command] = nil
			for sub := range commandTypes[typeName] {
				commands[command] = append(commands[command], sub)
			}
		}
	}
	if len(commands) == 0 {
		t.Fatal("got no commands in the command line, want at least one")
	}
	return commands, flags
}

// A cliField is a field with a tag in a struct of the command line.
type cliField struct {
	structName string
	fieldName  string
	typeName   string // empty if the type is not a plain name
	tag        reflect.StructTag
}

// cliFields returns the fields with a tag in the structs of package cli.
func cliFields(t *testing.T, repo fs.FS) (fields []cliField) {
	t.Helper()
	for _, file := range filesIn(t, repo, "internal/adapters/cli", ".go") {
		ast.Inspect(parse(t, repo, file), func(n ast.Node) bool {
			spec, isType := n.(*ast.TypeSpec)
			if !isType {
				return true
			}
			structType, isStruct := spec.Type.(*ast.StructType)
			if !isStruct {
				return true
			}
			for _, f := range structType.Fields.List {
				if f.Tag == nil || len(f.Names) == 0 {
					continue
				}
				tag, err := strconv.Unquote(f.Tag.Value)
				if err != nil {
					t.Fatal(err)
				}
				field := cliField{structName: spec.Name.Name, fieldName: f.Names[0].Name, tag: reflect.StructTag(tag)}
				if fieldType, isName := f.Type.(*ast.Ident); isName {
					field.typeName = fieldType.Name
				}
				fields = append(fields, field)
			}
			return true
		})
	}
	return fields
}

// settingName finds the name of an environment variable that looks like a setting of pawl.
var settingName = regexp.MustCompile(
	`\b(?:PAWL_[A-Z_]+|API_[A-Z_]+|TARGET_API_[A-Z_]+|DATABASE_URL[A-Z_]*|BATCH_SIZE|RATE_LIMIT_DELAY[A-Z_]*)\b`)

// unknownSettings returns the names of settings that are in pages or examples, but that pawl does not know. PAWL_ alone is not a
// name, because pages use it as the common beginning of names.
func unknownSettings(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	var known []string
	for _, f := range cliFields(t, repo) {
		if names := f.tag.Get("setting"); names != "" {
			known = append(known, strings.Split(names, ",")...)
		}
	}
	texts := pages(t, repo)
	for file, text := range examplesAndCode(t, repo) {
		texts[file] += text
	}
	for file, text := range texts {
		for _, name := range settingName.FindAllString(text, -1) {
			if !slices.Contains(known, name) && name != "PAWL_" {
				faults = append(faults, file+": there is no setting "+name)
			}
		}
	}
	return faults
}
