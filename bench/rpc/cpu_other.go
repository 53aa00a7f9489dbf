//go:build !unix

package main

import "time"

var began = time.Now()

// cpu returns the time that has gone by: better than nothing, on a machine without
// other work.
func cpu() time.Duration { return time.Since(began) }
