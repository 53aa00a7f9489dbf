//go:build race

package btclog

const raceEnabled = true
