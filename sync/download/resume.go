package download

import (
	"context"
	"net/http"
	"regexp"
	"strconv"

	"callsyncd/call"
)

// ask makes the request for a recording, for the rest of it when have is the
// beginning. An answer that is not beyond doubt the rest of the same bytes, and
// not the whole either, is put away, and the whole is asked for. It returns what
// the answer goes on from: have, or nothing.
func (c *Client) ask(ctx context.Context, raw string, have call.MediaPart) (*http.Response, call.MediaPart, error) {
	if have.Bytes <= 0 || have.Bytes >= have.TotalBytes || !isStrong(have.ETag) {
		have = call.MediaPart{}
	}
	response, err := c.follow(ctx, raw, have)
	switch {
	case err != nil || have.Bytes == 0:
		return response, have, err
	case goesOn(response, have):
		return response, have, nil
	case isWhole(response, have), isFailure(response.StatusCode):
		return response, call.MediaPart{}, nil
	}
	_ = response.Body.Close()
	c.log.Debug("recording host does not go on where asked, beginning anew", "host", response.Request.URL.Host, "status", response.StatusCode)
	response, err = c.follow(ctx, raw, call.MediaPart{})
	return response, call.MediaPart{}, err
}

// goesOn reports whether an answer is the rest of exactly the bytes at hand.
func goesOn(response *http.Response, have call.MediaPart) bool {
	if response.StatusCode != http.StatusPartialContent || !isPlain(encodingOf(response)) || strongETag(response.Header) != have.ETag {
		return false
	}
	from, to, total, ok := contentRange(response.Header.Get("Content-Range"))
	if !ok || from != have.Bytes || total != have.TotalBytes || to != total-1 {
		return false
	}
	return response.ContentLength < 0 || response.ContentLength == total-from
}

// isWhole reports whether an answer to a request for a part can be nothing but
// the whole recording: of the known length, or another file.
func isWhole(response *http.Response, have call.MediaPart) bool {
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Range") != "" {
		return false
	}
	tag := strongETag(response.Header)
	return response.ContentLength == have.TotalBytes || tag != "" && tag != have.ETag
}

// isFailure tells an answer about the link or the host from one about the range.
func isFailure(status int) bool {
	return status >= http.StatusBadRequest && status != http.StatusRequestedRangeNotSatisfiable && status != http.StatusPreconditionFailed
}

var rangePattern = regexp.MustCompile(`^bytes (\d{1,18})-(\d{1,18})/(\d{1,18})$`)

func contentRange(header string) (from, to, total int64, ok bool) {
	m := rangePattern.FindStringSubmatch(header)
	if m == nil {
		return 0, 0, 0, false
	}
	var n [3]int64
	for i := range n {
		n[i], _ = strconv.ParseInt(m[i+1], 10, 64) // 18 digits always fit
	}
	return n[0], n[1], n[2], true
}

// strongETag is the entity tag of an answer, if it is one that stands for the
// very bytes.
func strongETag(h http.Header) string {
	if tag := h.Get("ETag"); isStrong(tag) {
		return tag
	}
	return ""
}

func isStrong(tag string) bool {
	return len(tag) > 2 && tag[0] == '"' && tag[len(tag)-1] == '"'
}
