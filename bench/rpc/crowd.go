package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// The clients are a process of their own, as in life: their work is none of the node's.

// crowdVariable is in the environment of the process that is the clients, with an order.
const crowdVariable = "HOLDFAST_BENCH_CROWD"

// An order is what the clients are to do.
type order struct {
	Addr      string
	Dashboard string        // its address
	Calls     int           // a second
	Slow      int           // clients
	Viewers   int           // of the dashboard
	For       time.Duration // and how long
}

// report is what became of the calls, and of the viewers.
type report struct {
	Answered, Failed int
	InTime           int    // of those answered: before the end
	Why              string // one of the failures
	Median, P99      time.Duration
	Opened, Live     int // viewers that were let in, and readers of these that stayed
	Least            int // states that any of those readers had
}

// clients carry out an order until done is closed.
type clients struct {
	order
	done  chan struct{}
	views views
}

// others are the clients beside those that call: how many there are, and what one of them
// does until done is closed. Whoever is to be measured too has a line here.
var others = []struct {
	share func(o order) int
	be    func(c *clients) error
}{
	{func(order) int { return 1 }, stopped},
	{func(o order) int { return o.Slow / 2 }, slowReader},
	{func(o order) int { return o.Slow - o.Slow/2 }, slowSender},
	{func(o order) int { return o.readers() }, viewer},
	{func(o order) int { return o.Viewers - o.readers() }, stoppedViewer},
}

// readers is how many of the viewers read.
func (o order) readers() int { return o.Viewers / 2 }

// mix is what is called, in turn.
var mix = []string{"getpeerinfo", "getnettotals", "getconnectioncount"}

// callers is how many connections the calls are spread over.
const callers = 10

// crowdMain is the main of the clients' process. It prints a report.
func crowdMain() {
	var o order
	err := json.Unmarshal([]byte(os.Getenv(crowdVariable)), &o)
	if err == nil {
		var r report
		if r, err = crowd(o); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(r)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}

func crowd(o order) (report, error) {
	c := &clients{order: o, done: make(chan struct{})}
	var wg sync.WaitGroup
	errs := make(chan error, 1+o.Slow+o.Viewers)
	for _, x := range others {
		for range x.share(o) {
			wg.Go(func() { errs <- x.be(c) })
		}
	}
	results := make([]results, callers)
	var calling sync.WaitGroup
	for i := range results {
		calling.Go(func() { results[i].call(o, i) })
	}
	calling.Wait()
	close(c.done)
	wg.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	var r report
	var took []time.Duration
	for _, x := range results {
		r.Failed += x.failed
		r.InTime += x.inTime
		r.Why = cmp.Or(r.Why, x.why)
		took = append(took, x.took...)
	}
	r.Answered = len(took)
	r.Median, r.P99 = quantile(took, 0.5), quantile(took, 0.99)
	r.Opened, r.Live = c.views.opened, len(c.views.states)
	if r.Live > 0 {
		r.Least = slices.Min(c.views.states)
	}
	return r, err
}

// results are those of one connection.
type results struct {
	took   []time.Duration
	inTime int
	failed int
	why    string
}

// call makes calls at their times. One that is late is made at once, and its time counts
// from when it was due.
func (x *results) call(o order, i int) {
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	every := time.Second * callers / time.Duration(o.Calls)
	begin := time.Now().Add(every * time.Duration(i) / callers)
	for n := 0; ; n++ {
		due := begin.Add(every * time.Duration(n))
		if due.Sub(begin) >= o.For {
			return
		}
		time.Sleep(time.Until(due))
		if err := callOnce(client, o.Addr, mix[(n+i)%len(mix)]); err != nil {
			x.failed++
			x.why = err.Error()
			continue
		}
		x.took = append(x.took, time.Since(due))
		if time.Since(begin) < o.For {
			x.inTime++
		}
	}
}

func callOnce(client *http.Client, addr, method string) error {
	r, err := http.NewRequest(http.MethodPost, "http://"+addr+"/", strings.NewReader(body(method)))
	if err != nil {
		return err
	}
	r.SetBasicAuth(user, password)
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"error":null`))) {
		err = errors.New(resp.Status)
	}
	return err
}

func body(method string) string { return `{"id":1,"method":"` + method + `"}` }

// request is a call as it goes over the wire.
func request(method string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n%s",
		base64.StdEncoding.EncodeToString([]byte(user+":"+password)), len(body(method)), body(method))
}

// stopped has logged in, asks for a list a thousand times over, and reads nothing.
func stopped(c *clients) error {
	conn, err := dial(c.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, strings.Repeat(request("getpeerinfo"), 1000)) }() // until it is full, or closed
	<-c.done
	return nil
}

// slowReader has logged in too, and reads 1 KB of the same ten times a second.
func slowReader(c *clients) error {
	conn, err := dial(c.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, strings.Repeat(request("getpeerinfo"), 1000)) }()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	return every(c.done, func() error {
		_, err := conn.Read(make([]byte, 1024))
		return err
	})
}

// slowSender sends a byte of a request ten times a second; when he is cut he begins anew.
func slowSender(c *clients) error {
	conn, err := dial(c.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	text := request("getpeerinfo")
	sent := 0
	return every(c.done, func() error {
		if _, err := io.WriteString(conn, text[sent%len(text):][:1]); err == nil {
			sent++
			return nil
		}
		_ = conn.Close()
		sent = 0
		conn, err = dial(c.Addr)
		return err
	})
}

// dial connects with a small buffer: what is not read the server cannot get rid of.
func dial(addr string) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		err = conn.(*net.TCPConn).SetReadBuffer(4096)
	}
	return conn, err
}

// every does something ten times a second until done is closed.
func every(done <-chan struct{}, do func() error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-tick.C:
			if err := do(); err != nil {
				return err
			}
		}
	}
}

// quantile sorts list.
func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[int(q*float64(len(list)-1))]
}
