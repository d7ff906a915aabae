package web_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// Here somebody does something just while the page does.

// What is typed just when a search begins stays in the box.
func TestTypingGoesOn(t *testing.T) {
	p := open(t, "")
	p.do(`const q = document.getElementById("q");
		q.value = "ref";
		q.form.requestSubmit();
		q.value = "refund";
		q.dispatchEvent(new Event("input"))`)
	p.wait(`location.hash === "#/?q=refund" && document.querySelector(".snippet mark")?.innerText === "refund"`)
	if got := eval[string](p, `document.getElementById("q").value`); got != "refund" {
		t.Errorf("the box holds %q", got)
	}
	p.run(chromedp.NavigateBack())
	p.wait(`document.getElementById("q").value === "" && document.querySelector(".count").innerText.startsWith("200 calls")`)
}

// A button's picture may change between press and release, as the theme's does
// when the system's choice changes just then: the click counts all the same.
func TestPictureChangesUnderThePointer(t *testing.T) {
	p := open(t, "")
	p.media(map[string]string{"prefers-color-scheme": "light"})
	p.wait(`document.querySelector("#theme .icon-moon")`)
	x, y := p.middle("#theme")
	p.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, x, y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	p.media(map[string]string{"prefers-color-scheme": "dark"})
	p.wait(`document.querySelector("#theme .icon-sun")`)
	p.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, x, y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	p.wait(`document.documentElement.dataset.theme === "light"`)
}

// A bar that is pressed is not drawn anew for a change of anything but the width.
func TestBarsStayInPlace(t *testing.T) {
	p := open(t, "")
	p.wait(`document.querySelector(".bar")`)
	redrawn := func(style string) bool {
		return eval[bool](p, `new Promise((done) => {
			const bar = document.querySelector(".bar"), timeline = document.querySelector(".timeline");
			new ResizeObserver((_, o) => { // which looks once as it begins, and is told after the page's own
				if (!timeline.style.cssText) return timeline.style.cssText = `+quote(style)+`;
				o.disconnect();
				timeline.style.cssText = "";
				done(!bar.isConnected);
			}).observe(timeline);
		})`)
	}
	if redrawn("height: 400px") {
		t.Error("another height draws the bars anew")
	}
	if !redrawn("width: 400px") {
		t.Error("another width does not draw the bars anew")
	}
}

// An answer that comes after another choice was made adds nothing to it.
func TestGapsOfAnEarlierChoice(t *testing.T) {
	p := newTab(t)
	held, released := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	var first atomic.Bool
	inner := p.server.Config.Handler
	p.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/gaps" && first.CompareAndSwap(false, true) {
			close(held)
			<-released
		}
		inner.ServeHTTP(w, r)
	})
	link, err := p.client.OpenLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.navigate(link.Value.URL)
	p.wait(`document.querySelector(".result")`)
	p.visit("#/gaps")
	<-held
	p.visit("#/gaps?source=crm")
	p.wait(`document.querySelector(".gaps tbody tr")`)
	chosen := p.count(".gaps tbody tr")
	release()
	p.wait(`performance.getEntriesByType("resource").filter((e) => e.name.includes("/v1/gaps")).length === 2`)
	eval[int](p, `fetch("/v1/gaps?limit=200").then((r) => r.json()).then((a) => a.data.length)`) // what came before is done with
	if n := p.count(".gaps tbody tr"); n != chosen {
		t.Errorf("%d rows became %d", chosen, n)
	}
}
