package schema

import "strings"

// This file decides what stands in a text by its field's name. All people,
// firms and places are made up; addresses of the web and of mail are in the
// domains reserved for examples.

var (
	firstNames = strings.Fields("Ada Amara Anders Beatriz Bruno Carmen Chen Daniel Dilan Elena Emeka Farah Felix Grace Hana Hugo Ines Ivan Jamal Joana Kaito Karin Leila Linus Maya Mateo Nadia Noor Olga Omar Priya Quinn Rosa Samir Sofia Tariq Tomas Uma Viktor Wei Yara Zoe")
	lastNames  = strings.Fields("Abe Adeyemi Almeida Bakker Bauer Chowdhury Costa Dahl Diaz Eriksen Fischer Garcia Haddad Hoang Ito Jensen Kaya Keller Kowalski Laurent Lindgren Mensah Moreau Murphy Nakamura Novak Okafor Olsen Park Patel Quist Ribeiro Rossi Sato Silva Tanaka Torres Ueda Vargas Weber Yilmaz Zhang")
	firmWords  = strings.Fields("Northwind Brightwater Copperleaf Driftwood Evergreen Fieldstone Granite Harbor Ironbark Juniper Kestrel Lantern Meridian Oakline Pinecrest Quartz Redwood Silverpine Tidewater Willow")
	firmKinds  = strings.Fields("Labs Works Group Studio Partners Systems Collective Foods Health Logistics")
	thingNames = strings.Fields("lamp desk chair mug notebook backpack kettle keyboard bottle jacket blanket speaker monitor charger bicycle tent scarf puzzle")
	adjectives = strings.Fields("blue compact quiet heavy wooden folding bright recycled classic travel woven cordless narrow sturdy light")
	nouns      = strings.Fields("report launch invoice meeting plan budget roadmap review garden kitchen delivery onboarding release survey contract workshop backlog draft photo trip")
	verbs      = strings.Fields("Check Update Plan Review Prepare Send Fix Discuss Archive Translate Measure Book Compare Rewrite Share")
	sentences  = []string{
		"We moved the meeting to Thursday afternoon.", "The first draft is ready for comments.", "Please check the numbers on page two.",
		"Shipping took a day longer than planned.", "Everything works on the new plan.", "The team agreed to keep it simple.",
		"Thanks for the quick reply!", "This needs another look before the release.", "I like the green one better.",
		"Customers asked for it several times.", "It rained, so we stayed inside.", "The old link no longer works.",
		"Two of the five tests still fail.", "See the attached notes for details.", "We will try again next week.",
	}
	cityNames    = strings.Fields("Lisbon Osaka Nairobi Toronto Bergen Leipzig Valencia Austin Pune Accra Lyon Gdansk Lima Perth Utrecht")
	countryCodes = strings.Fields("PT JP KE CA NO DE ES US IN GH FR PL PE AU NL")
	streetNames  = strings.Fields("Birch Mill Station Harbor Chapel Orchard Bridge Castle Garden Market")
	keyNames     = strings.Fields("alpha beta gamma delta email web mobile daily weekly monthly home work en de fr es")
	tagNames     = strings.Fields("urgent design backend mobile billing research later personal travel food music health garden bug idea")
	zoneNames    = []string{"Europe/Lisbon", "Asia/Tokyo", "America/Toronto", "Africa/Nairobi", "Europe/Oslo", "America/Lima", "Asia/Kolkata"}
)

type textMaker func(d *sample) string

func oneOf(words ...string) textMaker { return func(d *sample) string { return pick(d.r, words) } }

func anyOf(words []string) textMaker { return func(d *sample) string { return pick(d.r, words) } }

func tokens(n int) textMaker { return func(d *sample) string { return d.token(n) } }

func (d *sample) handle() string { return strings.ToLower(d.first) + d.digits(2) }

