// Package integration holds tests only: holdfast against real Bitcoin nodes that
// others wrote. They run btcd, each test its own, on loopback addresses or in
// network namespaces, with files in temporary directories, and end every process
// that they start.
//
// btcd and btcctl are found by the variables HOLDFAST_BTCD and HOLDFAST_BTCCTL,
// else on the PATH. Where one is missing, the tests that need it are skipped,
// unless HOLDFAST_REQUIRE_ALL is 1: then they fail.
package integration
