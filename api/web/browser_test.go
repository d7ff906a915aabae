package web_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"callsyncd/api"
	"callsyncd/api/client"
)

// patience bounds every wait for the page. It is spent only when what is waited
// for never comes.
const patience = time.Minute

// chromium is one browser for all tests; each gets a tab of its own.
var chromium = sync.OnceValues(func() (context.Context, string) {
	path := os.Getenv("CALLSYNCD_CHROMIUM")
	if path == "" {
		path = "/usr/bin/chromium"
	}
	if _, err := os.Stat(path); err != nil {
		return nil, "no Chromium: install it, or name it in CALLSYNCD_CHROMIUM"
	}
	dir, err := os.MkdirTemp("", "callsyncd-web-")
	if err != nil {
		return nil, err.Error()
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(patience), chromedp.Env("TMPDIR="+dir), // it does not tidy up when it is ended
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("mute-audio", true), chromedp.Flag("lang", "en-GB"))
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, leave := chromedp.NewContext(ctx)
	stopChromium = func() {
		leave()
		end()
		chromedp.FromContext(ctx).Allocator.Wait()
		_ = os.RemoveAll(dir)
	}
	if err := chromedp.Do(ctx); err != nil {
		return nil, "Chromium does not start: " + err.Error()
	}
	return ctx, ""
})

var stopChromium = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stopChromium()
	os.Exit(code)
}

// tab is the page of one archive in a browser.
type tab struct {
	*testing.T
	ctx     context.Context
	server  *httptest.Server
	base    string
	archive *archive
	client  *client.Client

	mu       sync.Mutex
	problems []string // what the console complained of
}

// open starts a daemon over an archive, opens its page by a one-time link and
// goes to a place in it.
func open(t *testing.T, place string, prepare ...func(*archive)) *tab {
	p := newTab(t, prepare...)
	link, err := p.client.OpenLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.navigate(link.Value.URL)
	p.wait(`document.querySelectorAll(".result").length > 0`)
	if place != "" {
		p.visit(place)
	}
	return p
}

