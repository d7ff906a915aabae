package simulator

import (
	"net/http"
	"time"
)

// ssUser is a row of the users list.
type ssUser struct {
	ID        string `json:"id"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Email     string `json:"email"`
	Phone     string `json:"phone"`
	Role      string `json:"role"`
}

// ssValue is one email or phone of a person.
type ssValue struct {
	Value     string `json:"value"`
	Type      string `json:"type"`
	Status    string `json:"status"`
	IsPrimary bool   `json:"isPrimary"`
}

// ssPerson is a contact.
type ssPerson struct {
	ID        string    `json:"id"`
	FirstName string    `json:"firstName"`
	LastName  string    `json:"lastName"`
	Name      string    `json:"name"`
	Emails    []ssValue `json:"emails"`
	Phones    []ssValue `json:"phones"`
	Addresses []string  `json:"addresses"`
	Tags      []string  `json:"tags"`
	Stage     *string   `json:"stage"`
	Source    *string   `json:"source"`
	CreatedAt string    `json:"createdAt"`
	UpdatedAt string    `json:"updatedAt"`
}

// rowsMeta counts the rows of a lookup list.
type rowsMeta struct {
	Total  int `json:"total_count"`
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
}

// numbers are 0 to n-1.
func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// lookup returns the numbers of the rows asked for, by limit and offset or page.
func (q *request) lookup(rows int, sizeName string, fallback int, clamp bool) ([]int, window, *refusal) {
	size, refused := q.size(sizeName, fallback, 100, clamp)
	if refused != nil {
		return nil, window{}, refused
	}
	win, refused := q.skipped(size)
	if _, paged := q.params["page"]; paged && refused == nil {
		win, refused = q.paged(size)
	}
	return cut(numbers(rows), win), win, refused
}

func sureSendUsers(q *request) (any, *refusal) {
	picked, win, refused := q.lookup(agentCount, "limit", 25, false)
	if refused != nil {
		return nil, refused
	}
	users := make([]ssUser, 0, len(picked))
	for _, n := range picked {
		a := q.agent(n)
		users = append(users, ssUser{ID: a.id, FirstName: a.first, LastName: a.last, Email: "user" + digits(n, 2) + "@example.org",
			Phone: q.ownNumber(n), Role: "member"})
	}
	return struct {
		Users []ssUser `json:"users"`
		Meta  rowsMeta `json:"meta"`
	}{users, rowsMeta{agentCount, win.skip, win.size}}, nil
}

// sureSendContact is a person in the vendor's form. The address that is not
// primary comes first, so that a reader has to look.
func (w *world) sureSendContact(n int) ssPerson {
	p := w.person(n)
	return ssPerson{ID: p.id, FirstName: p.first, LastName: p.last, Name: p.name(),
		Emails: []ssValue{{"old." + p.email, "home", "active", false}, {p.email, "work", "active", true}},
		Phones: []ssValue{{"+1-" + spoken(p.phone), "mobile", "active", true}}, Addresses: []string{}, Tags: []string{},
		CreatedAt: stamp(w.sim.started.Add(-400 * 24 * time.Hour)), UpdatedAt: stamp(w.sim.started.Add(-40 * 24 * time.Hour))}
}

func sureSendPeople(q *request) (any, *refusal) {
	picked, win, refused := q.lookup(q.people, "limit", 25, false)
	if refused != nil {
		return nil, refused
	}
	people := make([]ssPerson, 0, len(picked))
	for _, n := range picked {
		people = append(people, q.sureSendContact(n))
	}
	return struct {
		People []ssPerson `json:"people"`
		Meta   rowsMeta   `json:"meta"`
	}{people, rowsMeta{q.people, win.skip, win.size}}, nil
}

func sureSendPerson(q *request) (any, *refusal) {
	n, ok := q.personOf(q.id)
	if !ok {
		return nil, &refusal{http.StatusNotFound, "not_found", "Person not found"}
	}
	return q.sureSendContact(n), nil
}

// personOf finds somebody by the contact's identifier.
func (w *world) personOf(id string) (int, bool) {
	for n := range w.people {
		if w.spec.id(w.seed, "contact", uint64(n)) == id {
			return n, true
		}
	}
	return 0, false
}
