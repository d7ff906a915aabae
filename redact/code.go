package redact

import "slices"

const (
	// codeAfter is how far after its name a security code may be, in words.
	codeAfter = 25
	// codeBefore is how far before its name a code linked to it may be.
	codeBefore = 6
	// codeAgain is how long after a code its repetition or correction may come.
	codeAgain = 60
)

// named is the name of a security code: tokens first to last.
type named struct{ first, last int }

// number is three or four digits that may be a security code.
type number struct {
	atoms       []int
	first, last int // tokens
	digits      string
}

// codes hides security codes.
func (d *dialogue) codes(chains [][]int, readings []reading) {
	names := d.codeNames()
	if len(names) == 0 {
		return
	}
	found := shortNumbers{dialogue: d, claimed: make([]bool, len(d.tokens))}
	for _, r := range readings {
		for _, chain := range chains {
			d.runs(chain, r, found.search)
		}
	}
	numbers := found.numbers
	slices.SortFunc(numbers, func(a, b number) int { return a.first - b.first })
	for _, name := range names {
		before, words := d.codeBefore(name, numbers)
		after := d.codeAfter(name, numbers, before != nothing)
		if before >= 0 && (words || after == nothing) {
			d.hideNumber(numbers[before])
		}
		if after >= 0 {
			d.hideNumber(numbers[after])
			d.codeAgain(numbers[after], numbers[after+1:])
		}
	}
}

// codeNames finds the names of security codes.
func (d *dialogue) codeNames() (found []named) {
	for i := range d.tokens {
		if first, last, ok := d.codeName(i); ok {
			found = append(found, named{first, last})
		}
	}
	return found
}

// codeName reports whether token i settles the name of a security code, and
// from where to where it goes.
func (d *dialogue) codeName(i int) (first, last int, ok bool) {
	switch t := &d.tokens[i]; {
	case t.kind&kindCodeName != 0:
		return i, i, true
	case t.kind&kindLetterV != 0: // c v v, c v c
		ok = d.beside(i, i-1, 1, kindLetterC) && d.beside(i, i+1, 1, kindLetterC|kindLetterV)
		return i - 1, i + 1, ok
	case t.kind&kindSecurity != 0:
		ok = d.beside(i, i+1, 2, kindCode|kindDigits|kindNumber) && !d.beside(i, i-1, 1, kindSocial)
		return i, i + 1, ok
	case t.kind&kindVerify != 0:
		return i, i, d.beside(i, i-1, 1, kindCard)
	case t.kind&kindDigits != 0: // three digit code
		three := d.beside(i, i-1, 1, kindDigit) && d.value(i-1) == 3
		return i, i + 1, three && d.beside(i, i+1, 1, kindCode|kindNumber|kindSecurity)
	case t.kind&kindSide != 0: // digits on the back
		if d.beside(i, i-1, 1, kindThe) && d.beside(i-1, i-2, 1, kindOn) {
			first, ok = d.counted(i - 2)
		}
		return first, i, ok
	}
	return 0, 0, false
}

// beside reports whether there is a token k of one of the kinds within words
// words of token i.
func (d *dialogue) beside(i, k int, words int32, kinds kind) bool {
	if k < 0 || k >= len(d.tokens) || d.tokens[k].kind&kinds == 0 {
		return false
	}
	distance := d.tokens[k].word - d.tokens[i].word
	return -words <= distance && distance <= words
}

// value is the value of a number word or of a single numeral.
func (d *dialogue) value(i int) uint8 {
	if t := &d.tokens[i]; t.kind&kindBlock == 0 {
		return t.val
	} else if t.n == 1 {
		return d.digits[t.lo]
	}
	return 0
}

// counted finds "three digits", "code" or "last three" shortly before token i.
func (d *dialogue) counted(i int) (first int, ok bool) {
	for k := i - 1; k >= 0 && d.tokens[i].word-d.tokens[k].word <= 6; k-- {
		switch t := &d.tokens[k]; {
		case t.kind&kindDigits != 0 && d.beside(k, k-1, 1, kindDigit):
			return k - 1, true
		case t.kind&(kindDigits|kindNumber|kindCode) != 0, t.maybe&counts != 0:
			return k, true
		}
	}
	return 0, false
}

// shortNumbers collects what may be security codes; no two overlap.
type shortNumbers struct {
	*dialogue
	numbers []number
	claimed []bool // by token
}

// search looks in a run: at all of it, else at each phrase between commas or
// turns, else at the block a phrase begins with.
func (s *shortNumbers) search(run []int) {
	if s.add(run) {
		return
	}
	from := 0
	for k := 1; k <= len(run); k++ {
		if k < len(run) && !s.parted(run[k-1], run[k]) {
			continue
		}
		phrase := run[from:k]
		if !s.add(phrase) && s.length(phrase) <= 10 && s.atoms[phrase[0]].block {
			s.add(phrase[:1])
		}
		from = k
	}
}

