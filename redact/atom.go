package redact

// atom is a digit or a few that were written or said as one: "4111", "four",
// "double four", "forty-one hundred".
type atom struct {
	first, last int // tokens
	piece       int
	lo, hi      int // digits, in dialogue.digits
	// block is set for numerals.
	block bool
	// formatted is set for parts of phone numbers, dates and amounts.
	formatted bool
	// maybe is set when the atom is a digit in some readings only.
	maybe reading
	// taken is set once the atom is part of a card number.
	taken bool
}

func (a *atom) len() int { return a.hi - a.lo }

// reading is a set of ambiguities that are decided against being digits.
type reading uint8

const (
	// homophones: "for" and "to" are no digits.
	homophones reading = 1 << iota
	// counts: in "next four", "four" is no digit.
	counts
)

// join finds the atoms of piece p.
func (d *dialogue) join(p int) {
	piece := &d.pieces[p]
	piece.atoms = len(d.atoms)
	for i := piece.tokens; i < piece.endToken; {
		a := atom{first: i, last: i, piece: p, lo: len(d.digits), block: d.tokens[i].kind&kindBlock != 0}
		if !d.number(&a, piece) {
			i++
			continue
		}
		d.doubt(&a, piece)
		i = a.last + 1
		d.atoms = append(d.atoms, a)
	}
	piece.endAtom = len(d.atoms)
	d.markFormatted(d.atoms[piece.atoms:])
}

// next returns the token after i when only spaces and hyphens lie between
// them and it has one of the kinds.
func (d *dialogue) next(i int, kinds kind, p *piece) *token {
	if i+1 >= p.endToken {
		return nil
	}
	if t := &d.tokens[i+1]; t.kind&kinds != 0 && t.gap&^(gapSpace|gapHyphen) == 0 {
		return t
	}
	return nil
}

// number reads the atom that begins at a.first, if one does.
func (d *dialogue) number(a *atom, p *piece) bool {
	t := &d.tokens[a.first]
	switch {
	case t.kind&kindBlock != 0:
		a.lo, a.hi = int(t.lo), int(t.lo+t.n)
		if t.gap == 0 && t.n == 1 && a.first > p.tokens && d.tokens[a.first-1].kind&kindCodeName != 0 {
			t.kind |= kindFiller // cvv2
			return false
		}
	case t.kind&kindUnit != 0, t.kind&kindHomophone != 0 && d.amongDigits(a.first, p):
		if plural := d.next(a.first, kindPlural, p); plural != nil && t.val > 1 {
			return d.repeat(a, t.val, plural.val)
		}
		d.digits = append(d.digits, t.val)
	case t.kind&kindTeen != 0:
		d.digits = append(d.digits, 1, t.val-10)
	case t.kind&kindTens != 0:
		d.tens(a, t.val, p)
	case t.kind&kindRepeat != 0:
		single := d.next(a.first, kindUnit|kindBlock, p)
		switch {
		case single == nil || single.kind&kindBlock != 0 && single.n != 1:
			return false
		case single.kind&kindBlock != 0:
			return d.repeat(a, t.val, d.digits[single.lo])
		}
		return d.repeat(a, t.val, single.val)
	default:
		return false
	}
	if !a.block {
		d.hundreds(a, p)
		a.hi = len(d.digits)
	}
	return !d.counting(a, p)
}

// amongDigits reports whether a number word, or what may be one, is next to token i.
func (d *dialogue) amongDigits(i int, p *piece) bool {
	if d.next(i, kindSpoken, p) != nil {
		return true
	}
	if i == p.tokens || d.tokens[i].gap&^gapSpace != 0 {
		return false
	}
	before := &d.tokens[i-1]
	return before.kind&kindSpoken != 0 || before.maybe&homophones != 0
}

// repeat makes a of its token and the next one: times digits of value v.
func (d *dialogue) repeat(a *atom, times, v uint8) bool {
	for range times {
		d.digits = append(d.digits, v)
	}
	a.last, a.hi, a.block = a.first+1, len(d.digits), false
	return true
}

// tens reads "forty" and "forty-one".
func (d *dialogue) tens(a *atom, val uint8, p *piece) {
	unit := uint8(0)
	if t := d.next(a.last, kindUnit, p); t != nil && t.val > 0 {
		unit = t.val
		a.last++
	}
	d.digits = append(d.digits, val/10, unit)
}

