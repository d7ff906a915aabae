package redact

import "slices"

// label is what the nearest telling word says a number is.
type label uint8

const (
	unlabelled label = iota
	cardLabel
	otherLabel
)

// How far from a number a label may stand, in words.
const (
	cardBefore, cardAfter   = 25, 8
	otherBefore, otherAfter = 10, 4
)

// label finds the label nearest to a run, tokens first to last; on a tie, cards
// win. Other numbers' labels count only when no number stands in between, and
// after the number only when linked to it, as in "1234 is the order number".
func (d *dialogue) label(first, last int) label {
	found, nearest := unlabelled, int32(cardBefore+1)
	try := func(t *token, distance, card, other int32) bool {
		switch {
		case distance >= nearest || distance > card:
			return false
		case t.kind&kindCard != 0:
			found, nearest = cardLabel, distance
		case t.kind&kindOther != 0 && distance <= other:
			found, nearest = otherLabel, distance
		}
		return true
	}
	reach := int32(otherBefore)
	for k := first - 1; k >= 0; k-- {
		t := &d.tokens[k]
		if t.kind&kindDigit != 0 && t.kind&kindFiller == 0 && !t.glued {
			reach = 0
		}
		if !try(t, d.tokens[first].word-t.word, cardBefore, reach) {
			break
		}
	}
	if found == otherLabel {
		nearest++ // a card as near wins
	}
	reach = 0
	end := d.pieces[d.pieceOf(last)].endToken
	for k := last + 1; k < len(d.tokens); k++ {
		t := &d.tokens[k]
		if !try(t, t.word-d.tokens[last].word, cardAfter, reach) {
			break
		}
		switch linked := k < end && t.kind&kindLink != 0 && t.gap&(gapHard|gapDot) == 0; {
		case linked && k == last+1:
			reach = otherAfter
		case !linked:
			reach = 0
		}
	}
	return found
}

// fit is how a window of digits lies in its run.
type fit uint8

const (
	part  fit = iota // equal groups go on beyond an end
	whole            // it ends where the grouping changes
	alone            // it ends where the run or a turn ends
)

// examiner looks for card numbers in one run.
type examiner struct {
	d      *dialogue
	run    []int
	digits []byte
	starts []int // where each atom begins in digits, and the end
	label  label
}

// cards hides the card numbers of a run. In a run across speakers only those
// count that are certain and labelled as cards.
func (d *dialogue) cards(run []int, acrossSpeakers bool) {
	total := 0
	for _, i := range run {
		total += d.atoms[i].len()
	}
	if total < minCard {
		return
	}
	x := examiner{d: d, run: slices.Clone(run), digits: make([]byte, 0, total), starts: make([]int, 0, len(run)+1)}
	for _, i := range run {
		x.starts = append(x.starts, len(x.digits))
		x.digits = append(x.digits, d.digits[d.atoms[i].lo:d.atoms[i].hi]...)
	}
	x.starts = append(x.starts, total)
	first, last := d.atoms[run[0]].first, d.atoms[run[len(run)-1]].last
	if x.label = d.label(first, last); d.stretch && d.tokens[last].word-d.tokens[first].word >= edgeSteps*stepWords {
		x.label = cardLabel // what labels it may be in another stretch
	}
	for i := range run {
		for j := i; j < len(run) && x.starts[j+1]-x.starts[i] <= maxCard; j++ {
			if acrossSpeakers && !d.crosses(run[i], run[j]) {
				continue
			}
			x.try(i, j, acrossSpeakers)
		}
		if !acrossSpeakers {
			x.tryInside(i)
		}
	}
}

// crosses reports whether two atoms belong to different speakers.
func (d *dialogue) crosses(a, b int) bool {
	return d.pieces[d.atoms[a].piece].speaker != d.pieces[d.atoms[b].piece].speaker
}

// try examines the atoms i to j of the run.
func (x *examiner) try(i, j int, acrossSpeakers bool) {
	digits := x.digits[x.starts[i]:x.starts[j+1]]
	if len(digits) < minCard || !luhn(digits) {
		return
	}
	rank := issued(digits)
	if rank == certain && i == j && x.d.tokens[x.d.atoms[x.run[i]].first].glued {
		rank = possible
	}
	ok := x.label == cardLabel && rank == certain
	if !acrossSpeakers {
		ok = hides(rank, x.fit(i, j), x.grouping(i, j), x.label)
	}
	if ok {
		x.hide(x.starts[i], x.starts[j+1])
	}
}

