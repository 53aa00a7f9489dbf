package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/banlist"
	"holdfast/node"
)

// An order is what a page may ask for. It returns what was done, in words.
type order func(s *Server, r *http.Request) (string, error)

var orders = map[string]order{
	"disconnect": orderDisconnect,
	"ban":        orderBan,
	"unban":      orderUnban,
	"add":        orderAdd,
}

// errWrong is about an order that makes no sense.
type errWrong string

// Error says what is wrong.
func (e errWrong) Error() string { return string(e) }

func orderDisconnect(s *Server, r *http.Request) (string, error) {
	id, err := strconv.ParseUint(r.PostFormValue("id"), 10, 64)
	if err != nil {
		return "", errWrong("there is no such peer")
	}
	if !s.cfg.Node.Disconnect(id) {
		return "", errWrong("that peer is gone already")
	}
	return "Disconnected peer " + r.PostFormValue("id") + ".", nil
}

// defaultBan is how long the button beside a peer bans: Bitcoin Core's -bantime.
const defaultBan = 24 * time.Hour

func orderBan(s *Server, r *http.Request) (string, error) {
	subject, err := banlist.ParseSubject(strings.TrimSpace(r.PostFormValue("subject")))
	if err != nil {
		return "", errWrong(err.Error())
	}
	length, text := defaultBan, strings.TrimSpace(r.PostFormValue("length"))
	switch text {
	case "":
	case "ever":
		length = 0
	default:
		if length, err = time.ParseDuration(text); err != nil || length <= 0 {
			return "", errWrong("give the length of the ban as 30m or 24h, or \"ever\"")
		}
	}
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	if reason == "" {
		reason = "banned on the dashboard"
	}
	err = s.cfg.Node.Ban(subject, length, reason, banlist.Operator)
	var unsaved *banlist.SaveError
	switch {
	case errors.As(err, &unsaved):
		return fmt.Sprintf("Banned %v, but it could not be saved: %v.", subject, err), nil
	case err != nil:
		return "", errWrong(err.Error())
	case length == 0:
		return fmt.Sprintf("Banned %v for ever.", subject), nil
	}
	return fmt.Sprintf("Banned %v for %s.", subject, spanText(length)), nil
}

func orderUnban(s *Server, r *http.Request) (string, error) {
	subject, err := banlist.ParseSubject(strings.TrimSpace(r.PostFormValue("subject")))
	if err != nil {
		return "", errWrong(err.Error())
	}
	was, err := s.cfg.Node.Bans().Unban(subject)
	switch {
	case err != nil:
		return "", err
	case !was:
		return "", errWrong(fmt.Sprintf("%v is not banned; a wider range may be", subject))
	}
	return fmt.Sprintf("The ban of %v is over.", subject), nil
}

func orderAdd(s *Server, r *http.Request) (string, error) {
	addr := strings.TrimSpace(r.PostFormValue("addr"))
	if addr == "" {
		return "", errWrong("give an address, as 192.0.2.1:8333")
	}
	err := s.cfg.Node.AddPeer(addr)
	var wrong *node.ConfigError
	switch {
	case errors.As(err, &wrong), errors.Is(err, node.ErrAdded), errors.Is(err, node.ErrTooManyAdded):
		return "", errWrong(err.Error())
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("Added %s: it is to be a peer from now on.", addr), nil
}

// serveOrder does what a page asks for. Who asks has the token or has logged in, and his
// form came from a page of this run.
func (s *Server) serveOrder(w http.ResponseWriter, r *http.Request) {
	do := orders[r.PathValue("order")]
	if do == nil {
		http.NotFound(w, r)
		return
	}
	if !s.hasToken(r) {
		if _, _, given := r.BasicAuth(); !given || s.cfg.Login == nil {
			s.answer(w, r, http.StatusForbidden, "Only who opened the address with the token, or logged in, may give orders.")
			return
		}
		if !s.loggedIn(w, r) {
			return
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.answer(w, r, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	if !same(r.PostFormValue("form"), s.form) {
		s.answer(w, r, http.StatusForbidden, "This page is of an earlier run: load it again.")
		return
	}
	said, err := do(s, r)
	s.outdated()
	s.poke()
	var wrong errWrong
	switch {
	case errors.As(err, &wrong):
		s.answer(w, r, http.StatusBadRequest, "Not done: "+err.Error()+".")
	case err != nil:
		s.cfg.Log.Error("An order of the dashboard failed", "order", r.PathValue("order"), "error", err)
		s.answer(w, r, http.StatusInternalServerError, "Not done: "+err.Error()+".")
	default:
		s.cfg.Log.Info("Order by the dashboard: "+said, "remote", r.RemoteAddr)
		s.answer(w, r, http.StatusOK, said)
	}
}

// answer answers an order: as JSON to the page's script, and with a page otherwise.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, said string) {
	if r.Header.Get("Accept") == "application/json" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"said": said}) // who does not read it has gone
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	s.render(w, "said.html", said)
}
