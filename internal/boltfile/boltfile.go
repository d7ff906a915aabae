// Package boltfile looks at bbolt files before bbolt does.
package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt keeps two meta pages; each holds, after a page header, these fields in
// the machine's byte order: magic, version, page size, flags (4 bytes each),
// root page, root sequence, freelist, page count, transaction id, FNV-64a of
// all that (8 bytes each).
const (
	pageHeaderBytes = 16
	metaBytes       = 64
	metaMagic       = 0xED0CDAED
	smallestPage    = 1 << 10
	largestPage     = 1 << 24
)

// errNoHeader says that neither meta page is valid.
var errNoHeader = errors.New("it has no valid header")

// Check refuses a file that is not a bbolt database or shorter than its
// header says. Reading a missing page through the memory map would kill the
// process with SIGBUS, so this is found out before bbolt maps the file.
func Check(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return errors.New("it is empty")
	}
	want, err := neededSize(file)
	if err != nil {
		return err
	}
	if info.Size() < want {
		return fmt.Errorf("it has %d bytes, its header says at least %d: it was cut off", info.Size(), want)
	}
	return nil
}

// neededSize returns the file size the newest valid meta page speaks of.
func neededSize(file io.ReaderAt) (int64, error) {
	first, ok := readMeta(file, 0)
	if ok {
		if second, ok := readMeta(file, first.pageSize); ok && second.tx > first.tx {
			return second.size(), nil
		}
		return first.size(), nil
	}
	for pageSize := int64(smallestPage); pageSize <= largestPage; pageSize *= 2 {
		if second, ok := readMeta(file, pageSize); ok && second.pageSize == pageSize {
			return second.size(), nil
		}
	}
	return 0, errNoHeader
}

type metaPage struct {
	pageSize  int64
	pages, tx uint64
}

func (m metaPage) size() int64 { return int64(m.pages) * m.pageSize }

// readMeta reads the meta page at an offset; ok is false when it is not valid.
func readMeta(file io.ReaderAt, offset int64) (m metaPage, ok bool) {
	b := make([]byte, metaBytes)
	if _, err := file.ReadAt(b, offset+pageHeaderBytes); err != nil {
		return m, false
	}
	order := binary.NativeEndian
	sum := fnv.New64a()
	sum.Write(b[:metaBytes-8])
	if order.Uint32(b) != metaMagic || order.Uint64(b[metaBytes-8:]) != sum.Sum64() {
		return m, false
	}
	m = metaPage{int64(order.Uint32(b[8:])), order.Uint64(b[40:]), order.Uint64(b[48:])}
	return m, m.pageSize >= smallestPage && m.pageSize <= largestPage && m.pages < 1<<38
}
