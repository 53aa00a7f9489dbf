package btclog

import "sync/atomic"

// logger is the Logger of a Backend.
type logger struct {
	level atomic.Uint32
	b     *Backend
	head  heads
}

// depth is how far above print and printf the caller of the logger is.
const depth = 2

func (l *logger) on(level Level) bool { return l.level.Load() <= uint32(level) }

// printf writes a line with a formatted message.
func (l *logger) printf(level Level, format string, params []any) {
	b := l.b
	now := b.now() // as early as can be
	var pc uintptr
	if b.places() {
		pc = caller(depth + b.skip)
	}
	buf := getBuffer()
	p := b.begin(buf.b, now, l.head[level], pc)
	p = b.appendf(p, format, params)
	buf.b = b.end(p)
	b.write(buf.b)
	buf.put()
}

// print writes a line with the operands, a blank between any two.
func (l *logger) print(level Level, v []any) {
	b := l.b
	now := b.now()
	var pc uintptr
	if b.places() {
		pc = caller(depth + b.skip)
	}
	buf := getBuffer()
	p := b.begin(buf.b, now, l.head[level], pc)
	start := len(p)
	p = appendOperands(p, v)
	p = b.endMessage(p, start, 0)
	buf.b = b.end(p)
	b.write(buf.b)
	buf.put()
}

func (l *logger) Level() Level         { return Level(l.level.Load()) }
func (l *logger) SetLevel(level Level) { l.level.Store(uint32(level)) }

func (l *logger) Tracef(format string, params ...interface{}) {
	if l.on(LevelTrace) {
		l.printf(LevelTrace, format, params)
	}
}

func (l *logger) Trace(v ...interface{}) {
	if l.on(LevelTrace) {
		l.print(LevelTrace, v)
	}
}

func (l *logger) Debugf(format string, params ...interface{}) {
	if l.on(LevelDebug) {
		l.printf(LevelDebug, format, params)
	}
}

func (l *logger) Debug(v ...interface{}) {
	if l.on(LevelDebug) {
		l.print(LevelDebug, v)
	}
}

func (l *logger) Infof(format string, params ...interface{}) {
	if l.on(LevelInfo) {
		l.printf(LevelInfo, format, params)
	}
}

func (l *logger) Info(v ...interface{}) {
	if l.on(LevelInfo) {
		l.print(LevelInfo, v)
	}
}

func (l *logger) Warnf(format string, params ...interface{}) {
	if l.on(LevelWarn) {
		l.printf(LevelWarn, format, params)
	}
}

func (l *logger) Warn(v ...interface{}) {
	if l.on(LevelWarn) {
		l.print(LevelWarn, v)
	}
}

func (l *logger) Errorf(format string, params ...interface{}) {
	if l.on(LevelError) {
		l.printf(LevelError, format, params)
	}
}

func (l *logger) Error(v ...interface{}) {
	if l.on(LevelError) {
		l.print(LevelError, v)
	}
}

func (l *logger) Criticalf(format string, params ...interface{}) {
	if l.on(LevelCritical) {
		l.printf(LevelCritical, format, params)
	}
}

func (l *logger) Critical(v ...interface{}) {
	if l.on(LevelCritical) {
		l.print(LevelCritical, v)
	}
}