// add reports whether the atoms are short enough, and keeps them unless
// another reading had their words.
func (s *shortNumbers) add(atoms []int) bool {
	n, ok := s.short(atoms)
	if !ok || slices.Contains(s.claimed[n.first:n.last+1], true) {
		return ok
	}
	for k := n.first; k <= n.last; k++ {
		s.claimed[k] = true
	}
	s.numbers = append(s.numbers, n)
	return true
}

// parted reports whether a comma, a full stop, a line or turn ends between two atoms.
func (d *dialogue) parted(a, b int) bool {
	for k := d.atoms[a].last + 1; k <= d.atoms[b].first; k++ {
		if d.tokens[k].gap&(gapComma|gapDot) != 0 {
			return true
		}
	}
	return d.atoms[a].piece != d.atoms[b].piece
}

func (d *dialogue) length(atoms []int) (n int) {
	for _, i := range atoms {
		n += d.atoms[i].len()
	}
	return n
}

// short makes a number of atoms with three or four digits.
func (d *dialogue) short(atoms []int) (number, bool) {
	if n := d.length(atoms); n < 3 || n > 4 {
		return number{}, false
	}
	n := number{atoms: slices.Clone(atoms), first: d.atoms[atoms[0]].first, last: d.atoms[atoms[len(atoms)-1]].last}
	for _, i := range atoms {
		a := &d.atoms[i]
		if a.formatted || a.taken || d.tokens[a.first].glued || d.slashed(a.first) || d.slashed(a.last+1) {
			return number{}, false
		}
		n.digits += string(d.digits[a.lo:a.hi])
	}
	return n, !d.beside(n.last, n.last+1, 1, kindMeasure)
}

// slashed reports whether one sign, as in 09:30 or 12/2027, joins token i to the
// block before it.
func (d *dialogue) slashed(i int) bool {
	if i == 0 || i == len(d.tokens) || d.tokens[i].gap != gapOther {
		return false
	}
	s, t := &d.tokens[i-1], &d.tokens[i]
	return s.kind&t.kind&kindBlock != 0 && t.start-s.end == 1
}

// Answers of codeBefore and codeAfter that are no index into the numbers.
const (
	nothing = -1
	already = -2 // it is hidden already
)

// codeBefore finds the number that is linked to the name after it, and reports
// whether by words.
func (d *dialogue) codeBefore(name named, numbers []number) (found int, words bool) {
	for k := name.first - 1; k >= 0 && d.linked(k, k+1) && d.tokens[name.first].word-d.tokens[k].word <= codeBefore; k-- {
		if d.tokens[k].kind&kindMasked != 0 {
			return already, words
		}
		i, ok := slices.BinarySearchFunc(numbers, k, func(n number, k int) int { return n.last - k })
		switch {
		case ok && d.called(numbers[i].first, -1):
			return nothing, false
		case ok:
			return i, words
		case d.tokens[k].kind&kindLink == 0:
			return nothing, false
		}
		words = true
	}
	return nothing, false
}

// linked reports whether only spaces and light punctuation lie between tokens
// a and b of one piece.
func (d *dialogue) linked(a, b int) bool {
	return d.pieceOf(a) == d.pieceOf(b) && d.tokens[b].gap&gapHard == 0
}

// codeAfter finds the first number after the name, linked to it or anywhere
// within reach.
func (d *dialogue) codeAfter(name named, numbers []number, linked bool) int {
	for k := name.last + 1; k < len(d.tokens) && d.tokens[k].word-d.tokens[name.last].word <= codeAfter; k++ {
		if d.tokens[k].kind&kindMasked != 0 {
			return already
		}
		if linked && (d.tokens[k].gap&gapHard != 0 || d.tokens[k].kind&(kindLink|kindDigit) == 0) {
			return nothing
		}
		i, ok := slices.BinarySearchFunc(numbers, k, func(n number, k int) int { return n.first - k })
		if ok && !d.called(k, name.last) {
			return i
		}
	}
	return nothing
}

// called reports whether words between token after and the number at token k
// call it something else.
func (d *dialogue) called(k, after int) bool {
	p := d.pieceOf(k)
	for j := k - 1; j > after && d.tokens[k].word-d.tokens[j].word <= 5; j-- {
		switch t := &d.tokens[j]; {
		case t.kind&kindDigit != 0 && t.kind&kindFiller == 0:
			return false // what is before belongs to that number
		case t.kind&(kindOther|kindExpiry) != 0 && d.pieceOf(j) == p:
			return true
		}
	}
	return false
}

// codeAgain hides the numbers soon after code that repeat or correct it.
func (d *dialogue) codeAgain(code number, later []number) {
	for _, n := range later {
		if d.tokens[n.first].word-d.tokens[code.last].word > codeAgain {
			return
		}
		corrected := false
		for k := code.last + 1; k < n.first && d.tokens[n.first].word-d.tokens[code.last].word <= 10; k++ {
			corrected = corrected || d.tokens[k].kind&kindCorrection != 0
		}
		if corrected || n.digits == code.digits {
			d.hideNumber(n)
		}
	}
}

func (d *dialogue) hideNumber(n number) {
	for _, i := range n.atoms {
		d.hide(d.atoms[i].first, d.atoms[i].last)
	}
}
