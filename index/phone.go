package index

import (
	"strings"

	"callsyncd/call"
)

// phoneTerms are the numbers of a call as the index keeps them: reversed, so
// that numbers with the same end stand together.
func phoneTerms(c *call.Call) []string {
	var out []string
	for _, number := range []*string{c.Phone, c.FromNumber, c.ToNumber} {
		if number == nil {
			continue
		}
		if digits := call.PhoneDigits(*number); digits != "" {
			out = append(out, reverse(digits))
		}
	}
	return out
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// shorterPhones returns the terms of all numbers that are no longer than
// wanted and could match it.
func shorterPhones(wanted string) []string {
	digits := strings.TrimPrefix(wanted, "+")
	out := []string{reverse(digits), reverse("+" + digits)}
	for i := 0; i <= len(digits)-call.MinPhoneDigits; i++ {
		end := digits[i:]
		out = append(out, reverse(end), reverse("0"+end))
	}
	return out
}
