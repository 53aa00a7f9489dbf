// Package dashboard serves the page on which an operator sees and steers a node, and
// the metrics and the health of it for monitors.
//
// It is a view: of the node's state, and of its one stream of events. It keeps nothing
// of its own but counts of those events and some hours of history for the charts.
//
//	GET  /          the page; plain HTML, which a script keeps up to date
//	GET  /events    what happens, as server-sent events
//	GET  /history   the charts' numbers: ?span=hour, ?span=day
//	POST /orders/X  disconnect, ban, unban, add
//	GET  /login     asks for user and password
//	GET  /metrics   for Prometheus; all names begin with holdfast_
//	GET  /healthz   200 while the process serves
//	GET  /readyz    200 while there is at least one peer, else 503
//
// # Who may what
//
// Whoever is on this machine may look. Orders are taken from who has the token of the
// run, which is in [Server.URL], or has logged in; and only from forms of this page, so
// another site cannot have a browser send one. Elsewhere than on loopback there is TLS
// and a login, or New refuses; only /healthz and /readyz are open then.
//
// # What cannot happen
//
// Nobody who looks can slow the node. An event costs the node one place in the history
// and some additions, whoever follows; the node's state is asked for four times a second
// at most; a page that does not read is cut off after 5 s; and there are limits to
// pages, connections, requests and orders.
//
// config.go is what can be set, server.go the listeners and the routes, guard.go who gets
// in; meter.go counts events, metrics.go is what Prometheus sees; view.go asks the node;
// tables.go, state.go and format.go say it in words, where.go on a map; page.go is the
// HTML, feed.go the live stream, history.go the charts, orders.go what is done.
package dashboard
