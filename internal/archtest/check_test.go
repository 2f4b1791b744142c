package archtest

import (
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/pawldata/pawl" // the path of pawl's module

// A pkg is a package without its test files. Its fields have the names that the go command uses.
type pkg struct {
	ImportPath string
	Imports    []string // the packages that its files import
	Deps       []string // all packages that are linked with it
}

// A violation is one import that a rule forbids.
type violation struct {
	rule     string // the name of the rule
	importer string
	imported string
	why      string // the reason of the rule
}

func (v violation) String() string {
	return fmt.Sprintf("%s: %s must not import %s: %s", v.rule, v.importer, v.imported, v.why)
}

// check returns a violation for each import in pkgs that one of the rules forbids. rules_test.go has the rules of the module.
func check(pkgs []pkg, rules []rule) []violation {
	var found []violation
	for _, r := range rules {
		for _, p := range pkgs {
			if r.appliesTo(p.ImportPath) {
				for _, imported := range r.findForbidden(p) {
					found = append(found, violation{rule: r.name, importer: p.ImportPath, imported: imported, why: r.why})
				}
			}
		}
	}
	return found
}

// findForbidden returns the imports of p that the rule forbids. If the rule applies to indirect imports too, it returns at most one
// package, because one import can link dozens of forbidden packages. It prefers a direct import to an indirect one.
func (r rule) findForbidden(p pkg) []string {
	allowed := func(imported string) bool { return r.allows(p.ImportPath, imported) }
	if !r.indirect {
		return slices.DeleteFunc(slices.Clone(p.Imports), allowed)
	}
	linked := slices.DeleteFunc(slices.Concat(p.Imports, p.Deps), allowed)
	if len(linked) == 0 {
		return nil
	}
	return linked[:1]
}

// appliesTo reports whether the rule applies to a package.
func (r rule) appliesTo(importer string) bool {
	return matchesAny(r.packages, importer, importer) && !matchesAny(r.except, importer, importer)
}

// allows reports whether the rule lets importer import imported.
func (r rule) allows(importer, imported string) bool {
	if matchesAny(r.never, importer, imported) {
		return false
	}
	return r.may == nil || matchesAny(r.may, importer, imported)
}

// matchesAny reports whether path matches one of the patterns. importer is as in matches.
func matchesAny(patterns []string, importer, path string) bool {
	for _, pattern := range patterns {
		if matches(pattern, importer, path) {
			return true
		}
	}
	return false
}

// matches reports whether path matches the pattern. rules_test.go describes the patterns. The result depends on the importer only if
// the pattern is ownUnit.
func matches(pattern, importer, path string) bool {
	switch pattern {
	case stdlib:
		return isStandard(path)
	case otherModules:
		return !isStandard(path) && !isWithin(module, path)
	case ownUnit:
		return isWithin(unitOf(importer), path)
	}
	if rest, ok := strings.CutPrefix(pattern, "."); ok {
		pattern = module + rest
	}
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return isWithin(root, path)
	}
	return path == pattern
}

// isWithin reports whether path is root or below root.
func isWithin(root, path string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// isStandard reports whether path is in the standard library. By convention the paths of other modules begin with a domain name,
// which has a dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// unitOf returns the package path cut off after its third element within the module, for example after
// internal/adapters/postgres.
func unitOf(path string) string {
	const unitElements = 3
	elements := strings.Split(strings.TrimPrefix(path, module+"/"), "/")
	return module + "/" + strings.Join(elements[:min(unitElements, len(elements))], "/")
}