func (d *sample) email() string {
	return strings.ToLower(d.first+"."+d.last) + d.digits(2) + "@" + pick(d.r, []string{"example.com", "example.org", "example.net"})
}

func (d *sample) firm() string { return pick(d.r, firmWords) + " " + pick(d.r, firmKinds) }

func (d *sample) thing() string { return capital(pick(d.r, adjectives)) + " " + pick(d.r, thingNames) }

func (d *sample) task() string { return pick(d.r, verbs) + " the " + pick(d.r, nouns) }

func (d *sample) prose() string {
	text := pick(d.r, sentences)
	for range d.r.IntN(3) {
		text += " " + pick(d.r, sentences)
	}
	return text
}

func (d *sample) slug() string {
	return pick(d.r, adjectives) + "-" + pick(d.r, nouns) + "-" + d.digits(3)
}

func (d *sample) web() string { return "https://example.com/" + d.slug() }

func (d *sample) image() string { return "https://images.example.com/" + d.token(8) + ".jpg" }

func (d *sample) file() string { return d.slug() + ".pdf" }

func (d *sample) phone() string { return "+1 555 01" + d.digits(2) }

func (d *sample) address() string {
	return pick(d.r, streetNames) + " Street " + d.digits(2)
}

func (d *sample) postcode() string { return d.digits(5) }

func (d *sample) day() string { return d.date().Format("2006-01-02") }

func (d *sample) instant() string { return d.date().Format("2006-01-02T15:04:05.000Z") }

func (d *sample) fullName() string { return d.first + " " + d.last }

// name is the name of what the table holds: the last word of "orgRoles" is
// what it is about.
func (d *sample) name() string {
	if len(d.about) > 0 {
		if maker := owners[singular(d.about[len(d.about)-1])]; maker != nil {
			return maker(d)
		}
	}
	return capital(pick(d.r, adjectives)) + " " + pick(d.r, nouns)
}

// owners maps what a name can belong to, a table or the word before "name", to
// the sort of name.
var owners = byWord([]topic[textMaker]{
	{(*sample).fullName, "user person people member customer author contact employee profile patient student player lead actor owner sender recipient assignee reviewer host guest full display contact"},
	{(*sample).handle, "login nick screen"},
	{(*sample).firm, "team organization org company workspace account vendor tenant brand bank business store shop"},
	{(*sample).thing, "product item plan sku"},
	{anyOf(tagNames), "tag label category topic"},
	{anyOf(cityNames), "city place location"},
	{(*sample).file, "file document attachment"},
})

// topic is what the fields whose names hold one of the words are filled with.
type topic[F any] struct {
	maker F
	words string
}

func byWord[F any](topics []topic[F]) map[string]F {
	out := map[string]F{}
	for _, t := range topics {
		for _, word := range strings.Fields(t.words) {
			out[word] = t.maker
		}
	}
	return out
}

