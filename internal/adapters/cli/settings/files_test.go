package settings

import (
	"path/filepath"
	"testing"
)

// TestReadEnvFile_Example checks that pawl can read .env.example, and that the file sets nothing because all its settings are commented
// out.
func TestReadEnvFile_Example(t *testing.T) {
	t.Parallel()
	variables, err := readEnvFile(filepath.Join("..", "..", "..", "..", ".env.example"))
	if err != nil || len(variables) > 0 {
		t.Errorf("got variables %v, error %v; want no variables and no error", variables, err)
	}
}
