package redact

// What is examined of a large dialogue at once, in words. Stretches overlap, and
// of what is found in one only that counts which is not too near to where it was
// cut: there, labels and the rest of a number may be missing. Two stretches in a
// row have more in common of what counts than the longest card number spoken,
// with all that may stand between its digits: maxCard times maxBetween turns of
// maxEcho words and the small words around them, which is 6,500.
const (
	stepWords    = 1 << 10
	stretchSteps = 64
	edgeSteps    = 1
	commonSteps  = 8
)

// place is where a word begins.
type place struct{ piece, at int }

func (p place) before(q place) bool { return p.piece < q.piece || p.piece == q.piece && p.at < q.at }

// places lists where every stepWords-th word begins, from the beginning of the
// dialogue to its end.
func places(texts []string) []place {
	found, words := []place{{}}, 0
	for p, text := range texts {
		for i := 0; i < len(text); {
			start, c := i, classes[text[i]]
			if c == classHigh {
				c, i = classifyRune(text, i)
			}
			switch c {
			case classLetter:
				_, i = word(text, start)
			case classDigit:
				for i = start; i < len(text); {
					_, n := digit(text[i:])
					if n == 0 {
						break
					}
					i += n
				}
			case classHigh:
				i = masked(text, start)
			default:
				i = max(i, start+1)
				continue
			}
			if words++; words%stepWords == 0 {
				found = append(found, place{p, start})
			}
		}
	}
	return append(found, place{len(texts), 0})
}

// stretches examines a large dialogue in parts, so that it takes no more memory
// than one of them.
func stretches(texts []string, speakers []int) []span {
	at := places(texts)
	last := len(at) - 1
	d := dialogue{stretch: last > stretchSteps}
	var hidden []span
	for from := 0; ; from += stretchSteps - 2*edgeSteps - commonSteps {
		to := min(from+stretchSteps, last)
		first, end := at[from], at[to] // of the stretch
		low, high := first, end        // of what counts
		if from > 0 {
			low = at[from+edgeSteps]
		}
		if to < last {
			high = at[to-edgeSteps]
		}
		var parts []string
		for p := first.piece; p < len(texts) && (place{p, 0}).before(end); p++ {
			part := texts[p]
			if p == end.piece {
				part = part[:end.at]
			}
			if p == first.piece {
				part = part[first.at:]
			}
			parts = append(parts, part)
		}
		for _, s := range d.examine(parts, speakers[first.piece:first.piece+len(parts)]) {
			if s.piece == 0 {
				s.start, s.end = s.start+int32(first.at), s.end+int32(first.at)
			}
			s.piece += int32(first.piece)
			if in := (place{int(s.piece), int(s.start)}); !in.before(low) && in.before(high) {
				hidden = append(hidden, s)
			}
		}
		if to == last {
			return hidden
		}
	}
}
