//go:build unix

package tornet

import "syscall"

// Cut takes the network away from all clients, as when the link of their machine is cut:
// the relays stand still (SIGSTOP), and close nothing. It fails the test if it cannot.
func (n *Network) Cut() { n.signal(syscall.SIGSTOP) }

// Mend gives the network back.
func (n *Network) Mend() { n.signal(syscall.SIGCONT) }

func (n *Network) signal(s syscall.Signal) {
	for _, r := range n.relays {
		r.t.Helper()
		r.mu.Lock()
		err := r.cmd.Process.Signal(s)
		r.mu.Unlock()
		if err != nil {
			r.t.Fatalf("tor %s: %v", r.name, err)
		}
	}
}