// textTopics maps a word of a field's name to what its text is.
var textTopics = byWord([]topic[textMaker]{
	{(*sample).email, "email mail"},
	{(*sample).name, "name"},
	{(*sample).handle, "username handle login nickname"},
	{(*sample).fullName, "author owner assignee customer sender recipient"},
	{(*sample).firm, "company organization employer brand vendor team"},
	{(*sample).thing, "product item"},
	{(*sample).task, "title subject headline heading task"},
	{anyOf(tagNames), "label tag category topic interest skill"},
	{(*sample).prose, "description bio summary body content text message comment note about prompt reason feedback answer question excerpt"},
	{(*sample).web, "url link href website webhook"},
	{oneOf("example.com", "example.org", "shop.example.net"), "domain"},
	{(*sample).image, "avatar image photo picture logo thumbnail"},
	{oneOf("star", "bell", "home", "tag", "user"), "icon"},
	{oneOf("🎉", "👍", "🔥", "🌱", "🐛"), "emoji"},
	{(*sample).phone, "phone mobile"},
	{(*sample).address, "address street"},
	{anyOf(cityNames), "city location place"},
	{anyOf(countryCodes), "country"},
	{oneOf("EU", "US", "APAC", "LATAM"), "region"},
	{(*sample).postcode, "zip postal postcode"},
	{anyOf(zoneNames), "timezone tz"},
	{oneOf("en-US", "de-DE", "pt-PT", "ja-JP"), "locale"},
	{oneOf("en", "de", "fr", "es", "ja", "pt"), "lang language"},
	{oneOf("EUR", "USD", "GBP", "JPY"), "currency"},
	{(*sample).colour, "color colour"},
	{oneOf("light", "dark", "system"), "theme"},
	{oneOf("active", "pending", "done", "archived"), "status"},
	{oneOf("open", "in_progress", "closed"), "state"},
	{oneOf("member", "admin", "viewer"), "role"},
	{oneOf("standard", "premium", "trial"), "type kind"},
	{oneOf("free", "pro", "team"), "plan tier"},
	{oneOf("low", "medium", "high"), "priority severity level"},
	{oneOf("S", "M", "L", "XL"), "size"},
	{(*sample).slug, "slug"},
	{func(d *sample) string { return "/" + d.slug() }, "path"},
	{(*sample).file, "file filename"},
	{oneOf("image/png", "application/pdf", "text/plain"), "mime"},
	{(*sample).version, "version"},
	{oneOf("small-1", "medium-2", "large-2"), "model"},
	{func(d *sample) string { return "203.0.113." + d.digits(2) }, "ip"},
	{oneOf("Mozilla/5.0", "curl/8.5.0"), "agent"},
	{(*sample).day, "date day birthday"},
	{func(d *sample) string { return d.day()[:7] }, "month"},
	{(*sample).instant, "at time timestamp deadline until"},
	{tokens(20), "id identifier"},
	{tokens(24), "key session cursor"},
	{tokens(32), "token secret uuid"},
	{tokens(40), "hash password"},
	{tokens(8), "code sku"},
})

// phrases are topics of two words.
var phrases = map[string]textMaker{
	"first name":     func(d *sample) string { return d.first },
	"given name":     func(d *sample) string { return d.first },
	"last name":      func(d *sample) string { return d.last },
	"family name":    func(d *sample) string { return d.last },
	"user name":      (*sample).handle,
	"avatar url":     (*sample).image,
	"image url":      (*sample).image,
	"photo url":      (*sample).image,
	"picture url":    (*sample).image,
	"logo url":       (*sample).image,
	"thumbnail url":  (*sample).image,
	"content type":   oneOf("image/png", "application/pdf", "text/plain"),
	"time zone":      anyOf(zoneNames),
	"token id":       tokens(24),
	"postal code":    (*sample).postcode,
	"zip code":       (*sample).postcode,
	"country code":   anyOf(countryCodes),
	"currency code":  oneOf("EUR", "USD", "GBP", "JPY"),
	"language code":  oneOf("en", "de", "fr", "es", "ja", "pt"),
	"payment method": oneOf("card", "invoice", "transfer"),
}

func (d *sample) text(name string) string {
	words := d.split(name)
	for i := len(words) - 1; i > 0; i-- {
		if maker := phrases[words[i-1]+" "+words[i]]; maker != nil {
			return maker(d)
		}
		if maker := owners[words[i-1]]; maker != nil && words[i] == "name" {
			return maker(d)
		}
	}
	for i := len(words) - 1; i >= 0; i-- {
		if maker := textTopics[words[i]]; maker != nil {
			return maker(d)
		}
		if maker := textTopics[singular(words[i])]; maker != nil {
			return maker(d)
		}
	}
	return pick(d.r, adjectives) + " " + pick(d.r, nouns)
}

// colour is #rrggbb.
func (d *sample) colour() string {
	const hex = "0123456789abcdef"
	b := make([]byte, 6)
	for i := range b {
		b[i] = hex[d.r.IntN(16)]
	}
	return "#" + string(b)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
