package netmon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// groups are the multicast groups to join: bit n-1 for group n.
const groups = 1<<(syscall.RTNLGRP_LINK-1) |
	1<<(syscall.RTNLGRP_IPV4_IFADDR-1) | 1<<(syscall.RTNLGRP_IPV6_IFADDR-1) |
	1<<(syscall.RTNLGRP_IPV4_ROUTE-1) | 1<<(syscall.RTNLGRP_IPV6_ROUTE-1)

// bufferSize is as much as the kernel puts into one answer to a request; what it
// tells unasked is far smaller.
const bufferSize = 32 << 10

// netlink is a source that the kernel tells. See netlink(7) and rtnetlink(7).
type netlink struct {
	file  *os.File
	buf   []byte
	known facts
	stop  func() // ends what waits for the context
}

// open opens the kernel's news, or else those by polling.
func open(ctx context.Context, o Options) (source, error) {
	s, err := listen(ctx)
	if err != nil {
		return fallBack(o.PollEvery, interfaces, err)
	}
	return s, nil
}

// fallBack returns a poller, because of an error that is told only if polling
// fails too.
func fallBack(every time.Duration, ask func() (facts, error), because error) (source, error) {
	p, err := newPoller(every, ask)
	if err != nil {
		err = errors.Join(because, err)
	}
	return p, err
}

// listen opens a socket that gets the kernel's news until ctx ends.
func listen(ctx context.Context) (*netlink, error) {
	file, err := socket(groups)
	if err != nil {
		return nil, err
	}
	s := &netlink{file: file, buf: make([]byte, bufferSize), known: make(facts)}
	// After joining the groups: what changes in between is in both.
	for _, get := range []uint16{syscall.RTM_GETLINK, syscall.RTM_GETADDR, syscall.RTM_GETROUTE} {
		if err := dump(ctx, get, s.buf, s.known); err != nil {
			file.Close()
			return nil, fmt.Errorf("netlink request %d: %w", get, err)
		}
	}
	s.stop = onEnd(ctx, file)
	return s, nil
}

// onEnd makes reads of file fail when ctx ends. The function returned undoes
// that, and waits for it.
func onEnd(ctx context.Context, file *os.File) (undo func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = file.SetReadDeadline(time.Unix(1, 0)) // it worked before
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// socket returns a netlink route socket in some groups. Its reads heed
// deadlines: it is non-blocking, so os.NewFile hands it to the runtime's poller.
func socket(groups uint32) (*os.File, error) {
	const typ = syscall.SOCK_RAW | syscall.SOCK_CLOEXEC | syscall.SOCK_NONBLOCK
	fd, err := syscall.Socket(syscall.AF_NETLINK, typ, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("netlink socket", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groups}); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("netlink bind", err)
	}
	file := os.NewFile(uintptr(fd), "netlink")
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (s *netlink) next(ctx context.Context, until time.Time) (Change, error) {
	if err := s.file.SetReadDeadline(until); err != nil {
		return 0, err
	}
	// In this order: if ctx ends after the look at it, the deadline is set anew.
	for ctx.Err() == nil {
		c, err := s.read()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, nil
		case err != nil || c != 0:
			return c, err
		}
	}
	return 0, nil
}

// read reads what the kernel told at once, and returns the news in it that
// count. ENOBUFS means that we were too slow.
func (s *netlink) read() (Change, error) {
	n, err := s.file.Read(s.buf)
	if err != nil {
		return 0, err
	}
	var c Change
	for m := range messages(s.buf[:n]) {
		if news, ok := parse(m); ok {
			c |= s.known.apply(news)
		}
	}
	return c, nil
}

func (s *netlink) close() {
	s.stop()
	s.file.Close()
}

// dump asks the kernel for all of a kind that it knows, and adds what counts to
// f. It uses a socket of its own, and holds no more than one piece of the answer
// at a time: a router has a million routes.
func dump(ctx context.Context, get uint16, buf []byte, f facts) error {
	file, err := socket(0)
	if err != nil {
		return err
	}
	defer file.Close()
	defer onEnd(ctx, file)()
	// An empty struct rtgenmsg, padded, asks for all families.
	request := make([]byte, syscall.NLMSG_HDRLEN+4)
	native.PutUint32(request, uint32(len(request)))
	native.PutUint16(request[4:], get)
	native.PutUint16(request[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	if _, err := file.Write(request); err != nil {
		return err
	}
	for {
		n, err := file.Read(buf)
		if err != nil {
			return err
		}
		for m := range messages(buf[:n]) {
			switch m.typ {
			case syscall.NLMSG_DONE:
				return nil
			case syscall.NLMSG_ERROR:
				return refusal(m.body)
			}
			if news, ok := parse(m); ok {
				f.apply(news)
			}
		}
	}
}

// refusal returns the error of a struct nlmsgerr.
func refusal(b []byte) error {
	if len(b) >= 4 {
		if code := int32(native.Uint32(b)); code < 0 {
			return syscall.Errno(-code)
		}
	}
	return syscall.EBADMSG
}