// hundreds reads "hundred", with what follows up to 99, or "thousand".
func (d *dialogue) hundreds(a *atom, p *piece) {
	switch {
	case d.next(a.last, kindThousand, p) != nil:
		a.last++
		d.digits = append(d.digits, 0, 0, 0)
	case d.next(a.last, kindHundred, p) != nil:
		a.last++
		rest, mark := *a, len(d.digits)
		if t := d.next(rest.last, kindTeen|kindTens, p); t != nil {
			rest.last++
			if t.kind&kindTeen != 0 {
				d.digits = append(d.digits, 1, t.val-10)
			} else {
				d.tens(&rest, t.val, p)
			}
			if d.next(rest.last, kindHundred|kindThousand, p) == nil {
				*a = rest
				return
			}
		}
		d.digits = append(d.digits[:mark], 0, 0)
	}
}

// counting reports whether the number counts digits or moments and is none.
func (d *dialogue) counting(a *atom, p *piece) bool {
	t := &d.tokens[a.last]
	counts := a.len() <= 2 && d.next(a.last, kindDigits, p) != nil
	pause := t.kind&kindUnit != 0 && t.val == 1 && d.next(a.last, kindPause, p) != nil
	if !counts && !pause {
		return false
	}
	for k := a.first; k <= a.last; k++ {
		d.tokens[k].kind |= kindFiller
	}
	if pause {
		d.tokens[a.last+1].kind |= kindFiller
	}
	return true
}

// doubt marks atoms that are digits in some readings only.
func (d *dialogue) doubt(a *atom, p *piece) {
	t := &d.tokens[a.first]
	switch {
	case t.kind&kindHomophone != 0:
		a.maybe = homophones
	case a.len() == 1 && a.first > p.tokens && d.tokens[a.first-1].kind&kindOrdinal != 0 && t.gap&^(gapSpace|gapHyphen) == 0:
		a.maybe = counts
	}
	if a.maybe != 0 {
		for k := a.first; k <= a.last; k++ {
			d.tokens[k].maybe = a.maybe
		}
	}
}

// markFormatted marks the atoms of one piece that belong to a phone number, a date
// or an amount.
func (d *dialogue) markFormatted(atoms []atom) {
	for i := 0; i < len(atoms); {
		end := i + 1
		for end < len(atoms) && d.tight(&atoms[end-1], &atoms[end]) {
			end++
		}
		chain := atoms[i:end]
		if d.shaped(chain) || d.signed(&chain[0]) {
			for k := range chain {
				chain[k].formatted = true
			}
		}
		i = end
	}
}

// tight reports whether one hyphen, dot or comma joins the blocks a and b, or a
// bracket and a space as in "(412) 555-0123".
func (d *dialogue) tight(a, b *atom) bool {
	if !a.block || !b.block || b.first != a.last+1 {
		return false
	}
	s, t := &d.tokens[a.last], &d.tokens[b.first]
	switch t.start - s.end {
	case 1:
		return t.gap&^(gapHyphen|gapDot|gapComma) == 0
	case 2:
		return t.gap == gapComma|gapSpace && d.pieces[a.piece].text[s.end] == ')'
	}
	return false
}

// shaped recognises phone numbers, dates and amounts by their groups.
func (d *dialogue) shaped(chain []atom) bool {
	n := len(chain)
	if n < 2 {
		return false
	}
	sizes := make([]int, min(n, 5))
	for i := range sizes {
		sizes[i] = chain[i].len()
	}
	is := func(want ...int) bool {
		if n != len(want) {
			return false
		}
		for i, w := range want {
			if sizes[i] != w && (w != 2 || sizes[i] != 1) {
				return false
			}
		}
		return true
	}
	switch join := d.tokens[chain[1].first].gap; {
	case join&gapComma != 0 && sizes[0] <= 3 && n <= 4: // 4,111
		for _, a := range chain[1:] {
			if a.len() != 3 {
				return join&gapSpace != 0 // (412) 555-0123
			}
		}
		return true
	case join == gapDot && n == 2 && sizes[0] <= 9 && sizes[1] <= 2: // 4.11
		return true
	}
	return is(3, 4) || is(3, 3, 4) || is(2, 3, 3, 4) || is(2, 2, 4) || is(4, 2, 2) || is(2, 2, 2)
}

// signed reports a currency sign, or a plus and no more digits than a phone
// number may have, before a.
func (d *dialogue) signed(a *atom) bool {
	t := &d.tokens[a.first]
	if t.start == 0 {
		return false
	}
	switch d.pieces[a.piece].text[t.start-1] {
	case '$':
		return true
	case '+':
		return a.len() <= 15
	}
	return t.gap == gapMoney
}
