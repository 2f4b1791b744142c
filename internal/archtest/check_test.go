package archtest

import (
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/pawldata/pawl"

// A pkg is a package without its tests, as the rules see it.
type pkg struct {
	ImportPath string
	Imports    []string // that its files name
	Deps       []string // everything that is linked in
}

// A violation is one import that a rule forbids.
type violation struct {
	rule, importer, imported, why string
}

func (v violation) String() string {
	return fmt.Sprintf("%s: %s must not import %s: %s", v.rule, v.importer, v.imported, v.why)
}

// check returns the imports of the packages that the rules forbid.
func check(pkgs []pkg, rules []rule) []violation {
	var found []violation
	for _, r := range rules {
		for _, p := range pkgs {
			if r.appliesTo(p.ImportPath) {
				for _, imported := range r.forbidden(p) {
					found = append(found, violation{r.name, p.ImportPath, imported, r.why})
				}
			}
		}
	}
	return found
}

// forbidden returns the imports of p that the rule forbids. Of a deep rule it returns at most one, since one import can
// link dozens of forbidden packages; it prefers one that p itself names.
func (r rule) forbidden(p pkg) []string {
	allowed := func(imported string) bool { return r.allows(p.ImportPath, imported) }
	if !r.deep {
		return slices.DeleteFunc(slices.Clone(p.Imports), allowed)
	}
	linked := slices.DeleteFunc(slices.Concat(p.Imports, p.Deps), allowed)
	return linked[:min(1, len(linked))]
}

// appliesTo reports whether the rule binds the package at path.
func (r rule) appliesTo(path string) bool {
	return matchesAny(r.of, path, path) && !matchesAny(r.except, path, path)
}

// allows reports whether the rule lets importer import imported.
func (r rule) allows(importer, imported string) bool {
	if matchesAny(r.never, importer, imported) {
		return false
	}
	return r.may == nil || matchesAny(r.may, importer, imported)
}

func matchesAny(patterns []string, importer, path string) bool {
	for _, pattern := range patterns {
		if matches(pattern, importer, path) {
			return true
		}
	}
	return false
}

// matches reports whether path matches a pattern; see rule. ownUnit depends on the importer.
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

func isWithin(root, path string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// isStandard reports whether path is in the standard library. It relies on the convention that the paths of other modules
// begin with a domain name.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// unitOf returns the first three elements of path within the module, for example internal/adapters/postgres.
func unitOf(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, module+"/"), "/")
	return module + "/" + strings.Join(parts[:min(3, len(parts))], "/")
}
