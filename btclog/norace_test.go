//go:build !race

package btclog

const raceEnabled = false
