package call

import "strings"

// MinPhoneDigits is how many digits a number without country code needs to
// match the end of a longer one.
const MinPhoneDigits = 5

// PhoneDigits reduces a phone number to its digits, with a leading plus when
// it was written with a country code ("+" or "00" in front).
func PhoneDigits(s string) string {
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

// SamePhone compares numbers written by PhoneDigits: their digits are equal,
// or the shorter one has no country code and is the end of the longer one.
func SamePhone(a, b string) bool {
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
	national := NationalPart(shorter)
	return !plus && len(national) >= MinPhoneDigits && strings.HasSuffix(longer, national)
}

// NationalPart drops the trunk prefix, which is no part of the international number.
func NationalPart(digits string) string { return strings.TrimPrefix(digits, "0") }
