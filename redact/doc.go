// Package redact hides payment card data in text that readers, exports and the
// search index see. Each digit, and each letter of a number said in words, of
// a card number or a security code becomes '•'; everything else stays, so rune
// offsets into the text stay valid. The last four digits are hidden too. The
// text kept in the archive is not touched: callers redact what they hand out.
//
// # Card numbers
//
// A number is 13 to 19 digits that pass the Luhn check, in numerals of any
// script, in English words ("four one", "oh", "double four", "three zeros",
// "forty-one eleven", "forty-one hundred"), or mixed, with spaces, hyphens,
// dots, commas, line breaks and small words ("um", "then", "next four") in
// between. In a transcript it may go on in the same speaker's next turns while
// the others say little or repeat digits, and, where cards are spoken of, from
// one speaker to the next, because speakers get confused.
//
// Three things decide, in this order:
//
//  1. The issuer. Prefixes with their usual length (Visa, Mastercard, Discover,
//     JCB and UnionPay 16, American Express 15, Diners 14) count as certain;
//     their rare lengths, Maestro's wide range and Mir as possible, and so does
//     a certain number that touches letters; any other prefix as unlikely.
//  2. The grouping. Plain is one block, groups as printed on cards, or digits
//     said one or two at a time; other groups are odd. Numbers of which a part is
//     written as a phone number, a date or an amount count as weak in any case.
//  3. The nearest label, a word such as "card" or "visa" on one side, and
//     "order", "tracking", "phone" or "reference" on the other.
//
// A certain number in plain groups is hidden whatever it is called: an order
// number that looks like a card number in every respect is lost to the reader,
// because the reverse error would show a card. A certain number that is oddly
// grouped, or cut out of a longer row of equal groups, and a possible number that
// stands alone are hidden unless the nearest label says they are something
// else. Everything weaker is hidden only where the nearest label speaks of
// cards: an unlikely number must then still stand alone in plain groups, and a
// certain one may even be part of a longer block, as when a transcript runs
// number and expiry date together. Shorter and longer numbers, and those that fail Luhn, stay.
//
// # Security codes
//
// Three or four digits are hidden when they are the first such number within
// 25 words after the name of the code ("CVV", "security code", "three digits
// on the back"), also in the turns that follow, or are linked to the name that
// follows them ("123 is the security code"). Repetitions and corrections soon after
// are hidden as well. A number labelled as an order, postcode or the like is passed over.
//
// # Limits
//
// Not seen: a number with a digit misheard, missing or corrected half-way
// ("four one two, no, four one one"); number words of other languages; digits
// separated by other talk; a number spread over several fields or over list
// entries of metadata; PINs; expiry dates; the sound of a recording.
package redact
