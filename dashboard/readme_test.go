package dashboard

import (
	"testing"

	"holdfast/internal/readmetest"
)

// TestReadme: each promise of the README names a test that is there.
func TestReadme(t *testing.T) { readmetest.Check(t, 17, ".", "browser") }
