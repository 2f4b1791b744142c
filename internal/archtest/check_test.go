package archtest

import (
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/pawldata/pawl"

// A pkg is what the rules judge of a package, its tests left out.
type pkg struct {
	ImportPath string
	Imports    []string // named in its files
	Deps       []string // all that is linked in
}

// A violation is one import that a rule forbids.
type violation struct {
	rule, importer, imported, why string
}

func (v violation) String() string {
	return fmt.Sprintf("%s: %s must not import %s: %s", v.rule, v.importer, v.imported, v.why)
}

// check applies the rules to the packages.
func check(pkgs []pkg, rules []rule) []violation {
	var found []violation
	for _, r := range rules {
		for _, p := range pkgs {
			if r.binds(p.ImportPath) {
				for _, imported := range r.forbidden(p) {
					found = append(found, violation{r.name, p.ImportPath, imported, r.why})
				}
			}
		}
	}
	return found
}

// forbidden are the imports that p must not have. What is linked in comes in dozens: the first one tells, and it is one
// that p names itself if there is any.
func (r rule) forbidden(p pkg) []string {
	allowed := func(imported string) bool { return r.allows(p.ImportPath, imported) }
	if !r.deep {
		return slices.DeleteFunc(slices.Clone(p.Imports), allowed)
	}
	linked := slices.DeleteFunc(slices.Concat(p.Imports, p.Deps), allowed)
	return linked[:min(1, len(linked))]
}

func (r rule) binds(path string) bool {
	return matchesAny(r.of, path, path) && !matchesAny(r.except, path, path)
}

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

func matches(pattern, importer, path string) bool {
	switch pattern {
	case std:
		return isStandard(path)
	case more:
		return !isStandard(path) && !within(module, path)
	case own:
		return within(unit(importer), path)
	}
	if rest, ok := strings.CutPrefix(pattern, "."); ok {
		pattern = module + rest
	}
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return within(root, path)
	}
	return path == pattern
}

func within(root, path string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// isStandard relies on the rule that other modules' paths begin with a domain name.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// unit is the path as far as the folder below internal/adapters or the like.
func unit(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, module+"/"), "/")
	return module + "/" + strings.Join(parts[:min(3, len(parts))], "/")
}
