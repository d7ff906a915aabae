package redact

// Shortest and longest card number, in digits.
const (
	minCard = 13
	maxCard = 19
)

// certainty is how much a prefix and length alone say for a card number.
type certainty uint8

const (
	unlikely certainty = iota
	possible
	certain
)

// issuer is a range of prefixes, compared over the first width digits.
type issuer struct {
	width, from, to int
	// usual is the length that makes a number certain, 0 for none; shortest
	// and longest bound the lengths that make it possible.
	usual, shortest, longest int
}

// issuers are in the order they are tried: narrow ranges before wide ones.
var issuers = []issuer{
	{1, 4, 4, 16, 16, 16},           // Visa
	{1, 4, 4, 0, 13, 13},            // Visa, old
	{1, 4, 4, 0, 19, 19},            // Visa, long
	{2, 51, 55, 16, 16, 16},         // Mastercard
	{4, 2221, 2720, 16, 16, 16},     // Mastercard
	{2, 34, 34, 15, 15, 15},         // American Express
	{2, 37, 37, 15, 15, 15},         // American Express
	{4, 6011, 6011, 16, 16, 19},     // Discover
	{3, 644, 659, 16, 16, 19},       // Discover
	{6, 622126, 622925, 16, 16, 19}, // Discover
	{3, 300, 305, 14, 14, 19},       // Diners
	{2, 36, 36, 14, 14, 19},         // Diners
	{2, 38, 39, 14, 14, 19},         // Diners
	{4, 3528, 3589, 16, 16, 19},     // JCB
	{2, 62, 62, 16, 16, 19},         // UnionPay
	{4, 2200, 2204, 0, 16, 19},      // Mir
	{2, 50, 50, 0, 13, 19},          // Maestro
	{2, 56, 69, 0, 13, 19},          // Maestro
}

// issued says what the prefix and the length of digits (values 0 to 9) mean.
func issued(digits []byte) certainty {
	best := unlikely
	for _, is := range issuers {
		if len(digits) < is.shortest || len(digits) > is.longest {
			continue
		}
		prefix := 0
		for _, d := range digits[:is.width] {
			prefix = prefix*10 + int(d)
		}
		switch {
		case prefix < is.from || prefix > is.to:
		case len(digits) == is.usual:
			return certain
		default:
			best = possible
		}
	}
	return best
}

// luhn reports whether digits (values 0 to 9) pass the check of ISO/IEC 7812.
func luhn(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		v := int(d)
		if (len(digits)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}
