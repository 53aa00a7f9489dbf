package socks

import (
	"testing"

	"holdfast/internal/readmetest"
)

func TestReadmeNamesItsTests(t *testing.T) { readmetest.Check(t, 13, ".") }
