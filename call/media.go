package call

// MediaExpect is what the media host said about a recording it is sending.
type MediaExpect struct {
	// SizeBytes is the Content-Length; -1 when absent.
	SizeBytes int64
	// ContentType is the claimed media type; empty when absent.
	ContentType string
	// MD5 is the decoded Content-MD5, or an ETag that is a plain MD5; nil when absent.
	MD5 []byte
}
