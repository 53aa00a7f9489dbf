package torctl

import (
	"testing"

	"holdfast/internal/readmetest"
)

func TestReadmeNamesItsTests(t *testing.T) { readmetest.Check(t, 18, ".") }
