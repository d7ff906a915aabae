package call

// MediaExpect is what the media host said about a recording it is sending.
type MediaExpect struct {
	// Label tells the recordings of one call apart; empty for the main one.
	Label string
	// SizeBytes is the length of the whole recording; -1 when not announced.
	SizeBytes int64
	// ContentType is the claimed media type; empty when absent.
	ContentType string
	// MD5 is the decoded Content-MD5, or an ETag that is a plain MD5; nil when absent.
	MD5 []byte
	// ETag names exactly these bytes: a strong entity tag of an answer in plain
	// encoding; empty when there is none.
	ETag string
	// EndUnproved is true when nothing tells the end of the body from a transfer
	// that broke off: neither a length nor the way of the transfer.
	EndUnproved bool
	// Accept, which may be nil, decides about a whole recording before it is kept.
	Accept func(Heard) bool
	// FromBytes is where the body goes on in a recording whose beginning is on
	// disk; 0 when the body is the whole of it.
	FromBytes int64
}

// Heard is what a recording says of itself once it came.
type Heard struct {
	// Seconds is the length of the audio; nil when unknown.
	Seconds *float64
	SHA256  string // hex
	End     FileEnd
}

// Found is a recording that was found on disk although no record names it.
type Found struct {
	Recording
	End FileEnd
}

// FileEnd is what a file says of its own end. The zero value means that it does
// not tell.
type FileEnd int

// What a file may say of its end.
const (
	EndUntold  FileEnd = iota
	EndMissing         // it announces more than it holds
	EndReached         // it holds all that it announces
)

// MediaPart is the beginning of a recording whose transfer broke off. The zero
// value means that there is none.
type MediaPart struct {
	Bytes, TotalBytes int64
	ETag              string
}
