package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"callsyncd/api"
	"callsyncd/call"
)

const firstCall = "#/call/crm/c0000"

func TestLinkOpensThePageOnce(t *testing.T) {
	p := newTab(t)
	link, err := p.client.OpenLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.navigate(link.Value.URL)
	p.wait(`document.querySelectorAll(".result").length === 25`)
	if got := eval[string](p, `location.hash`); got != "" {
		t.Errorf("the fragment is still in the address: %s", got)
	}
	if got := eval[string](p, `document.cookie`); got != "" {
		t.Errorf("scripts can read the cookie: %s", got)
	}
	p.visit(firstCall)
	p.wait(`document.querySelector(".turn")`)
	p.quiet()
}

func TestWithoutASessionThePageSaysWhatToDo(t *testing.T) {
	p := newTab(t)
	p.navigate(p.base + "/")
	p.wait(`document.querySelector("#view-stop:not([hidden]) h1")`)
	if got := p.text("#view-stop"); !strings.Contains(got, "callsyncd open") || !strings.Contains(got, "not let in") {
		t.Errorf("the page says %q", got)
	}
	p.axe()
}

func TestSearch(t *testing.T) {
	p := open(t, "")
	if got := p.text(".count"); got != "200 calls; searched 188 of 200, 12 wait for a transcript" {
		t.Errorf("coverage %q", got)
	}
	all, err := p.archive.Search(t.Context(), call.SearchQuery{Text: "refund", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.search("refund", fmt.Sprintf("%d calls", all.Total))
	p.wait(`document.querySelector(".snippet mark").innerText === "refund"`)
	if got := p.text(".snippet-place"); !strings.Contains(got, "Customer") {
		t.Errorf("place %q", got)
	}
	p.wait(`document.getElementById("live").textContent.includes("searched")`)
	if got := eval[string](p, `location.hash`); got != "#/?q=refund" {
		t.Errorf("address %q", got)
	}
	p.wait(`document.querySelector(".bar-match")`)
	p.click(".foot .button")
	p.wait(`document.querySelectorAll(".result").length > 25`)
	p.wait(`document.activeElement === document.querySelectorAll("a.open")[25]`)
	p.quiet()
}

func TestMistakeInASearch(t *testing.T) {
	p := open(t, "")
	p.do(`document.getElementById("q").focus()`)
	p.insert(`say "so`)
	p.wait(`document.querySelector(".broken")`)
	if got := p.text(".broken"); !strings.Contains(got, "The quote is not closed.") {
		t.Errorf("%q", got)
	}
	if got := p.text(".broken mark"); got != `"` {
		t.Errorf("the mark is on %q", got)
	}
	if p.count(".results.stale .result") == 0 {
		t.Error("the earlier results are gone")
	}
	p.press(`"`)
	p.wait(`!document.querySelector(".broken") && document.querySelector("#q").getAttribute("aria-invalid") === "false"`)
}

func TestNothingFound(t *testing.T) {
	p := open(t, "#/?q=zebra&source=crm")
	p.wait(`document.querySelector(".foot h2")`)
	if got := p.text(".foot"); !strings.Contains(got, "No call matches") {
		t.Errorf("%q", got)
	}
	p.click(".foot .button")
	p.wait(`location.hash === "#/?q=zebra" || location.hash === "#/"`)
}

func TestBusyAndGoneDaemon(t *testing.T) {
	p := open(t, "")
	p.archive.fail(api.ErrUnavailable)
	p.visit("#/?q=refund")
	p.wait(`document.querySelector(".foot h2")?.innerText === "Not just now"`)
	p.archive.fail(nil)
	p.click(".foot .button")
	p.wait(`document.querySelector(".snippet")`)
	p.server.Close()
	p.visit("#/?q=invoice")
	p.wait(`document.querySelector(".foot h2")?.innerText === "The daemon does not answer"`)
}

func TestFilters(t *testing.T) {
	p := open(t, "")
	p.wait(`document.querySelectorAll("[data-facet=source] .tick").length === 3`)
	p.click(`input[value=crm]`)
	p.wait(`document.querySelector(".count").innerText.startsWith("67 calls")`)
	p.wait(`document.querySelectorAll("[data-facet=source] .tick").length === 3`) // alternatives stay
	p.click(`input[value=frontdesk]`)
	p.wait(`document.querySelector(".count").innerText.startsWith("134 calls")`)
	p.click(`input[value=negative]`)
	p.wait(`document.querySelectorAll(".chip").length === 3`)
	if got := eval[string](p, `location.hash`); got != "#/?source=crm&source=frontdesk&sentiment=negative" {
		t.Errorf("address %q", got)
	}
	p.click(`.chip[aria-label="Remove filter Source: crm"]`)
	p.wait(`document.querySelectorAll(".chip").length === 2`)
	p.run(chromedp.NavigateBack())
	p.wait(`document.querySelectorAll(".chip").length === 3 && document.querySelector("input[value=crm]").checked`)
	p.click(`.preset[data-days="30"]`)
	p.wait(`document.querySelector(".preset[data-days='30']").getAttribute("aria-pressed") === "true" && document.querySelectorAll(".chip").length === 4`)
	p.visit("#/")
	p.wait(`document.querySelector(".count").innerText.startsWith("200 calls")`)
	p.wait(`document.querySelectorAll(".bar").length > 3 && !document.querySelector("[aria-busy=true]")`)
	p.click(".bar:nth-of-type(3)")
	p.wait(`document.querySelectorAll(".chip").length === 2 && !document.querySelector(".count").innerText.startsWith("200 ")`)
	p.quiet()
}

func TestCall(t *testing.T) {
	p := open(t, "")
	p.visit("#/?q=refund")
	p.wait(`document.querySelectorAll(".snippet mark").length > 20`)
	key := eval[string](p, `document.querySelectorAll("a.open")[6].dataset.key`)
	p.click(".results li:nth-child(7) a.open")
	p.wait(`document.querySelector(".turn-text mark")?.innerText === "refund"`)
	if !strings.HasSuffix(eval[string](p, `location.hash`), "#/call/"+key) {
		t.Errorf("address %s", eval[string](p, `location.hash`))
	}
	agent, customer := `document.querySelector(".turn-agent").getBoundingClientRect().left`, `document.querySelector(".turn-customer").getBoundingClientRect().left`
	if !eval[bool](p, agent+"<"+customer) {
		t.Error("agent and customer are on the same side")
	}
	for _, want := range []string{"Parts", "Recording stored", "SHA-256", "+1 202 555", "wrap up", "<done>"} {
		if !strings.Contains(p.text("#view-call"), want) {
			t.Errorf("%q is not shown", want)
		}
	}
	p.click(".versions summary")
	p.wait(`document.querySelector(".version-list li")`)
	p.press(kb.Escape)
	p.wait(`!document.getElementById("view-search").hidden`)
	p.wait(`document.activeElement.dataset.key === ` + quote(key))
	if !eval[bool](p, `(() => { const r = document.activeElement.getBoundingClientRect(); return r.top > 0 && r.bottom < innerHeight })()`) {
		t.Error("the result is not in view")
	}
	p.quiet()
}

func TestCallThatIsNotThere(t *testing.T) {
	p := open(t, "#/call/crm/none")
	p.wait(`document.querySelector("#view-call h1")?.innerText === "Not in this archive"`)
	if got := p.text("#view-call .explain"); strings.Contains(got, "%2F") || !strings.Contains(got, "search for the call") {
		t.Errorf("of a call that is not there: %q", got)
	}
}

func TestPartsToComeAreExplained(t *testing.T) {
	p := open(t, "#/call/crm/c0003")
	p.wait(`document.querySelector(".part-pending")`)
	got := p.text("#view-call")
	for _, want := range []string{"Not ready yet", "Asked for again in [0-9] minutes", "Would be lost in 2 days"} { // time goes on
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

// What is left until a loss is never told as more than it is.
func TestTimeLeftIsRoundedDown(t *testing.T) {
	p := open(t, "")
	for expression, want := range map[string]string{
		`minutes(2.9 * 1440)`: "2 days",
		`minutes(119.9)`:      "119 minutes",
		`minutes(239)`:        "3 hours",
		`since(new Date(Date.now() + 2.9 * 86400000).toISOString())`: "in 2 days",
		`since(new Date(Date.now() + 3599000).toISOString())`:        "in 59 minutes",
	} {
		if got := eval[string](p, `import("/page/format.js").then(({ minutes, since }) => `+expression+`)`); got != want {
			t.Errorf("%s is %q, want %q", expression, got, want)
		}
	}
}

// A call that was held and has no transcript is not told as one nobody spoke on.
func TestWithoutATranscript(t *testing.T) {
	p := open(t, "")
	for status, want := range map[string]string{"completed": "No transcript.", "no_answer": "Nobody spoke: no answer.", "busy": "Nobody spoke: busy.", "": "No transcript."} {
		if got := eval[string](p, `import("/page/search.js").then(({ why }) => why({ parts: { transcript: "none" }, status: `+quote(status)+` || null }))`); got != want {
			t.Errorf("status %q: %q, want %q", status, got, want)
		}
	}
}

func TestPlayAndSeek(t *testing.T) {
	p := open(t, firstCall)
	p.media(map[string]string{"prefers-reduced-motion": "reduce"}) // nothing moves under the pointer
	p.wait(`document.querySelector("audio")?.readyState > 0`)
	p.do(`document.querySelector("audio").playbackRate = 0.1`) // it does not play on to the next turn while it is looked at
	p.press(" ")
	p.wait(`document.querySelector("audio").currentTime > 0.05 && !document.querySelector("audio").paused`)
	p.wait(`document.querySelector(".turn[aria-current]")?.dataset.turn === "0"`)
	p.click(`.turn[data-turn="5"] .turn-text`)
	p.wait(`document.querySelector("audio").currentTime >= 20 && document.querySelector(".turn[aria-current]").dataset.turn === "5"`)
	if n := p.count(".turn[aria-current]"); n != 1 {
		t.Errorf("%d turns are marked", n)
	}
	p.press(kb.ArrowLeft)
	p.wait(`document.querySelector("audio").currentTime < 19`)
	p.press(" ")
	p.wait(`document.querySelector("audio").paused`)
	p.do(`scrollTo(0, 0)`)
	p.press("\t") // moving on by keyboard does not play
	p.click(`.turn[data-turn="8"] button`)
	p.wait(`document.querySelector("audio").currentTime >= 32`)
	p.wait(`(() => { const r = document.querySelector(".turn[aria-current]").getBoundingClientRect(); return r.top > 0 && r.bottom < innerHeight })()`)
	if got := eval[string](p, `document.querySelector(".player-range").getAttribute("aria-valuetext")`); !strings.Contains(got, "of 40 seconds") {
		t.Errorf("the position is told as %q", got)
	}
	p.visit("#/")
	p.wait(`!document.querySelector("audio")`)
	p.quiet()
}

func TestKeyboard(t *testing.T) {
	p := open(t, "")
	p.wait(`document.activeElement.id === "q"`)
	active := func(want string) { p.Helper(); p.wait(`document.activeElement === ` + want) }
	links := `document.querySelectorAll("a.open")`
	p.press(kb.ArrowDown)
	active(links + `[0]`)
	p.press("j")
	active(links + `[1]`)
	p.press(kb.ArrowDown)
	active(links + `[2]`)
	p.press("k")
	active(links + `[1]`)
	p.press("\r")
	p.wait(`document.querySelector("#view-call h1")`)
	active(`document.querySelector("#view-call h1")`)
	p.press("j")
	active(`document.querySelector(".turn")`)
	p.press("j")
	active(`document.querySelectorAll(".turn")[1]`)
	p.press("\r")
	p.wait(`document.querySelector("audio").currentTime >= 4`)
	p.press(kb.Escape)
	active(links + `[1]`)
	p.press("/")
	active(`document.getElementById("q")`)
	p.press(kb.Escape)
	active(`document.body`)
	p.press("?")
	p.wait(`document.getElementById("help").open`)
	p.press(kb.Escape)
	p.wait(`!document.getElementById("help").open`)
	p.do(`document.getElementById("skip").focus()`)
	p.press("\r")
	active(`document.getElementById("main")`)
}

func TestHostileTextIsText(t *testing.T) {
	p := open(t, "", withHostile)
	check := func(place string) {
		t.Helper()
		if n := p.count("main script, main img, main svg[onload], main b, main i, main iframe, main object, main embed, main foreignObject, main [onload], main [onerror], #view-call title, " +
			"a[href^=javascript]"); n != 0 {
			t.Errorf("%s: %d elements came out of text", place, n)
		}
		if got := eval[string](p, `document.title`); !strings.Contains(got, "callsyncd") {
			t.Errorf("%s: title %q", place, got)
		}
		if bidi := eval[bool](p, `/[\u202a-\u202e\u2066-\u2069\u0000-\u0008\u001b]/.test(document.documentElement.textContent + document.title)`); bidi {
			t.Errorf("%s: unseen characters are shown as they are", place)
		}
	}
	p.visit("#/?q=refund")
	p.wait(`document.querySelector(".snippet .escape")`)
	check("results")
	if got := p.text(".snippet mark"); got != "refund" { // after letters of two UTF-16 units each
		t.Errorf("marked %q", got)
	}
	p.click("a.open")
	p.wait(`document.querySelector("#view-call .turn")`)
	check("call")
	if got := p.text(".turn-text"); !strings.Contains(got, `<script>alert(1)</script><img src=x onerror="document.title='owned'">`) || !strings.Contains(got, `\u202E`) || !strings.Contains(got, `\u001B[2J`) {
		t.Errorf("the text is shown as %q", got)
	}
	p.visit("#/gaps")
	p.wait(`document.querySelector("#view-gaps tbody tr")`)
	check("gaps")
	p.click(`#view-gaps tbody tr:first-child a`)
	p.wait(`document.querySelector("#view-call .turn")`) // its key survives the address
	p.quiet()
}

// Another site's page that frames ours, to have its buttons pressed unseen,
// gets an empty frame: not one script of the page is even asked for.
func TestPageIsNotFramed(t *testing.T) {
	p := newTab(t)
	var mu sync.Mutex
	var asked []string
	inner := p.server.Config.Handler
	p.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		r.Header.Del("Sec-Fetch-Site") // which alone would have it refused, in browsers that send it
		inner.ServeHTTP(w, r)
	})
	requests := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(asked, " ")
	}
	framed := func(target string) string {
		return `<iframe src="` + target + `" onload="document.title += 'loaded'"></iframe>`
	}
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title></title>"+framed(p.base+"/")+framed(p.base+"/page/index.html"))
	}))
	t.Cleanup(evil.Close)
	p.navigate(evil.URL)
	p.wait(`document.title === "loadedloaded"`) // also for what takes the place of a refused frame
	if got := requests(); strings.Contains(got, ".js") || strings.Contains(got, "/v1/") {
		t.Errorf("the framed page was brought to life: %s", got)
	}
	p.navigate(p.base + "/") // on its own it does load its scripts
	p.wait(`document.readyState === "complete"`)
	if got := requests(); !strings.Contains(got, "/page/app.js") {
		t.Errorf("asked for %s", got)
	}
}

