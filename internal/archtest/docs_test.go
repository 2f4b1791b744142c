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

// docChecks hold the documentation against the repository. Each returns what is wrong, one line for each fault.
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

// root is the repository, seen from this package.
const root = "../.."

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

// brokenLinks returns the relative links that lead to no file, or to no heading of it.
func brokenLinks(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	for page, text := range pages(t, repo) {
		for _, target := range linksOf(text) {
			file, anchor, _ := strings.Cut(target, "#")
			at := page
			if file != "" {
				at = path.Join(path.Dir(page), file)
			}
			if _, err := fs.Stat(repo, at); err != nil {
				faults = append(faults, page+": the link "+target+" leads to no file")
				continue
			}
			if anchor != "" && !slices.Contains(anchorsOf(textOf(t, repo, at)), anchor) {
				faults = append(faults, page+": the link "+target+" leads to no heading")
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
			if at := path.Join(path.Dir(page), file); at != page {
				linked[at] = true
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
	makeCall   = regexp.MustCompile(`(?m)(?:^|[\s(])make((?: [a-z][a-z0-9-]*)+)`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
)

// unknownTargets returns the make targets that pages and workflows name and the Makefile does not have.
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
					faults = append(faults, file+": there is no target "+target)
				}
			}
		}
	}
	return faults
}

var (
	pawlCall = regexp.MustCompile("(?m)(?:^|[\\s\"'(;&|]|bin/)pawl (?:--[a-z-]+ [a-z]+ )?([a-z][a-z-]*)(?: ([a-z]+))?([^\n|;#`]*)")
	flagName = regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`)
)

// unknownCommands returns the commands and flags of pawl that pages and examples name and the command line does not have.
func unknownCommands(t *testing.T, repo fs.FS) (faults []string) {
	t.Helper()
	commands, flags := commandLine(t, repo)
	for file, text := range examplesAndCode(t, repo) {
		for _, found := range pawlCall.FindAllStringSubmatch(text, -1) {
			command, sub, rest := found[1], found[2], found[3]
			subs, known := commands[command]
			switch {
			case !known:
				faults = append(faults, file+": there is no command pawl "+command)
				continue
			case len(subs) > 0 && sub != "" && !slices.Contains(subs, sub):
				faults = append(faults, file+": there is no command pawl "+command+" "+sub)
			}
			if command == "psql" { // what follows is psql's
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

// commandLine reads the commands, with their subcommands, and the names of all flags from the structs with kong's tags.
func commandLine(t *testing.T, repo fs.FS) (commands map[string][]string, flags []string) {
	t.Helper()
	of, used := map[string]map[string]string{}, map[string]bool{} // by struct: the commands and their structs; structs of commands
	flags = []string{"help"}
	for _, tags := range cliFields(t, repo) {
		if name := tags.tag.Get("name"); name != "" {
			flags = append(flags, name)
		}
		if _, isCommand := tags.tag.Lookup("cmd"); isCommand {
			if of[tags.owner] == nil {
				of[tags.owner] = map[string]string{}
			}
			of[tags.owner][strings.ToLower(tags.field)] = tags.kind
			used[tags.kind] = true
		}
	}
	commands = map[string][]string{}
	for owner, fields := range of {
		if used[owner] {
			continue
		}
		for name, kind := range fields {
			commands[name] = nil
			for sub := range of[kind] {
				commands[name] = append(commands[name], sub)
			}
		}
	}
	if len(commands) == 0 {
		t.Fatal("the command line has no commands")
	}
	return commands, flags
}

// A cliField is a field with a tag in a struct of the command line.
type cliField struct {
	owner, field, kind string
	tag                reflect.StructTag
}

// cliFields returns the fields with tags in the command line's structs.
func cliFields(t *testing.T, repo fs.FS) (fields []cliField) {
	t.Helper()
	for _, file := range filesIn(t, repo, "internal/adapters/cli", ".go") {
		ast.Inspect(parse(t, repo, file), func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range of.Fields.List {
					if f.Tag == nil || len(f.Names) == 0 {
						continue
					}
					text, err := strconv.Unquote(f.Tag.Value)
					if err != nil {
						t.Fatal(err)
					}
					kind, _ := f.Type.(*ast.Ident)
					field := cliField{owner: spec.Name.Name, field: f.Names[0].Name, tag: reflect.StructTag(text)}
					if kind != nil {
						field.kind = kind.Name
					}
					fields = append(fields, field)
				}
			}
			return true
		})
	}
	return fields
}

var settingName = regexp.MustCompile(`\b(?:PAWL_[A-Z_]+|API_[A-Z_]+|TARGET_API_[A-Z_]+|DATABASE_URL[A-Z_]*|BATCH_SIZE|RATE_LIMIT_DELAY[A-Z_]*)\b`)

// unknownSettings returns the names of settings that pages and examples use and pawl does not know.
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
