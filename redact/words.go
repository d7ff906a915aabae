package redact

import "strings"

// kind says what a token can be; most words are one thing, some are several.
type kind uint32

const (
	kindUnit       kind = 1 << iota // zero to nine
	kindTeen                        // ten to nineteen
	kindTens                        // twenty to ninety
	kindHundred                     // adds two zeros
	kindThousand                    // adds three zeros
	kindRepeat                      // "double": repeats the digit that follows
	kindPlural                      // "fours": repeated by the number before it
	kindHomophone                   // "for", "to": a digit misheard, perhaps
	kindBlock                       // numerals
	kindMasked                      // already hidden
	kindFiller                      // may stand between the digits of one number
	kindLink                        // may stand between a security code and its name
	kindOrdinal                     // "next": the digit that follows may count digits
	kindDigits                      // "digits": the number before it counts digits
	kindNumber                      // "number"
	kindPause                       // "moment": the "one" before it is no digit
	kindCard                        // speaks of payment cards
	kindOther                       // names another sort of number
	kindExpiry                      // speaks of an expiry date
	kindCodeName                    // "cvv"
	kindSecurity                    // first word of "security code"
	kindVerify                      // "verification", after "card"
	kindCode                        // second word of "security code"
	kindSide                        // where the code is printed: "back"
	kindOn                          // "on"
	kindThe                         // "the"
	kindSocial                      // "social" security is not the card's
	kindLetterC                     // spelled "c v v"
	kindLetterV                     //
	kindMeasure                     // "dollars": the number before it is an amount
	kindCorrection                  // "sorry": the number that follows replaces the one before

	kindSpoken = kindUnit | kindTeen | kindTens | kindRepeat
	kindDigit  = kindSpoken | kindBlock
)

// entry is a word the rules know.
type entry struct {
	kind kind
	val  uint8 // of number words
}

// Words of each kind, without apostrophes.
var lists = map[kind]string{
	kindFiller: `uh um er erm ah hmm hm mm mhm huh okay ok yes yeah yep yup sure right alright fine good great
		perfect thanks thank you and then so next now go on ahead continue keep going got it all please is its thats that are were
		was the dash hyphen space dot comma digit digits number numbers group first last second third fourth final
		following another other set lets let me see hold wait just well again repeat ill hang`,
	kindLink: `is its thats that as the my a for and was be being are um uh er so okay yes yeah sure on your card
		of reads says which to two three four digit digits number it well just here code`,
	kindOrdinal:    `first next last second third fourth final other following remaining`,
	kindDigits:     `digit digits numbers numerals`,
	kindNumber:     `number`,
	kindPause:      `moment sec second minute more time`,
	kindExpiry:     `expiry expiration expires expiring exp expire`,
	kindCodeName:   `cvv cvc csc cvn cvd cav cvvs cvcs`,
	kindSecurity:   `security`,
	kindVerify:     `verification validation`,
	kindCode:       `code codes value pin`,
	kindSide:       `back front reverse strip rear`,
	kindOn:         `on at from in`,
	kindThe:        `the your its my`,
	kindSocial:     `social`,
	kindLetterC:    `c`,
	kindLetterV:    `v`,
	kindCorrection: `sorry no actually wait correction mean`,
	kindCard: `card cards cardholder visa mastercard amex discover diners jcb unionpay maestro debit credit
		cvv cvc`,
	kindOther: `order orders tracking track parcel package shipment delivery reference ref invoice ticket case claim
		confirmation serial imei iccid sim isbn barcode policy meter routing iban phone telephone mobile
		cell tel callback msisdn caller callee dial whatsapp fax extension ext booking reservation id sku vin passport member membership loyalty
		zip postcode postal transaction room apartment suite flat`,
	kindMeasure: `dollar dollars cent cents pound pounds euro euros percent minute minutes hour hours day days week
		weeks month months year years am pm miles kilometers people items units street road avenue`,
}

// Number words and their values.
var numbers = map[kind]map[string]uint8{
	kindUnit: {"zero": 0, "oh": 0, "o": 0, "nought": 0, "naught": 0, "one": 1, "two": 2, "three": 3, "four": 4,
		"five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "niner": 9},
	kindPlural: {"zeros": 0, "zeroes": 0, "ohs": 0, "noughts": 0, "ones": 1, "twos": 2, "threes": 3, "fours": 4,
		"fives": 5, "sixes": 6, "sevens": 7, "eights": 8, "nines": 9},
	kindTeen: {"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
		"seventeen": 17, "eighteen": 18, "nineteen": 19},
	kindTens: {"twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
		"eighty": 80, "ninety": 90},
	kindHundred:   {"hundred": 0},
	kindThousand:  {"thousand": 0},
	kindRepeat:    {"double": 2, "triple": 3, "treble": 3, "quadruple": 4},
	kindHomophone: {"for": 4, "fore": 4, "to": 2, "too": 2, "ate": 8, "won": 1},
}

// longest is the length of the longest word in vocabulary.
const longest = 13

// vocabulary holds every word the rules know, in lower case. lengths has, for
// each pair of first and last letter, a bit for each length that occurs, so that most
// words of a text need no look-up.
var (
	vocabulary = map[string]entry{}
	lengths    [26][26]uint16
)

func init() {
	add := func(word string, k kind, val uint8) {
		e := vocabulary[word]
		vocabulary[word] = entry{e.kind | k, e.val | val}
		lengths[word[0]-'a'][word[len(word)-1]-'a'] |= 1 << len(word)
	}
	for k, words := range lists {
		for word := range strings.FieldsSeq(words) {
			add(word, k, 0)
		}
	}
	for k, words := range numbers {
		for word, val := range words {
			add(word, k, val)
		}
	}
}