// withHostile adds a call newer than all others.
func withHostile(a *archive) { a.add(hostileRecord(time.Now().UTC())) }

func TestThemes(t *testing.T) {
	p := open(t, "")
	paper := func() string { return eval[string](p, `getComputedStyle(document.body).backgroundColor`) }
	p.media(map[string]string{"prefers-color-scheme": "light"})
	light := paper()
	p.media(map[string]string{"prefers-color-scheme": "dark"})
	dark := paper()
	if light == dark {
		t.Fatalf("the system's choice changes nothing: %s", light)
	}
	p.click("#theme")
	if got := paper(); got != light {
		t.Errorf("after the toggle %s, want %s", got, light)
	}
	p.run(chromedp.Reload())
	p.wait(`document.querySelector(".result")`)
	if got := paper(); got != light || eval[string](p, `document.getElementById("theme").getAttribute("aria-pressed")`) != "false" {
		t.Errorf("after a reload %s, want %s", got, light)
	}
	p.quiet()
}

// places are all views, and what shows that they are there.
var places = map[string]string{
	"#/":                     ".result",
	"#/?q=refund&source=crm": ".snippet",
	"#/?q=zebra":             ".foot h2",
	firstCall:                ".turn",
	"#/call/crm/c0003":       ".part-pending",
	"#/sources":              ".card",
	"#/gaps":                 "tbody tr",
}

