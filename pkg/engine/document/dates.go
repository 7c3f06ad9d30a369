package document

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"facestream/pkg/mrz"
)

// PrintedDate is a date in the visual zone of a document.
type PrintedDate struct {
	// Field is what a label beside it or above it says that it is: FieldBirth, FieldIssue or FieldExpiry; "" where none does.
	Field Field
	// Text is the date as it is printed.
	Text string
	// Days are the days that it may be, the earliest first. One is certain; of several, nothing on the page says which is meant.
	Days []mrz.Date
	// Confidence is that of its least certain character, 0..1.
	Confidence float32
}

// months are the names of the months in the languages of travel documents, as they stand in dates, without marks: the first three letters
// or more of a name are one, too.
var months = []string{
	"JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER",                // en
	"JANVIER FEVRIER MARS AVRIL MAI JUIN JUILLET AOUT SEPTEMBRE OCTOBRE NOVEMBRE DECEMBRE",                 // fr
	"ENERO FEBRERO MARZO ABRIL MAYO JUNIO JULIO AGOSTO SEPTIEMBRE OCTUBRE NOVIEMBRE DICIEMBRE",             // es
	"JANUAR FEBRUAR MARZ APRIL MAI JUNI JULI AUGUST SEPTEMBER OKTOBER NOVEMBER DEZEMBER",                   // de
	"GENNAIO FEBBRAIO MARZO APRILE MAGGIO GIUGNO LUGLIO AGOSTO SETTEMBRE OTTOBRE NOVEMBRE DICEMBRE",        // it
	"JANEIRO FEVEREIRO MARCO ABRIL MAIO JUNHO JULHO AGOSTO SETEMBRO OUTUBRO NOVEMBRO DEZEMBRO",             // pt
	"STYCZEN LUTY MARZEC KWIECIEN MAJ CZERWIEC LIPIEC SIERPIEN WRZESIEN PAZDZIERNIK LISTOPAD GRUDZIEN",     // pl
	"STYCZNIA LUTEGO MARCA KWIETNIA MAJA CZERWCA LIPCA SIERPNIA WRZESNIA PAZDZIERNIKA LISTOPADA GRUDNIA",   // pl, in dates
	"LEDEN UNOR BREZEN DUBEN KVETEN CERVEN CERVENEC SRPEN ZARI RIJEN LISTOPAD PROSINEC",                    // cs
	"LEDNA UNORA BREZNA DUBNA KVETNA CERVNA CERVENCE SRPNA ZARI RIJNA LISTOPADU PROSINCE",                  // cs, in dates
	"JANUAR FEBRUAR MAREC APRIL MAJ JUN JUL AUGUST SEPTEMBER OKTOBER NOVEMBER DECEMBER",                    // sk, sl
	"SIJECANJ VELJACA OZUJAK TRAVANJ SVIBANJ LIPANJ SRPANJ KOLOVOZ RUJAN LISTOPAD STUDENI PROSINAC",        // hr
	"SIJECNJA VELJACE OZUJKA TRAVNJA SVIBNJA LIPNJA SRPNJA KOLOVOZA RUJNA LISTOPADA STUDENOGA PROSINCA",    // hr, in dates
	"IANUARIE FEBRUARIE MARTIE APRILIE MAI IUNIE IULIE AUGUST SEPTEMBRIE OCTOMBRIE NOIEMBRIE DECEMBRIE",    // ro
	"JANUAR FEBRUAR MARCIUS APRILIS MAJUS JUNIUS JULIUS AUGUSZTUS SZEPTEMBER OKTOBER NOVEMBER DECEMBER",    // hu
	"SAUSIS VASARIS KOVAS BALANDIS GEGUZE BIRZELIS LIEPA RUGPJUTIS RUGSEJIS SPALIS LAPKRITIS GRUODIS",      // lt
	"SAUSIO VASARIO KOVO BALANDZIO GEGUZES BIRZELIO LIEPOS RUGPJUCIO RUGSEJO SPALIO LAPKRICIO GRUODZIO",    // lt, in dates
	"JANVARIS FEBRUARIS MARTS APRILIS MAIJS JUNIJS JULIJS AUGUSTS SEPTEMBRIS OKTOBRIS NOVEMBRIS DECEMBRIS", // lv
	"JAANUAR VEEBRUAR MARTS APRILL MAI JUUNI JUULI AUGUST SEPTEMBER OKTOOBER NOVEMBER DETSEMBER",           // et
	"JANUARI FEBRUARI MAART APRIL MEI JUNI JULI AUGUSTUS SEPTEMBER OKTOBER NOVEMBER DECEMBER",              // nl
	"JANUARI FEBRUARI MARS APRIL MAJ JUNI JULI AUGUSTI SEPTEMBER OKTOBER NOVEMBER DECEMBER",                // sv, no, da
	"IAN FEV MRZ AVR MAG CZE LIP AOU RGS PAZ LIS DEZ", "JAN FEB MRT APR MEI JUN JUL RGP SEP OKT NOV DES",   // abbreviations
}

