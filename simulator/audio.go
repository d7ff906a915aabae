package simulator

import (
	_ "embed"
	"encoding/binary"
	"math"
)

// voices holds MP3 frames made by an encoder from vowel-like tones: one silent
// frame, then for each of two voices eight syllables of four frames. Every
// frame is MPEG 2.5 layer III, mono, 8 kHz, 8 kbit/s, and decodes without its
// neighbours.
//
//go:embed data/voice.mp3
var voices []byte

const (
	frameBytes     = 72
	frameSeconds   = 0.072
	syllables      = 8
	syllableFrames = 4
)

// recording is the audio of a call.
type recording struct {
	bytes       []byte
	contentType string
	seconds     float64
}

// audio makes the recording of a call: the two voices speak when the transcript
// says they do.
func (w *world) audio(f facts) recording {
	lines := w.talk(f).turns
	voice := mix(w.seed, "voice", uint64(f.number)+uint64(f.take)<<32+uint64(f.leg)<<48)
	if f.leg > 0 {
		f.duration = w.legSeconds(f)
	}
	if w.spec.audio == "wav" {
		return wave(f, lines, voice)
	}
	return mpeg(f, lines, voice)
}

// syllable says what is heard at a moment of a conversation: the voice and the
// number of the syllable since the turn began; false for silence. Lines must be
// asked in order of time, next being the line to look at first.
func syllable(lines []turn, at float64, next *int) (voice, number int, spoken bool) {
	for *next < len(lines) && lines[*next].end <= at {
		*next++
	}
	if *next == len(lines) || at < lines[*next].start {
		return 0, 0, false
	}
	l := lines[*next]
	if !l.agent {
		voice = 1
	}
	number = int((at - l.start) / (syllableFrames * frameSeconds))
	return voice, number, number%5 != 4 // a breath after every four syllables
}

// mpeg builds an MP3: a tag with the call's ID and the frames.
func mpeg(f facts, lines []turn, seed uint64) recording {
	frames := int(math.Ceil(float64(f.duration) / frameSeconds))
	out := make([]byte, 0, 128+frames*frameBytes)
	out = append(out, tag("Call "+f.id)...)
	next := 0
	for i := range frames {
		index := 0
		if voice, n, spoken := syllable(lines, float64(i)*frameSeconds, &next); spoken {
			vowel := int(mix(seed, "vowel", uint64(next*1000+n)) % syllables)
			index = 1 + (voice*syllables+vowel)*syllableFrames + i%syllableFrames
		}
		out = append(out, voices[index*frameBytes:(index+1)*frameBytes]...)
	}
	return recording{out, "audio/mpeg", math.Round(float64(frames)*frameSeconds*1000) / 1000}
}

// tag is an ID3v2.3 tag with a title. Titles are ASCII and shorter than 100 bytes.
func tag(title string) []byte {
	frame := append([]byte{'T', 'I', 'T', '2', 0, 0, 0, byte(len(title) + 1), 0, 0, 0}, title...)
	return append([]byte{'I', 'D', '3', 3, 0, 0, 0, 0, 0, byte(len(frame))}, frame...)
}

// wave builds a WAV of 8-bit samples at 4 kHz. Pitch and vowels follow from the
// seed, so that no two calls sound the same.
func wave(f facts, lines []turn, seed uint64) recording {
	const rate = 4000
	samples := f.duration * rate
	out := make([]byte, 44, 44+samples)
	copy(out, "RIFF")
	binary.LittleEndian.PutUint32(out[4:], uint32(36+samples))
	copy(out[8:], "WAVEfmt ")
	binary.LittleEndian.PutUint32(out[16:], 16)
	binary.LittleEndian.PutUint16(out[20:], 1) // PCM
	binary.LittleEndian.PutUint16(out[22:], 1) // channels
	binary.LittleEndian.PutUint32(out[24:], rate)
	binary.LittleEndian.PutUint32(out[28:], rate) // bytes per second
	binary.LittleEndian.PutUint16(out[32:], 1)    // bytes per sample
	binary.LittleEndian.PutUint16(out[34:], 8)    // bits per sample
	copy(out[36:], "data")
	binary.LittleEndian.PutUint32(out[40:], uint32(samples))
	pitch := [2]float64{190 + float64(seed%30), 105 + float64(seed>>8%25)}
	const step = syllableFrames * frameSeconds / 32 // the sound is steady this long
	next, phase := 0, 0.0
	for i := 0; i < samples; {
		at := float64(i) / rate
		voice, n, spoken := syllable(lines, at, &next)
		until := min(samples, i+int(step*rate))
		vowel := &vowels[mix(seed, "vowel", uint64(next*1000+n))%syllables]
		for ; i < until; i++ {
			if !spoken {
				out = append(out, 128)
				continue
			}
			phase += pitch[voice] / rate * 256
			out = append(out, vowel[int(phase)&255])
		}
	}
	return recording{out, "audio/wav", float64(f.duration)}
}

// vowels are one period of each syllable's sound, as 8-bit samples.
var vowels = func() (table [syllables][256]byte) {
	for n := range table {
		for i := range table[n] {
			x := 2 * math.Pi * float64(i) / 256
			s := math.Sin(x) + 0.5*math.Sin(float64(2+n%3)*x+1) + 0.3*math.Sin(float64(4+n/2)*x)
			table[n][i] = byte(128 + 55*s)
		}
	}
	return table
}()
