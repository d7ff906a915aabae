package index

import (
	"strings"

	"callsyncd/call"
)

// minPhoneDigits is how many digits a number without country code needs to
// match the end of a longer one, and a query to be read as a number.
const minPhoneDigits = 5

// phoneDigits reduces a phone number to its digits, with a leading plus when
// it was written with a country code ("+" or "00" in front).
func phoneDigits(s string) string {
	s = strings.TrimSpace(s)
	international := strings.HasPrefix(s, "+") || strings.HasPrefix(s, "(+")
	if international {
		s = strings.Replace(s, "(0)", "", 1) // +44 (0)20 ...: the zero is not dialled
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	if !international && strings.HasPrefix(digits, "00") {
		international, digits = true, digits[2:]
	}
	if international && digits != "" {
		return "+" + digits
	}
	return digits
}

// samePhone compares numbers written by phoneDigits: their digits are equal,
// or the shorter one has no country code and is the end of the longer one.
func samePhone(a, b string) bool {
	longer, shorter := strings.TrimPrefix(a, "+"), strings.TrimPrefix(b, "+")
	plus := strings.HasPrefix(b, "+")
	if len(longer) < len(shorter) {
		longer, shorter = shorter, longer
		plus = strings.HasPrefix(a, "+")
	}
	if shorter == "" {
		return false
	}
	if longer == shorter {
		return true
	}
	national := nationalPart(shorter)
	return !plus && len(national) >= minPhoneDigits && strings.HasSuffix(longer, national)
}

// nationalPart drops the trunk prefix, which is no part of the international number.
func nationalPart(digits string) string { return strings.TrimPrefix(digits, "0") }

// phoneTerms are the numbers of a call as the index keeps them: reversed, so
// that numbers with the same end stand together.
func phoneTerms(c *call.Call) []string {
	var out []string
	for _, number := range []*string{c.Phone, c.FromNumber, c.ToNumber} {
		if number == nil {
			continue
		}
		if digits := phoneDigits(*number); digits != "" {
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
	for i := 0; i <= len(digits)-minPhoneDigits; i++ {
		end := digits[i:]
		out = append(out, reverse(end), reverse("0"+end))
	}
	return out
}
