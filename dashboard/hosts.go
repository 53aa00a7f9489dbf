package dashboard

import (
	"net/http"
	"net/netip"
	"time"

	"holdfast/internal/webserver"
)

// tokenHost stands for who has the token, wherever he is. It is no client's address.
var tokenHost = netip.IPv4Unspecified()

// limited answers at most as many requests of a host as it may send. Who has the token is
// counted for himself: others on the same host cannot take his.
func (s *Server) limited(rates *webserver.Rates, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := webserver.RemoteHost(r.RemoteAddr)
		if s.hasToken(r) {
			who = tokenHost
		}
		if !rates.Allow(who, 1, time.Now()) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}