func TestNarrow(t *testing.T) {
	p := open(t, "", withHostile)
	p.run(chromedp.EmulateViewport(360, 740))
	for place, sign := range places {
		p.visit(place)
		p.wait(`document.querySelector(".view:not([hidden]) ` + sign + `")`)
		if width := eval[int](p, `document.documentElement.scrollWidth`); width > 360 {
			t.Errorf("%s is %d wide", place, width)
		}
	}
	p.do(`document.getElementById("state-text").textContent = "12,345,678 of 12,345,679 to come"`)
	if right := eval[float64](p, `document.getElementById("q").getBoundingClientRect().right`); right > 360-16 {
		t.Errorf("beside a long state the search box ends at %v", right)
	}
	if right := eval[float64](p, `document.getElementById("theme").getBoundingClientRect().right`); right > 360 {
		t.Errorf("beside a long state the header ends at %v", right)
	}
	p.visit("#/")
	p.wait(`document.querySelector(".result") && getComputedStyle(document.getElementById("filters")).display === "none"`)
	p.click(".filters-toggle")
	p.wait(`getComputedStyle(document.getElementById("filters")).display !== "none"`)
}

func TestAccessibility(t *testing.T) {
	p := open(t, "")
	for _, scheme := range []string{"light", "dark"} {
		p.media(map[string]string{"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"})
		for place, sign := range places {
			p.visit(place)
			p.wait(`document.querySelector(".view:not([hidden]) ` + sign + `") && !document.querySelector(".view:not([hidden]) :is(.bone, [aria-busy=true])")`)
			t.Logf("%s, %s", place, scheme)
			p.axe()
		}
		p.do(`document.getElementById("help").showModal()`)
		p.axe()
		p.do(`document.getElementById("help").close()`)
	}
}

