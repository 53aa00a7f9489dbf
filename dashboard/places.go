package dashboard

import "holdfast/internal/webserver"

// goesFirst says who makes room when all places are taken: of those that are no live
// pages, which are busy, the one that has asked for nothing for longest. There are more
// places than live pages, so there always is one, and who asks at once is answered before
// it is his turn to go.
func goesFirst(s webserver.State) int {
	if s.Busy {
		return webserver.Stays
	}
	return 0
}

// viewersFirst is the same for a live page with the token, when as many are live as may be:
// the oldest one without goes.
func viewersFirst(s webserver.State) int {
	if s.Trusted || !s.Busy {
		return webserver.Stays
	}
	return 0
}