func newTab(t *testing.T, prepare ...func(*archive)) *tab {
	t.Helper()
	browser, why := chromium()
	if browser == nil {
		t.Skip(why)
	}
	t.Parallel()
	a := newArchive(t)
	for _, f := range prepare {
		f(a)
	}
	srv := httptest.NewUnstartedServer(nil)
	host := srv.Listener.Addr().String()
	srv.Config.Handler = api.New(api.Options{Store: a, Searcher: a, Media: a, Control: a, Statistician: a, Token: "page-test-token", Hosts: []string{host},
		InstallID: "test", Version: "1.4.0", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	srv.Start()
	t.Cleanup(srv.Close)
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &tab{T: t, ctx: ctx, server: srv, base: srv.URL, archive: a, client: client.New(srv.URL, "page-test-token", nil)}
	p.run(chromedp.EmulateViewport(1280, 860))
	err := chromedp.Listen(ctx, func(ev any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			p.problems = append(p.problems, "exception: "+ev.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			p.problems = append(p.problems, ev.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if p.ctx.Err() == nil && chromedp.FromContext(p.ctx).Target == nil {
		ctx = p.ctx // the first run makes the tab, which would end with its context
	}
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

func (p *tab) navigate(url string) {
	p.Helper()
	p.run(chromedp.Navigate("about:blank"), chromedp.Navigate(url))
}

// eval answers the value of an expression in the page; a promise is awaited.
func eval[T any](p *tab, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return v
}

// do runs statements in the page.
func (p *tab) do(statements string) {
	p.Helper()
	eval[bool](p, "(() => { "+statements+"; return true })()")
}

// wait returns when a condition holds in the page.
func (p *tab) wait(condition string) {
	p.Helper()
	limit := time.Now().Add(patience)
	holds := `new Promise((done) => {
		const so = () => { try { return ` + condition + ` } catch { return false } }; // it may ask for what is not there yet
		const look = (tries) => { if (so()) done(true); else if (!tries) done(false); else setTimeout(look, 10, tries - 1); };
		look(200);
	})`
	for !eval[bool](p, holds) {
		if time.Now().After(limit) {
			p.Fatalf("still not so: %s\nthe page says: %.600s", condition, eval[string](p, "document.body.innerText"))
		}
	}
}

func (p *tab) text(selector string) string {
	p.Helper()
	return eval[string](p, `document.querySelector(`+quote(selector)+`)?.innerText ?? ""`)
}

func (p *tab) count(selector string) int {
	p.Helper()
	return eval[int](p, `document.querySelectorAll(`+quote(selector)+`).length`)
}

// press types keys to whatever has the focus.
func (p *tab) press(keys string) {
	p.Helper()
	p.run(chromedp.KeyEvent(keys))
}

// insert gives text to whatever has the focus, all at once: keys that come
// slowly are searches of their own.
func (p *tab) insert(text string) {
	p.Helper()
	p.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
}

// click moves the pointer to the middle of an element and presses it.
func (p *tab) click(selector string) {
	p.Helper()
	p.run(chromedp.MouseClickXY(p.middle(selector)))
}

// middle answers where the middle of an element is, in CSS pixels of the
// window, once the element is in sight, has stayed in its place for a frame, and
// nothing else lies over it.
func (p *tab) middle(selector string) (x, y float64) {
	p.Helper()
	at := eval[[]float64](p, `new Promise((done) => {
		let before = "";
		const look = () => {
			const e = document.querySelector(`+quote(selector)+`);
			e.scrollIntoView({block: "center", behavior: "instant"});
			const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2, top = document.elementFromPoint(x, y);
			const now = [r.x, r.y, r.width, r.height].join();
			if (now === before && top && (e.contains(top) || top.contains(e))) return done([x, y]);
			before = now;
			requestAnimationFrame(look);
		};
		look();
	})`)
	return at[0], at[1]
}

// visit goes to a place in the page and returns when the page has begun to
// show it, so that nothing of the place before is taken for it.
func (p *tab) visit(place string) {
	p.Helper()
	eval[bool](p, `new Promise((done) => {
		if (location.hash === `+quote(place)+`) return done(true);
		addEventListener("hashchange", () => done(true), {once: true});
		location.hash = `+quote(place)+`;
	})`)
}

// search types into the box and waits for the answer.
func (p *tab) search(words, count string) {
	p.Helper()
	p.do(`document.getElementById("q").focus(); document.getElementById("q").select()`)
	p.press(words + "\r")
	p.wait(`document.querySelector(".count").innerText.startsWith(` + quote(count) + `)`)
}

func (p *tab) media(features map[string]string) {
	p.Helper()
	var list []*emulation.MediaFeature
	for name, value := range features {
		list = append(list, &emulation.MediaFeature{Name: name, Value: value})
	}
	p.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list})
		return err
	}))
}

// quiet fails the test when the console complained, of a broken content
// security policy above all.
func (p *tab) quiet() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		p.Errorf("console: %s", problem)
	}
}

// axe fails the test with every accessibility rule the page breaks.
func (p *tab) axe() {
	p.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		p.Skip("no axe-core: run npm ci --ignore-scripts in api/web/testdata")
	}
	if !eval[bool](p, `typeof window.axe === "object"`) {
		p.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: string(source)})
			return err
		}))
	}
	type violation struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	found := eval[[]violation](p, `axe.run().then((r) => r.violations.map(({id, help, nodes}) => ({id, help, nodes: nodes.map(({html, failureSummary}) => ({html, failureSummary}))})))`)
	for _, v := range found {
		p.Errorf("axe: %s: %s", v.ID, v.Help)
		for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
			p.Logf("%.200s\n%s", n.HTML, n.FailureSummary)
		}
	}
}

// shot keeps a picture of the page in the folder CALLSYNCD_SHOTS names.
func (p *tab) shot(name string) {
	p.Helper()
	dir := os.Getenv("CALLSYNCD_SHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		p.Fatal(err)
	}
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return string(b)
}