// roman are the months as numbers that stand between a day and a year.
var roman = strings.Fields("I II III IV V VI VII VIII IX X XI XII")

// monthSet has a bit for each month that a name may mean: LIPIEC is July, LIPANJ June, and LIP either.
type monthSet uint16

func (s monthSet) has(month int) bool { return s&(1<<month) != 0 }

// monthsNamed are the months that a name, folded, may mean; 0 for none.
func monthsNamed(name string) (set monthSet) {
	if i := slices.Index(roman, name); i >= 0 {
		return 1 << (i + 1)
	}
	for _, row := range months {
		for i, full := range strings.Fields(row) {
			if name == full || len(name) >= 3 && strings.HasPrefix(full, name) {
				set |= 1 << (i + 1)
			}
		}
	}
	return set
}

// monthsOf are the months that a month in one or two languages may be: JAN/JANV, also where the sign between them was not read as one. 0
// for none, and for two names of different months.
func monthsOf(text string) monthSet {
	names := strings.FieldsFunc(text, func(r rune) bool { return !letter(r) })
	set := ^monthSet(0)
	for _, name := range names {
		if named := monthsNamed(name); named != 0 {
			set &= named
			continue
		}
		var joined monthSet
		for at := 3; at+3 <= len(name); at++ {
			for skipped := 0; skipped <= 1 && at+skipped+3 <= len(name); skipped++ {
				joined |= monthsNamed(name[:at]) & monthsNamed(name[at+skipped:])
			}
		}
		set &= joined
	}
	if len(names) == 0 {
		return 0
	}
	return set
}

// The shapes of dates in folded text. Between the parts of a date may be what readers make of a dot.
var (
	dayFirst   = regexp.MustCompile(`(\d{1,2})( ?[./-] ?| )(\d{1,2})( ?[./-] ?| )(\d{4}|\d{2})`)
	yearFirst  = regexp.MustCompile(`(\d{4})( ?[./-] ?| )(\d{1,2})( ?[./-] ?| )(\d{1,2})`)
	namedMonth = regexp.MustCompile(`(\d{1,2})[ .,/-]*(?:DE |DEL )?([A-Z]{3,}(?: ?[/|.\\-] ?[A-Z]{3,})?|[IVX]{1,4})[ .,/-]*(?:DE |DEL )?(\d{4}|\d{2})`)
	monthFirst = regexp.MustCompile(`([A-Z]{3,})[ .]*(\d{1,2}),? ?(\d{4})`)
	yearNamed  = regexp.MustCompile(`(\d{4})[ .,/-]*(?:M )?([A-Z]{3,}(?: ?[/|.\\-] ?[A-Z]{3,})?)[ .,/-]*(\d{1,2})`)
	digitsOnly = regexp.MustCompile(`\d{8}|\d{6}`)
)

// written is a date as it is written.
type written struct {
	spot
	year       int
	shortYear  bool      // two digits
	orders     [][2]int  // day and month, as they may be meant
	ymd        []written // what it may be if the year comes first
	separator  string    // of numbers whose order is open; "" where it is known
	needsLabel bool      // without one it is a number like any other
}

