package connmgr

import (
	"testing"

	"holdfast/internal/readmetest"
)

// Faults 1 to 10 and 12 to 20 of btcd's are connmgr's to mend.
func TestReadmeNamesItsTests(t *testing.T) {
	readmetest.Check(t, 33, ".", "../compat/btcd/connmgr")
}
