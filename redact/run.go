package redact

const (
	// maxFillers bounds the small words between two digits of one number.
	maxFillers = 6
	// maxTail bounds those at the end of a turn, and those before the number
	// goes on in a later one.
	maxTail = 10
	// maxInterruption is the longest interruption by others, in words, unless
	// it consists of digits and small words; then it is maxEcho.
	maxInterruption = 6
	maxEcho         = 40
	// maxBetween bounds the turns of others within one number, in a row.
	maxBetween = 8
)

// chains groups the pieces into sequences in which one number may go on: all
// pieces of one speaker with only short interruptions between them.
func (d *dialogue) chains() [][]int {
	var found [][]int
	open := map[int]int{} // speaker -> index in found
	for p := range d.pieces {
		speaker := d.pieces[p].speaker
		at, ok := open[speaker]
		if ok && d.goesOn(found[at][len(found[at])-1], p) {
			found[at] = append(found[at], p)
			continue
		}
		open[speaker] = len(found)
		found = append(found, []int{p})
	}
	return found
}

// goesOn reports whether the pieces between two of one speaker are short
// interruptions.
func (d *dialogue) goesOn(from, to int) bool {
	if to-from-1 > maxBetween {
		return false
	}
	for p := from + 1; p < to; p++ {
		between := &d.pieces[p]
		if between.words > maxInterruption && (between.plain > 0 || between.words > maxEcho) {
			return false
		}
	}
	return true
}

// everybody is the chain of all pieces.
func (d *dialogue) everybody() []int {
	all := make([]int, len(d.pieces))
	for p := range all {
		all[p] = p
	}
	return all
}

// runs calls emit with each longest row of atoms (indexes into d.atoms) that
// may be one number in the given reading. emit must not keep the row.
func (d *dialogue) runs(chain []int, r reading, emit func(run []int)) {
	var run []int
	end := func() {
		if len(run) > 0 {
			emit(run)
		}
		run = run[:0]
	}
	for _, p := range chain {
		piece := &d.pieces[p]
		from := piece.tokens // first token not yet known to continue the run
		for i := piece.atoms; i < piece.endAtom; i++ {
			a := &d.atoms[i]
			if a.maybe&r != 0 {
				continue
			}
			if !d.continues(run, a, from, r) {
				end()
			}
			run = append(run, i)
			from = a.last + 1
		}
		tail := piece.endToken - from
		if !d.small(from, piece.endToken, r) || piece.tail&gapHard != 0 || tail > maxTail {
			end()
		}
	}
	end()
}

// continues reports whether a follows on run when the tokens from from on lie
// before it in its piece.
func (d *dialogue) continues(run []int, a *atom, from int, r reading) bool {
	if len(run) == 0 || !d.small(from, a.first, r) {
		return false
	}
	prev, t := &d.atoms[run[len(run)-1]], &d.tokens[a.first]
	if prev.piece != a.piece {
		return a.first-from <= maxTail && t.gap&gapHard == 0
	}
	return a.first-from <= maxFillers && (t.gap&gapHard == 0 || d.printed(prev, a))
}

// printed reports whether any one sign joins two blocks of four, as in 4111/1111.
func (d *dialogue) printed(a, b *atom) bool {
	s, t := &d.tokens[a.last], &d.tokens[b.first]
	return a.block && b.block && a.len() == 4 && b.len() == 4 && b.first == a.last+1 &&
		t.gap&gapWord == 0 && t.start-s.end <= 3
}

// small reports whether tokens [lo, hi) may stand between digits of a number.
func (d *dialogue) small(lo, hi int, r reading) bool {
	for k := lo; k < hi; k++ {
		t := &d.tokens[k]
		if t.kind&kindFiller == 0 && t.maybe&r == 0 || t.gap&gapHard != 0 {
			return false
		}
	}
	return true
}

// readings lists the ways to read the dialogue, the one with the fewest digits
// first.
func (d *dialogue) readings() []reading {
	var doubts reading
	for i := range d.atoms {
		doubts |= d.atoms[i].maybe
	}
	all := []reading{doubts}
	for r := doubts; r != 0; {
		r = (r - 1) & doubts
		all = append(all, r)
	}
	return all
}