// datesIn are the dates of a line.
func datesIn(line int, text string) (all []written) {
	runes := folded(text)
	// Regular expressions count bytes; every rune that is none of theirs counts as one.
	plain := strings.Map(func(r rune) rune {
		if r > 126 || r < ' ' {
			return '?'
		}
		return r
	}, string(runes))
	free := func(shape *regexp.Regexp, from, to int) bool {
		if shape == digitsOnly && (from > 0 && letter(rune(plain[from-1])) || to < len(plain) && letter(rune(plain[to]))) {
			return false
		}
		return (from == 0 || !digit(rune(plain[from-1]))) && (to == len(plain) || !digit(rune(plain[to]))) &&
			!slices.ContainsFunc(all, func(w written) bool { return from < w.to && w.from < to })
	}
	each := func(shape *regexp.Regexp, make func(part []string) (written, bool)) {
		for from := 0; from < len(plain); {
			m := shape.FindStringSubmatchIndex(plain[from:])
			if m == nil {
				return
			}
			var parts []string
			for i := 0; i < len(m); i += 2 {
				part := ""
				if m[i] >= 0 {
					part = plain[from+m[i] : from+m[i+1]]
				}
				parts = append(parts, part)
			}
			begin, end := from+m[0], from+m[1]
			if free(shape, begin, end) {
				if w, ok := make(parts); ok {
					w.spot = spot{line, begin, end}
					all = append(all, w)
					from = end
					continue
				}
			}
			from = begin + 1
		}
	}
	named := func(day, month, year string) (w written, ok bool) {
		set := monthsOf(month)
		w.year, w.shortYear = number(year), len(year) == 2
		for m := 1; m <= 12; m++ {
			if set.has(m) {
				w.orders = append(w.orders, [2]int{number(day), m})
			}
		}
		return w, w.orders != nil && number(day) >= 1 && number(day) <= 31
	}
	each(yearNamed, func(p []string) (written, bool) { return named(p[3], p[2], p[1]) })
	each(namedMonth, func(p []string) (written, bool) { return named(p[1], p[2], p[3]) })
	each(monthFirst, func(p []string) (written, bool) { return named(p[2], p[1], p[3]) })
	each(yearFirst, func(p []string) (written, bool) {
		return written{year: number(p[1]), orders: [][2]int{{number(p[5]), number(p[3])}}, needsLabel: p[2] == " " || p[4] == " "}, true
	})
	each(dayFirst, func(p []string) (written, bool) {
		a, b, y := number(p[1]), number(p[3]), number(p[5])
		w := written{year: y, shortYear: len(p[5]) == 2, orders: [][2]int{{a, b}, {b, a}}, separator: strings.ReplaceAll(p[2]+p[4], " ", "")}
		w.needsLabel = w.shortYear && p[2] == " "
		if strings.Contains(w.separator, ".") { // nobody writes the month first with dots
			w.orders, w.separator = w.orders[:1], ""
		} else if w.shortYear && len(p[1]) == 2 {
			w.ymd = []written{{year: a, shortYear: true, orders: [][2]int{{y, b}}}}
		}
		return w, true
	})
	each(digitsOnly, func(p []string) (written, bool) {
		n := p[0]
		if len(n) == 6 {
			a, b, c := number(n[:2]), number(n[2:4]), number(n[4:])
			return written{year: c, shortYear: true, orders: [][2]int{{a, b}, {b, a}}, ymd: []written{{year: a, shortYear: true, orders: [][2]int{{c, b}}}}, needsLabel: true}, true
		}
		a, b := number(n[:2]), number(n[2:4])
		return written{year: number(n[4:]), orders: [][2]int{{a, b}, {b, a}}, ymd: []written{{year: number(n[:4]), orders: [][2]int{{number(n[6:]), number(n[4:6])}}}}, needsLabel: true}, true
	})
	slices.SortFunc(all, func(a, b written) int { return a.from - b.from })
	return all
}

func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

// days are the days that w may be in a field, as of today: days of the calendar, of which a birth and an issue are not in the future, and
// no birth is more than 120 years ago. Two digits of a year stand for the latest one of a birth or an issue, the one within 50 years of an
// expiry, and either where the field is not known.
func (w written) days(field Field, today mrz.Date) (all []mrz.Date) {
	past := field == FieldBirth || field == FieldIssue
	for _, o := range w.orders {
		years := []int{w.year}
		if w.shortYear {
			years = nil
			for century := today.Year/100*100 + 100; century > today.Year-200; century -= 100 {
				year := century + w.year
				late := later(mrz.Date{Year: year, Month: o[1], Day: o[0]}, today)
				near := year <= today.Year+50 && year > today.Year-50
				if past && !late || field == FieldExpiry && near {
					years = append(years, year)
					break
				}
				if field == "" && year <= today.Year+50 {
					years = append(years, year)
				}
			}
		}
		for _, year := range years {
			d := mrz.Date{Year: year, Month: o[1], Day: o[0]}
			if valid(d) && year > today.Year-120 && year <= today.Year+100 && !(past && later(d, today)) {
				all = append(all, d)
			}
		}
	}
	for _, other := range w.ymd {
		all = append(all, other.days(field, today)...)
	}
	slices.SortFunc(all, mrz.Date.Compare)
	return slices.Compact(all)
}

func later(a, b mrz.Date) bool { return a.Compare(b) > 0 }

func valid(d mrz.Date) bool {
	t := time.Date(d.Year, time.Month(d.Month), d.Day, 0, 0, 0, 0, time.UTC)
	return d.Month >= 1 && d.Month <= 12 && d.Day >= 1 && t.Day() == d.Day
}

