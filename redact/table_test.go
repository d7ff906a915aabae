package redact

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// In the tables, {} encloses what must be hidden.
func expect(s string) (text, want string) {
	inside := false
	for _, r := range s {
		switch {
		case r == '{', r == '}':
			inside = r == '{'
			continue
		case inside && (classes[min(r, 255)] == classLetter || classes[min(r, 255)] == classDigit || r > 0xff00):
			want += string(mask)
		default:
			want += string(r)
		}
		text += string(r)
	}
	return text, want
}

func checkText(t *testing.T, cases map[string]string) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text, want := expect(c)
			got, changed := Text(text)
			if got != want || changed != (text != want) {
				t.Errorf("Text(%q)\n got %q, %v\nwant %q", text, got, changed, want)
			}
			if utf8.RuneCountInString(got) != utf8.RuneCountInString(text) {
				t.Errorf("rune count changed: %q", got)
			}
		})
	}
}

func TestCardNumbers(t *testing.T) {
	checkText(t, map[string]string{
		"one block":            "It is {4111111111111111}.",
		"spaces":               "It is {4111 1111 1111 1111}, thanks.",
		"hyphens":              "{5555-5555-5555-4444}",
		"dots":                 "{6011.1111.1111.1117}",
		"slashes":              "{4111/1111/1111/1111}",
		"line breaks":          "{4111\n1111\r\n1111\n1111}",
		"no-break spaces":      "{4111\u00a01111\u00a01111\u00a01111}",
		"en dashes":            "{4111–1111–1111–1111}",
		"commas":               "{4111, 1111, 1111, 1111}.",
		"single digits":        "{4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1}",
		"single with hyphens":  "{4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1}",
		"full width":           "カード {４１１１１１１１１１１１１１１１} です",
		"american express":     "{3782 822463 10005}",
		"diners":               "{3852 000002 3237}",
		"jcb":                  "{3530 1113 3330 0000}",
		"unionpay":             "{6240 0086 3140 1148}",
		"mastercard 2-series":  "{2223 0031 2200 3222}",
		"visa 13":              "{4222222222222}",
		"visa 19":              "{4000 0000 0000 0000 006}",
		"maestro":              "{6759 6498 2643 8453}",
		"digit words":          "{four one one one} {one one one one} {one one one one} {one one one one}",
		"capitals and commas":  "{Four one one one}, {one one one one}, {One one one one}, {one one one one}.",
		"oh and repeats":       "{six oh double one}, {triple one one}, {one one double one}, {triple one seven}",
		"plural":               "{four}, {three ones}, {four ones}, {four ones}, {four ones}",
		"pairs":                "{forty-one eleven}, {eleven eleven}, {eleven eleven}, {eleven eleven}",
		"hundreds":             "{forty-one hundred}, {eleven hundred}, {eleven eleven}, {eleven oh nine}",
		"hundred and":          "{four hundred eleven one}, {eleven eleven}, {eleven eleven}, {eleven eleven}",
		"thousand":             "{four thousand zero two four eight}, {double one}, {five thousand}, {double zero}",
		"mixed":                "{4111} {one one one one} {11 11} {eleven one one}",
		"small words":          "{4111}, um, {1111}, then {1111} and then {1111}",
		"next four":            "the first four are {4111}, next four {1111}, the next four {1111}, and the last four are {1111}",
		"next four words":      "first four digits {four one one one}, next four {one one one one}, next four {one one one one}, last four {one one one one}",
		"homophones":           "{for one one one}, {one one one one}, {one one one one}, {one one one one}",
		"homophone within":     "{five five five five five five five five five five five five for four four for}",
		"expiry follows":       "card {4111 1111 1111 1111} 12 27",
		"order precedes":       "order 1234 {4111111111111111}",
		"called an order":      "Your order number is {4111111111111111}.",
		"run together":         "my card is {4111111111111111}0427",
		"odd groups":           "{411 111 1111 1111 11}",
		"unknown issuer":       "the card number is {9792 0303 9444 0796}",
		"two cards":            "{4111 1111 1111 1111} or {5555 5555 5555 4444}",
		"two cards in one run": "{4111 1111 1111 1111} {5555 5555 5555 4444}",
		"keycaps and dots":     "{4}️⃣{111}·{1111}…{1111} {1111}",
		"mathematical digits":  "\U0001d7d2 {4111 1111 1111 1111}",
		"hundred and tens":     "{forty-one hundred forty-one}, {forty-one hundred}, {one four}, {oh oh}, {oh oh}, {one five}",
		"after letters":        "A{4111111111111111} or card{6304000000000000}",
		"apostrophes":          "that’s {four}, {three one’s}, {four ones}, {four ones}, it's {four ones}",
		"invalid text":         "\xff {4111111111111111}",
	})
}

