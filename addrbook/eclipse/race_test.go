//go:build race

package eclipse

// raced says that the race detector makes everything slow.
const raced = true
