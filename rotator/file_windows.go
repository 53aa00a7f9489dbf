package rotator

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

// openAppend opens a file to append to and to read, and makes it if need be. It
// can be renamed and removed while it is open.
func openAppend(path string, _ fs.FileMode) (*os.File, error) {
	f, err := openShared(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.OPEN_ALWAYS)
	if err != nil {
		return nil, err
	}
	// Not opened with the right to append only: with that it could not be cut.
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openRead opens a file to read. It can be renamed and removed while it is open.
func openRead(path string) (*os.File, error) {
	return openShared(path, syscall.GENERIC_READ, syscall.OPEN_EXISTING)
}

// openSync opens a file to sync it, for which the system wants the right to write.
func openSync(path string) (*os.File, error) {
	return openShared(path, syscall.GENERIC_WRITE, syscall.OPEN_EXISTING)
}

// openShared is os.OpenFile, but others may rename and remove the file, as on Unix.
func openShared(path string, access, create uint32) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := syscall.CreateFile(name, access,
		syscall.FILE_SHARE_READ|syscall.FILE_SHARE_WRITE|syscall.FILE_SHARE_DELETE,
		nil, create, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// cut shortens a file. What is written next comes at its end.
func cut(f *os.File, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	_, err := f.Seek(size, io.SeekStart)
	return err
}

// unlinked says whether an open file has no name any more. It is not known here.
func unlinked(fs.FileInfo) bool { return false }
