package node

import (
	"net"

	"holdfast/netaddr"
)

// group names the network group of an address: who owns one address of a group
// can easily have them all, so one automatic connection a group is enough. The
// groups are those of the address book. Each host name is a group of its own, since it says
// nothing of who owns it. The empty string is no group.
//
// Where loopback addresses are a network (Config.AllowLoopback) they have groups too,
// except for 127.0.0.1 and ::1: what is there differs by its port only.
func (n *Node) group(addr net.Addr) string {
	e, ok := endpointOf(addr)
	if !ok {
		return hostOf(addr)
	}
	if ip, ok := e.Host.IP(); ok && n.cfg.AllowLoopback && isSelfHost(ip) {
		return ""
	}
	return n.groupOf(e.Host)
}

func (n *Node) groupOf(h netaddr.Host) string { return n.groups.Group(h).String() }
