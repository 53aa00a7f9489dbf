package btclog

import (
	"testing"

	"holdfast/internal/readmetest"
)

func TestReadmeNamesItsTests(t *testing.T) {
	readmetest.Check(t, 16, ".", "v2", "../bench/logs")
}
