package endtoend

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// bodies are attacks 44 to 46: what an answer is made of.
func bodies() []attack {
	bomb := zip([]byte(`{"calls":[],"total":0,"x":"` + strings.Repeat("0", 30<<20) + `"}`))
	const empty = `{"calls":[],"total":0,"limit":100}`
	rows := []attack{
		listing(44, "gzip_bomb", gzipped(bomb), "grows suspiciously"),
		listing(44, "nested_gzip", gzipped(zip(zip([]byte(empty)))), "not UTF-8"),
		listing(44, "gzip_by_name_only", gzipped([]byte(empty)), "corrupt"),
		listing(44, "gzip_named_twice", encoded("gzip, gzip", zip(zip([]byte(empty)))), "compressed in a way we did not ask for"),
		listing(44, "brotli", encoded("br", []byte(empty)), "compressed in a way we did not ask for"),
		audio(44, "gzip_audio", "stored", gzipped(zip(sound(2)))),
		audio(44, "gzip_bomb_audio", "pending not_audio", gzipped(zip(make([]byte, 8<<20)))),
		audio(44, "nested_gzip_audio", "pending not_audio", gzipped(zip(zip(bytes.Repeat([]byte("x"), 4<<20))))),
		listing(45, "endless_chunks", func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"calls":[`, " ") }, "larger than 16 MiB"),
		listing(45, "shorter_than_announced", raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(empty)+10, empty)), "unexpected EOF"),
		listing(45, "connection_closed", raw("HTTP/1.1 200 OK\r\n\r\n"+empty[:20]), "answer is not JSON"),
		listing(45, "broken_chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"+canaryToken), "temporary failure"),
		listing(45, "nothing_at_all", raw(""), "EOF"),
		listing(45, "huge_header", raw("HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("a", 1<<20)+"\r\n\r\n"), "temporary failure"),
		{
			number: 45, name: "longer_than_announced", most: 60,
			do: func(r *rogue) {
				r.one = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				r.list = func(w http.ResponseWriter, req *http.Request, _ int) {
					raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\n\r\n%s", len(empty), empty, canaryToken))(w, req)
				}
			},
			check: believed(0),
		},
		audio(45, "audio_cut", "pending truncated", raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 1<<20, sound(2)))),
		audio(45, "audio_of_three_gigabytes", "pending refused", raw("HTTP/1.1 200 OK\r\nContent-Length: 3221225472\r\n\r\nRIFF")),
		{number: 45, name: "endless_audio", elsewhere: "sync/download TestBody"},
		{number: 45, name: "endless_everything_at_once", elsewhere: "internal/endtoend TestHostileVendorsStaySmall"},
		{number: 45, name: "audio_drop_by_drop", elsewhere: "sync/download TestTransferTime"},
	}
	return append(rows, giants()...)
}

// giants are attack 46. The server counts what it got rid of.
func giants() []attack {
	deep := strings.Repeat("[", 1_000_000)
	return []attack{
		listing(46, "five_gigabytes", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5368709120")
			endless(w, `{"calls":[`, `{"uuid":"x"},`)
		}, "larger than 16 MiB"),
		listing(46, "depth_of_a_million", text(`{"calls":[`+deep), "nested deeper than"),
		listing(46, "million_items", text(`{"calls":[`+strings.Repeat(`{"uuid":"x"},`, 1_000_000)+`{}]}`), "more than 500000 values"),
		listing(46, "million_empty_items", text(`{"calls":[`+strings.Repeat(`{},`, 1_000_000)+`{}]}`), "more than 500000 values"),
		listing(46, "text_of_a_gigabyte", func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"calls":[{"uuid":"`, "x") }, "larger than 16 MiB"),
		listing(46, "number_of_a_megabyte", text(`{"calls":[{"uuid":"a","duration":`+strings.Repeat("9", 1<<20)+`}]}`), "a number of more than"),
		listing(46, "same_key_a_thousand_times", text(`{`+strings.Repeat(`"calls":[],`, 1000)+`"calls":7}`), "no array at"),
		{
			number: 46, name: "forty_megabytes_of_good_calls", most: 60,
			do: func(r *rogue) {
				for i := range 100 {
					r.add(fmt.Sprintf("call-%d", i), map[string]any{"notes": strings.Repeat("tea ", 100<<10)})
				}
			},
			check: believed(100),
		},
		{
			number: 46, name: "one_call_of_twenty_megabytes", most: 60,
			do: func(r *rogue) {
				for i := range 8 {
					r.add(fmt.Sprintf("call-%d", i), nil)
				}
				r.add("giant", map[string]any{"notes": strings.Repeat("tea ", 5<<20)})
			},
			check: suspicious(8, "are too large"),
		},
		{
			number: 46, name: "twenty_thousand_turns", most: 60,
			do: func(r *rogue) {
				r.add("a", map[string]any{"transcript": strings.Repeat("Agent: hello there\nUser: good day\n", 10_000)})
			},
			check: believed(1),
		},
	}
}

// listing is a list that is answered like this and must not be believed.
func listing(number int, name string, answer handler, says string) attack {
	return attack{
		number: number, name: name,
		do: func(r *rogue) {
			r.list = answer.page()
		},
		check: suspicious(0, says),
	}
}

// audio is a recording that is answered like this.
func audio(number int, name, state string, answer handler) attack {
	row := attack{
		number: number, name: name,
		do: func(r *rogue) {
			r.add("a", nil)
			r.media = answer
		},
		check: unrecorded("a", state),
	}
	if state == "stored" {
		row.check = storedAs("a")
	}
	return row
}

// handler is an answer, for whatever is asked.
type handler func(http.ResponseWriter, *http.Request)

func text(body string) handler {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func gzipped(body []byte) handler { return encoded("gzip", body) }

func encoded(encoding string, body []byte) handler {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", encoding)
		_, _ = w.Write(body)
	}
}

// raw answers byte for byte and closes the connection.
func raw(answer string) handler {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, answer)
		_ = conn.Close()
	}
}

// endless writes until nobody takes it any more.
func endless(w io.Writer, beginning, more string) {
	if _, err := io.WriteString(w, beginning); err != nil {
		return
	}
	block := bytes.Repeat([]byte(more), 64<<10/len(more)+1)
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// answersOnce fails the first time and is good from then on.
func answersOnce(r *rogue, first handler) {
	asked := 0
	r.list = func(w http.ResponseWriter, req *http.Request, _ int) {
		if asked++; asked == 1 {
			first(w, req)
			return
		}
		answerJSON(w, r.page(req))
	}
}

// page makes a list of an answer.
func (h handler) page() func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, _ int) { h(w, r) }
}
