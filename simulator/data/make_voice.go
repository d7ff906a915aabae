//go:build ignore

// This program makes voice.mp3, the frames of which recordings are composed:
//
//	go run make_voice.go > voice.mp3
//
// It needs the encoder lame. One silent frame comes first, then for each of two
// voices eight vowels of four frames.
package main

import (
	"bytes"
	"encoding/binary"
	"log"
	"math"
	"os"
	"os/exec"
)

const (
	rate    = 8000
	samples = 576 // per frame
	size    = 72  // bytes per frame at 8 kbit/s
)

// formants of eight vowels, in Hz.
var formants = [8][3]float64{{730, 1090, 2440}, {270, 2290, 3010}, {300, 870, 2240}, {530, 1840, 2480},
	{660, 1720, 2410}, {570, 840, 2410}, {440, 1020, 2240}, {490, 1350, 1690}}

// vowel is four frames of a voice's pitch, shaped by formants.
func vowel(pitch float64, formants [3]float64) []float64 {
	out := make([]float64, 4*samples)
	loudest := 0.0
	for h := 1; pitch*float64(h) <= 3600 && h < 20; h++ {
		frequency := pitch * float64(h)
		amplitude := 0.03 / float64(h)
		for k, formant := range formants {
			d := (frequency - formant) / (90 + 40*float64(k))
			amplitude += math.Exp(-d*d) / float64(k+1)
		}
		for i := range out {
			t := float64(i) / rate
			envelope := math.Sqrt(math.Sin(math.Pi * float64(i) / float64(len(out))))
			out[i] += amplitude * envelope * math.Sin(2*math.Pi*frequency*t*(1-0.06*t)+float64(h*h))
			loudest = max(loudest, math.Abs(out[i]))
		}
	}
	for i := range out {
		out[i] *= 0.6 / loudest
	}
	return out
}

func main() {
	var sound []float64
	silence := func(frames int) { sound = append(sound, make([]float64, frames*samples)...) }
	silence(4)
	for _, pitch := range []float64{205, 118} {
		for _, f := range formants {
			sound = append(sound, vowel(pitch, f)...)
			silence(2)
		}
	}
	silence(4)
	var pcm bytes.Buffer
	for _, x := range sound {
		if err := binary.Write(&pcm, binary.LittleEndian, int16(x*32000)); err != nil {
			log.Fatal(err)
		}
	}
	lame := exec.Command("lame", "--quiet", "-r", "--bitwidth", "16", "--signed", "--little-endian", "-s", "8", "-m", "m",
		"--nores", "-t", "-b", "8", "--cbr", "--resample", "8", "-", "-")
	lame.Stdin, lame.Stderr = &pcm, os.Stderr
	encoded, err := lame.Output()
	if err != nil {
		log.Fatal(err)
	}
	out := append([]byte(nil), encoded[2*size:3*size]...)
	for n := range 16 {
		at := (4 + 6*n + 1) * size // the encoder delays by about one frame
		out = append(out, encoded[at:at+4*size]...)
	}
	if _, err := os.Stdout.Write(out); err != nil {
		log.Fatal(err)
	}
}
