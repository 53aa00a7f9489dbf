package rpc

import "holdfast/internal/webserver"

// goesFirst says who makes room when all places are taken: first of those that have not
// logged in the one that is there for longest, then of those that have and have nothing
// under way. So slow clients cut each other, and who has a password gets in.
func goesFirst(s webserver.State) int {
	switch {
	case !s.Trusted:
		return 0
	case !s.Busy:
		return 1
	}
	return webserver.Stays // everybody is at work
}

// strangersOnly is the same at the end, when those go that have not logged in.
func strangersOnly(s webserver.State) int {
	if s.Trusted {
		return webserver.Stays
	}
	return 0
}
