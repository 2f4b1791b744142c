package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// EnvText returns the text of a .env file: header, and then each setting with its meaning. The settings of v that differ from their
// defaults have their values, and the others are commented out. EnvText returns an Invalid error if a value cannot be written so that
// pawl reads it back unchanged.
func (v Values) EnvText(header string) (string, error) {
	var b strings.Builder
	b.WriteString(header)
	for _, s := range All() {
		if len(s.EnvNames) == 0 {
			continue
		}
		line := "#" + s.Name() + "=" + s.Default
		if value := s.value(&v).String(); value != "" && value != s.Default {
			quoted, ok := quote(s.Name(), value)
			if !ok {
				return "", Invalid(s.Name(), "no .env file can hold its value; a secret can be in a file that "+s.Name()+"_FILE names")
			}
			line = s.Name() + "=" + quoted
		}
		fmt.Fprintf(&b, "\n# %s\n%s\n", s.Help, line)
	}
	return b.String(), nil
}

// plainValue matches the values that need no quotes, neither for pawl nor for a shell.
var plainValue = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// quote returns value as it must be written in a .env file. It reads back each way to write the value, because the ways have exceptions:
// for example, single quotes can contain neither a single quote nor a backslash at the end. ok is false if no way is right.
func quote(name, value string) (quoted string, ok bool) {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`).Replace(value)
	candidates := []string{"'" + value + "'", `"` + escaped + `"`, value}
	if plainValue.MatchString(value) {
		return value, true
	}
	i := slices.IndexFunc(candidates, func(candidate string) bool {
		content := []byte(name + "=" + candidate + "\n")
		variables, err := parseEnv(content, 0)
		return err == nil && len(variables) == 1 && variables[name] == value && lineWithDollar(content, variables) == 0
	})
	if i < 0 {
		return "", false
	}
	return candidates[i], true
}

// WritePrivateFile writes a file that only its owner can read. The file has its new content completely or not at all. If path is a symbolic
// link, WritePrivateFile writes the file to which it leads, and the link stays.
func WritePrivateFile(path, content string) (err error) {
	if target, err := os.Readlink(path); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
		if resolved, err := filepath.EvalSymlinks(target); err == nil { // the file may not exist yet
			path = resolved
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // CreateTemp makes files with the mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.WriteString(content)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
