package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"holdfast/simnet"
)

// views are what the viewers of the dashboard got.
type views struct {
	mu     sync.Mutex
	opened int   // were let in
	states []int // that each reader had who was live until the end
}

// viewTimeout is how long a viewer waits until he is let in.
const viewTimeout = 5 * time.Second

// viewer follows the live stream, and reads all of it.
func viewer(c *clients) error {
	conn, resp, err := c.view()
	if err != nil {
		return err
	}
	defer conn.Close()
	if resp == nil {
		return nil
	}
	go func() { // ends the reading
		<-c.done
		_ = conn.Close()
	}()
	states := 0
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if bytes.Equal(lines.Bytes(), []byte("event: state")) {
			states++
		}
	}
	select {
	case <-c.done:
		c.views.mu.Lock()
		c.views.states = append(c.views.states, states)
		c.views.mu.Unlock()
	default: // he was cut off, and misses in the table
	}
	return nil
}

// stoppedViewer follows the live stream, and reads nothing but the head of the answer.
func stoppedViewer(c *clients) error {
	conn, _, err := c.view()
	if err != nil {
		return err
	}
	defer conn.Close()
	<-c.done
	return nil
}

// view asks for the live stream. The response is nil if the dashboard did not give it.
func (c *clients) view() (net.Conn, *http.Response, error) {
	conn, err := dial(c.Dashboard)
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(viewTimeout))
	_, _ = io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n") // else there is no answer
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		return conn, nil, nil
	}
	_ = conn.SetDeadline(time.Time{})
	c.views.mu.Lock()
	c.views.opened++
	c.views.mu.Unlock()
	return conn, resp, nil
}

// cut is how many viewers the dashboard has cut off, by its metrics.
func (w *world) cut() (int, error) {
	resp, err := http.Get("http://" + w.dashboard.Addrs()[0].String() + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	_, after, found := bytes.Cut(text, []byte("\nholdfast_dashboard_viewers_cut_total "))
	if !found {
		return 0, fmt.Errorf("no count of viewers in the metrics: %s", resp.Status)
	}
	number, _, _ := bytes.Cut(after, []byte("\n"))
	return strconv.Atoi(string(number))
}

// strangerStays is how long the stranger is there, and how long he is away.
const strangerStays = 250 * time.Millisecond

// comeAndGo has a peer come and go until done is closed, so that there is something to
// see: the dashboard sends its state up to three times a second then, and else every 5 s.
func (w *world) comeAndGo(stranger *simnet.Peer, done <-chan struct{}) {
	tick := time.NewTicker(strangerStays)
	defer tick.Stop()
	for there := false; ; there = !there {
		if there {
			for _, p := range w.node.Peers() {
				if !w.ids[p.ID] {
					w.node.Disconnect(p.ID)
				}
			}
		} else {
			go func() { _ = stranger.Connect(w.ctx, w.node.Listening()[0]) }() // he may be refused, which is to be seen too
		}
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}
