package btclog

// Logger writes messages of one subsystem at six levels. Messages below its level
// are dropped. The methods ending in f take a format as fmt.Printf does, the others
// put a blank between all operands as fmt.Println does. All methods may be called at
// the same time.
//
// It has the same methods as btcsuite's Logger: a value of one is a value of the
// other.
type Logger interface {
	// Tracef writes a formatted message at LevelTrace.
	Tracef(format string, params ...interface{})

	// Debugf writes a formatted message at LevelDebug.
	Debugf(format string, params ...interface{})

	// Infof writes a formatted message at LevelInfo.
	Infof(format string, params ...interface{})

	// Warnf writes a formatted message at LevelWarn.
	Warnf(format string, params ...interface{})

	// Errorf writes a formatted message at LevelError.
	Errorf(format string, params ...interface{})

	// Criticalf writes a formatted message at LevelCritical.
	Criticalf(format string, params ...interface{})

	// Trace writes its operands at LevelTrace.
	Trace(v ...interface{})

	// Debug writes its operands at LevelDebug.
	Debug(v ...interface{})

	// Info writes its operands at LevelInfo.
	Info(v ...interface{})

	// Warn writes its operands at LevelWarn.
	Warn(v ...interface{})

	// Error writes its operands at LevelError.
	Error(v ...interface{})

	// Critical writes its operands at LevelCritical.
	Critical(v ...interface{})

	// Level returns the current level.
	Level() Level

	// SetLevel changes the level, for messages from now on.
	SetLevel(level Level)
}

// Disabled is a Logger that never writes anything. Its level is LevelOff and stays
// so: everybody shares it.
var Disabled Logger = disabled{}

type disabled struct{}

func (disabled) Tracef(string, ...interface{})    {}
func (disabled) Debugf(string, ...interface{})    {}
func (disabled) Infof(string, ...interface{})     {}
func (disabled) Warnf(string, ...interface{})     {}
func (disabled) Errorf(string, ...interface{})    {}
func (disabled) Criticalf(string, ...interface{}) {}
func (disabled) Trace(...interface{})             {}
func (disabled) Debug(...interface{})             {}
func (disabled) Info(...interface{})              {}
func (disabled) Warn(...interface{})              {}
func (disabled) Error(...interface{})             {}
func (disabled) Critical(...interface{})          {}
func (disabled) Level() Level                     { return LevelOff }
func (disabled) SetLevel(Level)                   {}