func TestSourcesAndGaps(t *testing.T) {
	p := open(t, "#/sources")
	p.wait(`document.querySelectorAll(".card").length === 3`)
	if got := p.text("#state"); got != "9 lost" {
		t.Errorf("the header says %q", got)
	}
	problems := eval[string](p, `[...document.querySelectorAll(".verdict li, .card .problems li")].map((li) => li.innerHTML).join("\n")`)
	if want := "crm: 9 parts are lost; <code>callsyncd gaps</code> lists them.\nThe disk is nearly full: `.\n" +
		"3 recordings are lost and nobody has accepted that, see <code>callsyncd gaps</code>."; problems != want {
		t.Errorf("problems:\n%s\nwant\n%s", problems, want)
	}
	p.click(".card .button")
	p.wait(`document.querySelector(".card-foot").innerText.includes("Woken")`)
	p.click(`.card a[href*="state=lost"]`)
	p.wait(`document.querySelectorAll(".gaps tbody tr").length === 3 && !document.querySelector(".gaps .tag-pending")`)
	p.click(".gaps tbody .button")
	p.press("The vendor confirmed it\r")
	p.wait(`document.querySelector(".gaps tbody tr").innerText.includes("Accepted just now: The vendor confirmed it")`)
	if got := p.archive.noted(); got != "sync crm; accept crm/c0051 recording: The vendor confirmed it" {
		t.Errorf("done: %s", got)
	}
	p.click(".gaps tbody a")
	p.wait(`document.querySelector("#view-call .part-lost")`)
	p.quiet()
}

// TestPictures takes the pictures of the documentation.
func TestPictures(t *testing.T) {
	if os.Getenv("CALLSYNCD_SHOTS") == "" {
		t.Skip("CALLSYNCD_SHOTS names no folder for pictures")
	}
	views := map[string]string{"all": "#/", "search": "#/?q=refund", "call": firstCall + "?turn=1", "sources": "#/sources", "gaps": "#/gaps"}
	for name, size := range map[string][2]int64{"desktop": {1280, 860}, "phone": {360, 740}} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(name+"-"+scheme, func(t *testing.T) {
				p := open(t, "")
				p.run(chromedp.EmulateViewport(size[0], size[1], chromedp.EmulateScale(2)))
				p.media(map[string]string{"prefers-color-scheme": scheme})
				for view, place := range views {
					p.visit(place)
					p.wait(`document.querySelector(".view:not([hidden])").querySelector(".result, .turn, .card, tbody tr") && !document.querySelector(".view:not([hidden]) :is(.bone, [aria-busy=true])")`)
					p.shot(view + "-" + name + "-" + scheme)
				}
			})
		}
	}
}
