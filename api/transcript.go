package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callsyncd/call"
)

const (
	formatJSON = "json"
	formatText = "txt"
	formatVTT  = "vtt"
	formatSRT  = "srt"
)

// transcriptTypes are the media types of the formats.
var transcriptTypes = map[string]string{
	formatJSON: "application/json",
	formatText: "text/plain; charset=utf-8",
	formatVTT:  "text/vtt; charset=utf-8",
	formatSRT:  "application/x-subrip; charset=utf-8",
}

// transcript is the JSON form.
type transcript struct {
	Key        call.Key    `json:"key"`
	Transcript []call.Turn `json:"transcript" nullable:"false"`
}

func (s *server) registerTranscript(op huma.Operation) {
	content := map[string]*huma.MediaType{}
	for format, media := range transcriptTypes {
		content[media] = &huma.MediaType{Schema: text()}
		if format == formatJSON {
			content[media].Schema = schemaOf[transcript](s.huma)
		}
	}
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Headers: etagHeader, Content: content}, "304": unchanged}
	registerStream(s, op, s.transcript)
}

func (s *server) transcript(ctx context.Context, in *keyInput) (func(http.ResponseWriter, *http.Request), error) {
	record, err := load(ctx, in, s.Store.Load)
	if err != nil {
		return nil, err
	}
	c := &record.Call
	if len(c.Transcript) == 0 {
		return nil, newProblem(http.StatusNotFound, "this call has no transcript: %s", partWords(&record.Parts.Transcript))
	}
	format := in.format
	if format == "" {
		format = formatJSON
	}
	body, err := render(c, format)
	if err != nil {
		return nil, err
	}
	return tagged(transcriptTypes[format], body), nil
}

// render writes the transcript of c in one of the formats. Subtitles need at
// least one time; without any it answers a problem.
func render(c *call.Call, format string) ([]byte, error) {
	if format == formatJSON {
		return encode(transcript{c.Key, c.Transcript})
	}
	if format == formatText {
		return []byte(plainText(c.Transcript)), nil
	}
	cues := cuesOf(c)
	if cues == nil {
		return nil, newProblem(http.StatusNotFound, "the vendor gave no times for this transcript, so there are no subtitles; ask for format=txt")
	}
	if format == formatSRT {
		return []byte(subRip(cues)), nil
	}
	return []byte(webVTT(cues)), nil
}

// speakerOf is the name a reader sees: the vendor's label, else our word.
func speakerOf(t *call.Turn) string {
	if t.Label != nil && oneLine(*t.Label) != "" {
		return oneLine(*t.Label)
	}
	return string(t.Speaker)
}

// oneLine replaces every run of white space, line ends above all, by a space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func plainText(turns []call.Turn) string {
	var b strings.Builder
	for i := range turns {
		t := &turns[i]
		if t.StartSeconds != nil {
			fmt.Fprintf(&b, "[%s] ", clock(*t.StartSeconds, "", false))
		}
		fmt.Fprintf(&b, "%s: %s\n", speakerOf(t), oneLine(t.Text))
	}
	return b.String()
}

// cue is a turn with both of its times, in seconds.
type cue struct {
	start, end    float64
	speaker, text string
}

// cuesOf orders the turns by start and gives each an end after its start: its
// own, else the start of the next, else a guess from the length of the text.
// It returns nil when no turn has a start.
func cuesOf(c *call.Call) []cue {
	var cues []cue
	timed, last := false, 0.0
	for i := range c.Transcript {
		t := &c.Transcript[i]
		q := cue{start: last, speaker: speakerOf(t), text: oneLine(t.Text)}
		if t.StartSeconds != nil {
			q.start, timed = max(*t.StartSeconds, 0), true
		}
		if t.EndSeconds != nil {
			q.end = *t.EndSeconds
		}
		last = max(q.start, q.end)
		cues = append(cues, q)
	}
	if !timed {
		return nil
	}
	slices.SortStableFunc(cues, func(a, b cue) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	for i := range cues {
		q := &cues[i]
		if q.end > q.start {
			continue
		}
		q.end = q.start + max(1, float64(len(q.text))/15)
		if i+1 < len(cues) && cues[i+1].start > q.start {
			q.end = min(q.end, cues[i+1].start)
		}
	}
	return cues
}

// markup escapes text for WebVTT, which reads tags.
var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func webVTT(cues []cue) string {
	var b strings.Builder
	b.WriteString("WEBVTT\n")
	for _, q := range cues {
		fmt.Fprintf(&b, "\n%s --> %s\n<v %s>%s\n", clock(q.start, ".", true), clock(q.end, ".", true), markup.Replace(q.speaker), markup.Replace(q.text))
	}
	return b.String()
}

func subRip(cues []cue) string {
	var b strings.Builder
	for i, q := range cues {
		text := strings.ReplaceAll(q.speaker+": "+q.text, "-->", "->")
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s\n\n", i+1, clock(q.start, ",", true), clock(q.end, ",", true), text)
	}
	return b.String()
}

// clock writes seconds as hh:mm:ss, with milliseconds after point when exact.
func clock(seconds float64, point string, exact bool) string {
	ms := time.Duration(seconds * float64(time.Second)).Round(time.Millisecond).Milliseconds()
	text := fmt.Sprintf("%02d:%02d:%02d", ms/3600000, ms/60000%60, ms/1000%60)
	if exact {
		text += fmt.Sprintf("%s%03d", point, ms%1000)
	}
	return text
}