func TestOtherNumbers(t *testing.T) {
	checkText(t, map[string]string{
		"fails luhn":             "card 4111 1111 1111 1112",
		"phone":                  "Call 555-0123 or 412-555-0123, +1 412 555 0123 or (412) 555-0123.",
		"phone with plus":        "+4222222222222",
		"two phones, good luhn":  "365-0123 365-0197",
		"phone in words":         "four one two five five five oh one two three",
		"date and time":          "on 2025-12-01 at 09:30, 12/05/2024, 05-12-2024",
		"price":                  "It costs $4,111.11 or 4,111,111.11 dollars.",
		"amounts, good luhn":     "4.11 11.11 11.11 11.11 1.11",
		"timestamps":             "20251201093000 1733311800000",
		"tracking with letters":  "tracking 1Z4111111111111111",
		"long tracking":          "tracking 9400 1112 0255 5512 3456 78",
		"longer than a card":     "41111111111111111111",
		"order, odd groups":      "order 411-1111-111-111111",
		"order named after":      "6304000000000000 is the order number",
		"euros":                  "€4111 1111 1111 1112",
		"order, possible":        "order number 6304000000000000",
		"imei":                   "IMEI 490154203237518",
		"last four":              "the card ending in 1111",
		"talk between":           "4111 1111 house 1111 1111",
		"unknown, no card":       "9792 0303 9444 0796",
		"numbers in talk":        "I have two dogs, one cat, for one or two years, to be sure, since nineteen ninety.",
		"bank":                   "account 12345678 sort code 12-34-56",
		"hidden before":          "•••• •••• •••• ••••",
		"one moment":             "one moment, one second, one more time",
		"long row of equal ones": "tracking 9400 4111 1111 1111 1111 0000",
	})
}

func TestSecurityCodes(t *testing.T) {
	checkText(t, map[string]string{
		"cvv":             "CVV is {123}.",
		"cvv2":            "cvv2: {1234}",
		"cvc spelled":     "the c. v. c. is {one two three}",
		"c v v two":       "my C V V, that's {7 2 2}",
		"security code":   "The security code would be, let me see, {seven double two}.",
		"digits on back":  "the three digits on the back are {one twenty three}",
		"last three":      "and the last three on the back? {9 8 7}",
		"three digit":     "the 3-digit security number: {456}",
		"verification":    "card verification value {321}",
		"before":          "{one two three} is the security code",
		"before, then":    "{456} is my cvv and my house is number 789",
		"again":           "CVV {123}. So {one two three}, right?",
		"corrected":       "CVV is {123}, sorry, {124}",
		"with a card":     "security code and number: {4111 1111 1111 1111}, {123}",
		"expiry between":  "CVV and expiry: expires 0427, {123}",
		"expiry before":   "expiry 12 27, security code {123}",
		"expiry in words": "expiry oh four twenty seven, and the three digits on the back are {nine eight seven}",
		"adjacent":        "{123} cvv",
		"several":         "card {4111-1111-1111-1111} exp 12/27 cvv {123} zip 90210",
		"said much later": "CVV {123}. " + strings.Repeat("That sounds rather good to me. ", 12) + "Gate 123.",
		"then expiry":     "cvv {123} 04 27",
		"no code":         "Is the CVV there? It costs $250 or 300 dollars, call 555-0123.",
		"postcode":        "Without the CVV, just the zip code 9021.",
		"social security": "the last of your social security number, 1234",
		"far away":        "The CVV is not needed for this at all, because we never ask for anything like that when you only call us to hear what we have got on the list, in aisle 204.",
		"call back":       "What number can I call you back on? 555 0199",
		"order":           "Order 1234 and room 567.",
		"homophone":       "{123} for the security code",
	})
}
