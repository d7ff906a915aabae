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
	// Accept, which may be nil, decides about a whole recording before it is
	// kept, by the length of its audio (nil when unknown) and its hash in hex.
	Accept func(seconds *float64, sha256 string) bool
	// FromBytes is where the body goes on in a recording whose beginning is on
	// disk; 0 when the body is the whole of it.
	FromBytes int64
}

// MediaPart is the beginning of a recording whose transfer broke off. The zero
// value means that there is none.
type MediaPart struct {
	Bytes, TotalBytes int64
	ETag              string
}
