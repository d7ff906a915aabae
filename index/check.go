package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bleveindex "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"callsyncd/call"
)

const (
	maxFindings = 100
	sampleCalls = 200
	findingKind = "index"
	// segmentStretch is how many bytes of a file are read before anybody may end it.
	segmentStretch = 1 << 20
)

// internalID returns the document of a call; nil when it has none.
func internalID(r bleveindex.IndexReader, key call.Key) (bleveindex.IndexInternalID, error) {
	return r.InternalID(key.String())
}

// Check recomputes the checksums of the index's files and compares it with the
// store: the same calls, and of a sample of them the words. It first catches up
// with the feed. After a finding the index is rebuilt by Run or the next CatchUp.
func (x *Index) Check(ctx context.Context) ([]call.VerifyFinding, error) {
	if err := x.CatchUp(ctx); err != nil {
		return nil, err
	}
	g := x.serving()
	if g == nil {
		return nil, ErrUnavailable
	}
	c := checker{x: x, ctx: ctx}
	if err := g.view(c.check); err != nil {
		return nil, fmt.Errorf("check index: %w", err)
	}
	if len(c.findings) > 0 {
		x.distrust("a check found it different from the archive")
	}
	return c.findings, nil
}

// checker compares one snapshot with the store.
type checker struct {
	x        *Index
	ctx      context.Context
	reader   bleveindex.IndexReader
	findings []call.VerifyFinding
	missing  []call.Key
	sample   []call.Key
	calls    int
}

func (c *checker) check(r bleveindex.IndexReader) error {
	c.reader = r
	damaged, err := damagedSegments(c.ctx, r)
	for _, name := range damaged {
		c.find(nil, name+" is damaged: its checksum differs")
	}
	if err != nil || len(damaged) > 0 {
		return err // what is read from damaged files proves nothing
	}
	if err := c.x.src.Keys(c.ctx, "", c.key); err != nil {
		return err
	}
	changed, err := c.changed()
	if err != nil {
		return err
	}
	for _, key := range c.missing {
		if !changed[key] {
			c.find(&key, "the call is not in the index")
		}
	}
	documents, err := r.DocCount()
	if err != nil {
		return err
	}
	if len(changed) == 0 && int(documents) != c.calls {
		c.find(nil, fmt.Sprintf("the index holds %d calls, the archive %d", documents, c.calls))
	}
	return c.words(changed)
}

// damagedSegments recomputes the checksum that every file of a snapshot ends with,
// which scorch writes and never looks at: a bit that changes hides calls from
// searches.
func damagedSegments(ctx context.Context, r bleveindex.IndexReader) (names []string, err error) {
	snapshot, ok := r.(*scorch.IndexSnapshot)
	if !ok {
		return nil, fmt.Errorf("index reader is a %T", r)
	}
	for _, part := range snapshot.Segments() {
		file, ok := part.Segment().(segment.PersistedSegment)
		if !ok {
			continue // in memory as yet
		}
		sound, err := soundSegment(ctx, file.Path())
		switch {
		case errors.Is(err, fs.ErrNotExist): // another one has taken its place meanwhile
		case err != nil:
			return names, err
		case !sound:
			names = append(names, filepath.Base(file.Path()))
		}
	}
	return names, nil
}

// soundSegment reports whether a file of zapx is as it was written: it ends with
// the CRC-32 of everything before.
func soundSegment(ctx context.Context, path string) (sound bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	sum, want := crc32.NewIEEE(), make([]byte, crc32.Size)
	for rest := info.Size() - crc32.Size; rest > 0; rest -= segmentStretch {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if _, err := io.CopyN(sum, f, min(rest, segmentStretch)); err != nil {
			return false, err
		}
	}
	if _, err := io.ReadFull(f, want); err != nil {
		return false, err
	}
	return bytes.Equal(sum.Sum(nil), want), nil
}

func (c *checker) find(key *call.Key, detail string) {
	if len(c.findings) < maxFindings {
		c.findings = append(c.findings, call.VerifyFinding{Kind: findingKind, Key: key, Detail: detail})
	}
}

// key looks for one call of the store, and draws the sample.
func (c *checker) key(key call.Key) error {
	c.calls++
	if len(c.sample) < sampleCalls {
		c.sample = append(c.sample, key)
	} else if i := rand.IntN(c.calls); i < sampleCalls {
		c.sample[i] = key
	}
	id, err := internalID(c.reader, key)
	if err == nil && id == nil && len(c.missing) < 10*maxFindings {
		c.missing = append(c.missing, key)
	}
	return err
}

// changed are the calls that changed after the snapshot.
func (c *checker) changed() (map[call.Key]bool, error) {
	out := map[call.Key]bool{}
	since, err := appliedOf(c.reader)
	for err == nil {
		var changes []call.Change
		if changes, err = c.x.src.Changes(c.ctx, since, feedStretch); len(changes) == 0 {
			break
		}
		for _, change := range changes {
			out[change.Key], since = true, change.Seq
		}
	}
	return out, err
}

// words looks for the words of the sample, without those of calls that changed
// since the snapshot or do so meanwhile.
func (c *checker) words(changed map[call.Key]bool) error {
	absent := map[call.Key]string{}
	for _, key := range c.sample {
		if changed[key] {
			continue
		}
		field, err := c.absent(key)
		if err != nil {
			return err
		}
		if field != "" {
			absent[key] = field
		}
	}
	if len(absent) == 0 {
		return nil
	}
	changed, err := c.changed()
	if err != nil {
		return err
	}
	for key, field := range absent {
		if !changed[key] {
			c.find(&key, fmt.Sprintf("a word of field %s is not in the index", field))
		}
	}
	return nil
}

// absent looks for the rarest-looking words of one call, the longest ones, and
// for its other terms. It returns the field of one that is missing.
func (c *checker) absent(key call.Key) (string, error) {
	record, err := c.x.src.Load(c.ctx, key)
	if err != nil {
		return "", err
	}
	id, err := internalID(c.reader, key)
	if err != nil || id == nil {
		return "", err // reported already
	}
	d := newDocument(c.x.analyzer, &record.Call)
	for i := range d.fields {
		f := &d.fields[i]
		terms := make([]string, 0, len(f.terms))
		for term := range f.terms {
			terms = append(terms, term)
		}
		slices.SortFunc(terms, func(a, b string) int { return len(b) - len(a) })
		for _, term := range terms[:min(2, len(terms))] {
			if found, err := c.has(f.name, term, id); err != nil || !found {
				return f.name, err
			}
		}
	}
	return "", nil
}

func (c *checker) has(field, term string, id bleveindex.IndexInternalID) (bool, error) {
	r, err := c.reader.TermFieldReader(c.ctx, []byte(term), field, false, false, false)
	if err != nil {
		return false, err
	}
	defer r.Close()
	doc, err := r.Advance(id, nil)
	return err == nil && doc != nil && doc.ID.Equals(id), err
}
