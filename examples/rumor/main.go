// Command rumor shows package connmgr at work for a protocol that is not
// Bitcoin: twelve nodes on loopback, each of which keeps three connections, pass
// a rumor on, line by line, until everybody has heard it. Then one node is shut
// down, and its peers find others in its place.
//
//	go run ./examples/rumor
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"holdfast/connmgr"
)

// node is a peer of the rumor network. Its protocol: each line is a rumor.
type node struct {
	name   string
	addr   net.Addr
	cm     *connmgr.ConnManager
	heard  chan<- string // gets the node's name when it hears the rumor
	events chan<- connmgr.Event

	mu      sync.Mutex
	known   map[string]bool
	conns   map[net.Conn]bool
	stopped bool
}

// newNode makes a node that finds others in addrs, which may still grow.
func newNode(name string, addrs func() net.Addr, heard chan<- string, events chan<- connmgr.Event) (*node, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &node{
		name: name, addr: listener.Addr(), heard: heard, events: events,
		known: make(map[string]bool), conns: make(map[net.Conn]bool),
	}
	var dialer net.Dialer
	n.cm, err = connmgr.New(&connmgr.Config{
		TargetOutbound: 3,
		GetNewAddress:  func() (net.Addr, error) { return addrs(), nil },
		Unique:         true, // one connection to each
		RetryDuration:  100 * time.Millisecond,
		DialContext: func(ctx context.Context, addr net.Addr) (net.Conn, error) {
			return dialer.DialContext(ctx, addr.Network(), addr.String())
		},
		OnConnection: func(c *connmgr.ConnReq, conn net.Conn) {
			n.talk(conn)
			n.cm.Remove(c.ID()) // the manager replaces it
		},
		Listeners: []net.Listener{listener},
		OnAccept:  n.talk,
		OnEvent:   func(e connmgr.Event) { n.events <- e },
	})
	return n, err
}

// talk reads rumors from conn until it ends.
func (n *node) talk(conn net.Conn) {
	defer conn.Close()
	n.mu.Lock()
	if n.stopped {
		n.mu.Unlock()
		return
	}
	n.conns[conn] = true
	for rumor := range n.known {
		fmt.Fprintln(conn, rumor)
	}
	n.mu.Unlock()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		n.hear(lines.Text())
	}
	n.mu.Lock()
	delete(n.conns, conn)
	n.mu.Unlock()
}

// hear takes a rumor, and passes it on if it is new.
func (n *node) hear(rumor string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known[rumor] {
		return
	}
	n.known[rumor] = true
	n.heard <- n.name
	for conn := range n.conns {
		fmt.Fprintln(conn, rumor)
	}
}

// stop ends the node; what it accepted is its own to close.
func (n *node) stop(ctx context.Context) error {
	n.mu.Lock()
	n.stopped = true
	for conn := range n.conns {
		conn.Close()
	}
	n.mu.Unlock()
	return n.cm.Shutdown(ctx)
}

// await waits for an event of any node.
func await(ctx context.Context, events <-chan connmgr.Event, typ connmgr.EventType) error {
	for {
		select {
		case e := <-events:
			if e.Type == typ {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func run(ctx context.Context) error {
	const size = 12
	var (
		mu    sync.Mutex
		nodes []*node
	)
	heard, events := make(chan string, size), make(chan connmgr.Event, 10_000)
	for i := range size {
		var self *node
		others := func() net.Addr {
			mu.Lock()
			defer mu.Unlock()
			if other := nodes[rand.IntN(len(nodes))]; other != self {
				return other.addr
			}
			return nil // not ourselves: the manager asks again
		}
		n, err := newNode(fmt.Sprint("node ", i), others, heard, events)
		if err != nil {
			return err
		}
		self = n
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.cm.Start()
	}
	for range 3 * size {
		if err := await(ctx, events, connmgr.EventConnected); err != nil {
			return err
		}
	}
	nodes[0].hear("the harbour light is out")
	for i := range size {
		select {
		case name := <-heard:
			fmt.Printf("%2d of %d: %s has heard it\n", i+1, size, name)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	leaver := nodes[0].cm.Snapshot().Requests[0].Addr // somebody that node 0 is connected to
	i := slices.IndexFunc(nodes, func(n *node) bool { return n.addr.String() == leaver.String() })
	gone := nodes[i]
	mu.Lock()
	nodes = slices.Delete(nodes, i, i+1)
	mu.Unlock()
	fmt.Printf("%s leaves; it was connected so: %v\n", gone.name, gone.cm.Snapshot().Outbound)
	if err := gone.stop(ctx); err != nil {
		return err
	}
	if err := await(ctx, events, connmgr.EventConnected); err != nil {
		return err
	}
	fmt.Println("and node 0 is connected to another")
	for _, n := range nodes {
		if err := n.stop(ctx); err != nil {
			return err
		}
	}
	fmt.Println("all nodes have stopped")
	return nil
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}