// Dates are the dates of a page, in the order of its lines, as of today. Which one of two numbers is the month is known where the other one is above 12,
// where dots stand between them, and where another date of the page, written with the same sign, shows it. Otherwise both days are answered.
func (p *Page) Dates(today time.Time) (all []PrintedDate) {
	on := mrz.DateOf(today)
	var found []written
	for i, l := range p.lines {
		found = append(found, datesIn(i, l.Text)...)
	}
	orders := ordersOf(found)
	for i, w := range found {
		field := p.fieldOf(w.spot)
		if field == FieldExpiry && i+1 < len(found) && found[i+1].line == w.line && p.fieldOf(found[i+1].spot) == FieldExpiry {
			field = FieldIssue // from one day to another
		}
		switch field {
		case FieldBirth, FieldIssue, FieldExpiry:
		default:
			field = ""
		}
		if field == "" && w.needsLabel {
			continue
		}
		if o, known := orders[w.separator]; known && w.separator != "" && o != 0 {
			w.orders, w.ymd = w.orders[o-1:o], nil
		}
		if days := w.days(field, on); days != nil {
			l := p.lines[w.line]
			all = append(all, PrintedDate{Field: field, Text: string([]rune(l.Text)[w.from:w.to]), Days: days, Confidence: l.least(w.from, w.to)})
		}
	}
	return all
}

// ordersOf says of each sign between numbers whether the day (1) or the month (2) comes first in all dates of a page that show it; 0
// where they disagree.
func ordersOf(found []written) map[string]int {
	orders := map[string]int{}
	for _, w := range found {
		if w.separator == "" || len(w.orders) != 2 {
			continue
		}
		a, b := w.orders[0][0], w.orders[0][1]
		order := 0
		switch {
		case a > 12 && a <= 31 && b <= 12 && b >= 1:
			order = 1
		case b > 12 && b <= 31 && a <= 12 && a >= 1:
			order = 2
		default:
			continue
		}
		if seen, ok := orders[w.separator]; ok && seen != order {
			order = 0
		}
		orders[w.separator] = order
	}
	return orders
}

// least is the confidence of the least certain rune of a stretch of the line.
func (l Line) least(from, to int) float32 {
	if to > len(l.Characters) {
		return l.Confidence
	}
	return slices.Min(l.Characters[from:to])
}

// Page are the lines of text of a document, with the labels among them.
type Page struct {
	lines    []Line
	labels   []label
	sin, cos float64 // of the turn of most of the text
}

// NewPage returns the page of these lines, which it keeps.
func NewPage(lines []Line) *Page {
	p := &Page{lines: lines, labels: findLabels(lines)}
	var x, y float64
	for _, l := range lines {
		x, y = x+float64(l.Quad[1].X-l.Quad[0].X), y+float64(l.Quad[1].Y-l.Quad[0].Y)
	}
	p.sin, p.cos = math.Sincos(math.Atan2(y, x))
	return p
}

// area is where something is on an upright page.
type area struct{ left, right, top, bottom float64 }

func (a area) height() float64 { return max(a.bottom-a.top, 1) }

// areaOf is where a stretch of a line is.
func (p *Page) areaOf(s spot) area {
	l := p.lines[s.line]
	n := float64(max(len([]rune(l.Text)), 1))
	q := quadOf(l.Quad)
	from, to := float64(s.from)/n, float64(s.to)/n
	a := area{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for _, c := range []point{q[0].towards(q[1], from), q[0].towards(q[1], to), q[3].towards(q[2], to), q[3].towards(q[2], from)} {
		x, y := c.x*p.cos+c.y*p.sin, c.y*p.cos-c.x*p.sin
		a.left, a.right, a.top, a.bottom = min(a.left, x), max(a.right, x), min(a.top, y), max(a.bottom, y)
	}
	return a
}

// How far a label may be from its value, in heights of the value's line: to the left of it in its row, and above it.
const (
	furthestLeft  = 12
	furthestAbove = 1.8
)

// fieldOf is what the nearest label says of what stands there: one before it in its line, in its row, or right above it.
func (p *Page) fieldOf(s spot) (field Field) {
	value := p.areaOf(s)
	h := value.height()
	least := math.Inf(1)
	for _, l := range p.labels {
		a := p.areaOf(l.spot)
		cost := math.Inf(1)
		above := (value.top - a.bottom) / h
		switch {
		case l.line == s.line:
			if l.to <= s.from {
				cost = 0.001 * float64(s.from-l.to)
			}
		case math.Abs(a.top+a.bottom-value.top-value.bottom)/2 < h/2:
			if gap := (value.left - a.right) / h; gap > -1 && gap < furthestLeft {
				cost = 1 + gap/4
			}
		case above > -0.7 && above < furthestAbove && a.bottom < value.bottom && (a.left < value.right && value.left < a.right || math.Abs(a.left-value.left) < 2*h):
			cost = 0.5 + max(above, 0)/2 + math.Abs(a.left-value.left)/h/50
		}
		if cost < least {
			field, least = l.field, cost
		}
	}
	return field
}
