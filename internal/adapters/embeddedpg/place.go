package embeddedpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxPath leaves room for the names in the data folder: PostgreSQL cuts paths off at 1024 bytes.
const maxPath = 800

// resolve makes one absolute path of every spelling of a folder, which need not be there yet.
func resolve(dir string) (string, error) {
	o := op("read DATABASE_URL")
	switch {
	case strings.TrimSpace(dir) == "":
		return "", o.invalid(errEmptyDir, "it should look like embedded:./pawl-data")
	case strings.ContainsAny(dir, "\n\r\x00"):
		return "", o.invalid(fmt.Errorf("the folder's name %q has a line break or a zero byte in it", dir), "name another folder")
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", o.invalid(err, "give the folder's absolute path")
	}
	there := nearest(path)
	target, err := filepath.EvalSymlinks(there)
	if err != nil {
		return "", opIn(path).invalid(err, hintWritable)
	}
	if info, err := os.Stat(target); err == nil && !info.IsDir() { //nolint:gosec // the user names the folder
		return "", opIn(path).invalid(fmt.Errorf("%s is not a folder", target), hintWritable)
	}
	path = filepath.Join(target, strings.TrimPrefix(path, there))
	if len(path) > maxPath {
		return "", o.invalid(fmt.Errorf("the folder's path is %d bytes long", len(path)),
			fmt.Sprintf("name a folder whose path has at most %d bytes", maxPath))
	}
	return path, nil
}

// nearest is the path itself, or the folder above it that is there.
func nearest(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) || !errors.Is(err, os.ErrNotExist) { //nolint:gosec // the user names the folder
			return path
		}
		path = filepath.Dir(path)
	}
}