// hides is the decision of the package comment about digits that pass Luhn.
func hides(rank certainty, f fit, g grouping, found label) bool {
	switch {
	case g == formatted:
	case rank == certain && g == plain && f >= whole:
		return true
	case rank == certain && (g == plain || f == alone), rank == possible && g == plain && f == alone:
		return found != otherLabel
	}
	return found == cardLabel && (rank != unlikely || g == plain && f == alone)
}

// tryInside looks for certain numbers that begin or end inside the long block
// i, where cards are spoken of: transcripts run a number and what was said
// after it together.
func (x *examiner) tryInside(i int) {
	const long = 17
	size := x.starts[i+1] - x.starts[i]
	if size < long || x.label != cardLabel {
		return
	}
	for from := x.starts[i]; from+minCard <= x.starts[i+1]; from++ {
		for to := from + minCard; to <= min(from+maxCard, x.starts[i+1]); to++ {
			digits := x.digits[from:to]
			if issued(digits) == certain && luhn(digits) {
				x.hide(from, to)
			}
		}
	}
}

// fit says how the atoms i to j lie in the run.
func (x *examiner) fit(i, j int) fit {
	side := func(edge, beyond int) fit {
		if beyond < 0 || beyond == len(x.run) {
			return alone
		}
		a, b := &x.d.atoms[x.run[edge]], &x.d.atoms[x.run[beyond]]
		switch {
		case a.piece != b.piece:
			return alone
		case a.len() == 4 && b.len() == 4, a.len() <= 2 && b.len() <= 2:
			return part
		}
		return whole
	}
	return min(side(i, i-1), side(j, j+1))
}

// grouping is how the digits of a window are grouped.
type grouping uint8

const (
	plain     grouping = iota // as cards are printed or dictated
	odd                       // otherwise
	formatted                 // in part a phone number, a date or an amount
)

func (x *examiner) grouping(i, j int) grouping {
	for _, k := range x.run[i : j+1] {
		if x.d.atoms[k].formatted {
			return formatted
		}
	}
	size := x.starts[j+1] - x.starts[i]
	if i == j || x.grouped(i, j, 4, 8, 12, 16) || size <= 15 && x.grouped(i, j, 4, 10) || size == 13 && x.grouped(i, j, 4, 7, 10) {
		return plain
	}
	return odd
}

// grouped reports whether no block of the atoms i to j lies across a bound,
// counted in digits from the start of i.
func (x *examiner) grouped(i, j int, bounds ...int) bool {
	for k := i; k <= j; k++ {
		if !x.d.atoms[x.run[k]].block {
			continue
		}
		for _, bound := range bounds {
			bound += x.starts[i]
			if x.starts[k] < bound && bound < x.starts[k+1] {
				return false
			}
		}
	}
	return true
}

// hide hides digits [start, end) of the run.
func (x *examiner) hide(start, end int) {
	k, _ := slices.BinarySearch(x.starts, start+1)
	for k--; k < len(x.run) && x.starts[k] < end; k++ {
		i, from, to := x.run[k], max(start, x.starts[k]), min(end, x.starts[k+1])
		a := &x.d.atoms[i]
		a.taken = true
		if to-from == a.len() {
			x.d.hide(a.first, a.last)
			continue
		}
		x.d.hideInside(a, from-x.starts[k], to-x.starts[k])
	}
}

// hide hides the tokens first to last.
func (d *dialogue) hide(first, last int) {
	d.hidden = append(d.hidden, span{int32(d.pieceOf(first)), d.tokens[first].start, d.tokens[last].end})
}

// hideInside hides digits [from, to) of a block.
func (d *dialogue) hideInside(a *atom, from, to int) {
	text, at := d.pieces[a.piece].text, int(d.tokens[a.first].start)
	s := span{piece: int32(a.piece)}
	for n := 0; n < to; n++ {
		if n == from {
			s.start = int32(at)
		}
		_, size := digit(text[at:])
		at += size
	}
	s.end = int32(at)
	d.hidden = append(d.hidden, s)
}

// pieceOf returns the piece of a token.
func (d *dialogue) pieceOf(tok int) int {
	p, _ := slices.BinarySearchFunc(d.pieces, tok, func(p piece, tok int) int {
		if p.endToken <= tok {
			return -1
		}
		return 1
	})
	return p
}
