package dashboard

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"

	"holdfast/node"
	"holdfast/stream"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// templates escape all that they are given: user agents and reasons are written by
// strangers.
var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"table":  func(id string, columns []column, rows []row) tableData { return tableData{id, columns, rows} },
	"orders": newOrderData,
	"land":   func() string { return land },
	"newdot": func() dot { return dot{Kind: "out"} },
}).ParseFS(templateFiles, "templates/*.html"))

// tableData is what the template of a table gets.
type tableData struct {
	ID      string
	Columns []column
	Rows    []row
}

// Cards says whether a narrow screen has a card for each row.
func (d tableData) Cards() bool {
	return len(d.Columns) > 3 && d.ID != "refusals" || d.ID == "places"
}

// orderData is what the template of a row's buttons gets.
type orderData struct{ Form, Key, Also, Name string }

// newOrderData is about a row; of nil it is what the script fills in.
func newOrderData(form string, r any) orderData {
	d := orderData{Form: form}
	if r, ok := r.(row); ok {
		d.Key, d.Also, d.Name = r.Key, r.Also, r.Cells[0].Text
	}
	return d
}

// pageEvents is how many events the page begins with.
const pageEvents = 100

// A page is what the template of the page gets.
type page struct {
	state
	Version, Network, Run, Form string
	Agent                       string
	Listening                   []string
	Started, Zone               string
	MayOrder, MayLogin          bool

	Sort string // the column that peers are sorted by
	Down bool

	Last                  uint64 // the newest event
	Events                []line // newest first
	Level, Subsystem, Has string // which events are shown
	Levels, Subsystems    []string
	Columns               map[string][]column
}

// allColumns are the heads of the tables, by their names.
var allColumns = map[string][]column{
	"peers": peerColumns, "waiting": waitColumns, "groups": groupColumns,
	"refusals": refusalColumns, "bans": banColumns, "book": bookColumns,
	"places": placeColumns,
}

// columnsOf are the heads of the tables that show a view.
func columnsOf(v *view) map[string][]column {
	columns := maps.Clone(allColumns)
	columns["peers"] = v.peerColumns()
	return columns
}

var levels = []string{"debug", "info", "warn", "error"}

// servePage is the page as HTML, which is all there is without a script.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	if given := r.URL.Query().Get("token"); given != "" {
		if same(given, s.token) {
			s.giveToken(w, r)
		}
		http.Redirect(w, r, "/", http.StatusSeeOther) // without the token, also in the history
		return
	}
	v := s.view()
	q := r.URL.Query()
	p := &page{
		Version: s.cfg.Version, Network: v.snap.Network, Agent: v.info.UserAgent, Run: s.run,
		Started:  clockText(v.info.Started, v.at),
		MayOrder: s.hasToken(r) || r.TLS != nil,
		MayLogin: s.cfg.Login != nil,
		Sort:     q.Get("sort"), Down: q.Get("dir") == "down",
		Level: q.Get("level"), Subsystem: q.Get("sub"), Has: q.Get("has"),
		Levels: levels, Subsystems: node.Subsystems(), Columns: columnsOf(v),
	}
	p.Zone, _ = v.at.Local().Zone()
	for _, a := range v.snap.Listening {
		p.Listening = append(p.Listening, a.String())
	}
	if p.MayOrder {
		p.Form = s.form
	}
	if !slices.Contains(levels, p.Level) {
		p.Level = "info"
	}
	p.state = s.sortedState(v, p.Sort, p.Down)
	p.Last = s.cfg.Hub.Last()
	p.Events = s.events(p)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	s.render(w, "page.html", p)
}

// events are the newest that a page asks for, the newest first.
func (s *Server) events(p *page) []line {
	least := slices.Index(levels, p.Level)
	text := strings.ToLower(p.Has)
	events := s.cfg.Hub.Recent(stream.Filter{Level: shown, Limit: pageEvents, Match: func(e node.Event) bool {
		return slices.Index(levels, levelName(e.Level())) >= least &&
			(p.Subsystem == "" || e.Subsystem() == p.Subsystem) &&
			(text == "" || strings.Contains(strings.ToLower(e.String()), text))
	}})
	lines := make([]line, len(events))
	for i, e := range events {
		lines[len(events)-1-i] = newLine(e)
	}
	return lines
}

// render writes a page at once.
func (s *Server) render(w io.Writer, name string, data any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		s.cfg.Log.Error("The page cannot be made", "error", err)
		if rw, ok := w.(http.ResponseWriter); ok {
			http.Error(rw, "the page cannot be made; the log says why", http.StatusInternalServerError)
		}
		return
	}
	_, _ = b.WriteTo(w) // who does not read it has gone
}

// serveHistory is what the charts show, as JSON.
func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.history.columns(r.FormValue("span") == "day")) // as above
}

// static serves the scripts and styles, which change with the version only.
func static() http.Handler {
	files, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // the folder is in the program
	}
	server := http.StripPrefix("/static/", http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r) // no lists of files
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}

// serveHealth says that the process serves.
func serveHealth(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }

// serveReady says whether there is a peer.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	c := s.cfg.Node.Counts()
	if c.Outbound+c.Permanent+c.Inbound == 0 {
		http.Error(w, "no peer", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ready: "+c.String()+"\n")
}
