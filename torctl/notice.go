package torctl

import (
	"context"
	"strings"
)

// noticeQueue is how many notices wait for their reader; what comes when they are more
// is dropped.
const noticeQueue = 64

// Notice is what Tor says unasked (control-spec, section 4.1, calls it an event).
type Notice struct {
	Name string // "STATUS_CLIENT", "HS_DESC", ...
	Text string // what follows the name
	Data string // the lines between, or the data behind, the first; mostly ""
}

// SetEvents asks Tor for the events of these names, and for no other. None ends all.
// They come by Notices. A *ReplyError with the code 552 says that Tor does not know one.
func (c *Conn) SetEvents(ctx context.Context, names ...string) error {
	_, err := c.command(ctx, "", append([]string{"SETEVENTS"}, names...)...)
	return err
}

// Notices is where the events of SetEvents come. Who reads it too slowly loses what is
// more than 64. It is closed when the connection has ended.
func (c *Conn) Notices() <-chan Notice { return c.notices }

// tell hands a reply with eventCode on, or drops it. It is called by the reader only.
func (c *Conn) tell(r reply) {
	var n Notice
	n.Name, n.Text, _ = strings.Cut(r.lines[0].text, " ")
	var data []string
	for i, l := range r.lines {
		// One of several lines ends with "OK".
		if i > 0 && i < len(r.lines)-1 {
			data = append(data, l.text)
		}
		if l.hasData {
			data = append(data, l.data)
		}
	}
	n.Data = strings.Join(data, "\n")
	select {
	case c.notices <- n:
	default:
	}
}
