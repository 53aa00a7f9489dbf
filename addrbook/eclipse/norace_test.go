//go:build !race

package eclipse

const raced = false
