package settings

import (
	"path/filepath"
	"testing"
)

// TestReadEnvFile_Example checks that .env.example is a file that pawl can read. All its settings are commented out.
func TestReadEnvFile_Example(t *testing.T) {
	t.Parallel()
	variables, err := readEnvFile(filepath.Join("..", "..", "..", "..", ".env.example"))
	if err != nil || len(variables) > 0 {
		t.Errorf("got %v, %v, want no variables", variables, err)
	}
}
