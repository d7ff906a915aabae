package simulator

import "net/http"

// ccCampaign is a row of the campaigns list.
type ccCampaign struct {
	UUID                  string            `json:"uuid"`
	Name                  string            `json:"name"`
	Description           string            `json:"description"`
	Status                string            `json:"status"`
	Type                  string            `json:"type"`
	Timezone              string            `json:"timezone"`
	Schedule              map[string]string `json:"schedule"`
	RecordTypeUUID        *string           `json:"recordTypeUuid"`
	OutboundAssistantUUID *string           `json:"outboundAssistantUuid"`
	InboundAssistantUUID  *string           `json:"inboundAssistantUuid"`
	OutboundPhoneUUID     *string           `json:"outboundPhoneUuid"`
	InboundPhoneUUID      *string           `json:"inboundPhoneUuid"`
	CreatedAt             string            `json:"createdAt"`
	UpdatedAt             string            `json:"updatedAt"`
}

// ccRecord is a contact.
type ccRecord struct {
	UUID        string            `json:"uuid"`
	Name        string            `json:"name"`
	FirstName   string            `json:"firstName"`
	LastName    string            `json:"lastName"`
	Email       string            `json:"email"`
	PhoneNumber string            `json:"phoneNumber"`
	Country     string            `json:"country"`
	Status      string            `json:"status"`
	Parameters  map[string]string `json:"parameters"`
	CreatedAt   string            `json:"createdAt"`
	UpdatedAt   string            `json:"updatedAt"`
}

// ccOrder puts a record into a campaign.
type ccOrder struct {
	UUID         string      `json:"uuid"`
	CampaignUUID string      `json:"campaignUuid"`
	Status       string      `json:"status"`
	Price        float64     `json:"price"`
	CurrencyCode string      `json:"currencyCode"`
	Record       ccOrderedBy `json:"record"`
}

// ccOrderedBy is the record inside an order.
type ccOrderedBy struct {
	UUID        string `json:"uuid"`
	Name        string `json:"name"`
	PhoneNumber string `json:"phoneNumber"`
}

// ccPage counts the rows of a lookup list.
type ccPage struct {
	Total      int `json:"total"`
	Page       int `json:"page"`
	Limit      int `json:"limit"`
	TotalPages int `json:"totalPages"`
}

func pageOf(win window, total int) ccPage {
	return ccPage{total, win.number(), win.size, (total + win.size - 1) / win.size}
}

func callCampMe(q *request) (any, *refusal) {
	type client struct {
		UUID   string `json:"uuid"`
		Name   string `json:"name"`
		Type   string `json:"type"`
		Status string `json:"status"`
	}
	type user struct {
		UUID        string   `json:"uuid"`
		Email       string   `json:"email"`
		Name        string   `json:"name"`
		Permissions []string `json:"permissions"`
		Client      client   `json:"client"`
		Status      string   `json:"status"`
	}
	return struct {
		User user `json:"user"`
	}{user{uuid(q.seed, "user", 0), "owner@example.org", "Dana Owner", []string{"campaigns:read", "calls:read"},
		client{uuid(q.seed, "client", 0), "Acme Inc.", "growth", "active"}, "active"}}, nil
}

func callCampCampaigns(q *request) (any, *refusal) {
	picked, win, refused := q.lookup(campaignCount, "limit", 10, true)
	if refused != nil {
		return nil, refused
	}
	list := make([]ccCampaign, 0, len(picked))
	for _, n := range picked {
		m := q.campaign(n)
		row := ccCampaign{UUID: m.id, Name: m.name, Description: m.name, Status: "active", Type: "outbound", Timezone: "UTC",
			CreatedAt: q.longAgo(), UpdatedAt: q.longAgo()}
		assistant := ptr(uuid(q.seed, "assistant", uint64(n)))
		if m.inbound {
			row.Type, row.InboundAssistantUUID = "inbound", assistant
		} else {
			row.OutboundAssistantUUID = assistant
		}
		list = append(list, row)
	}
	return join(struct {
		Campaigns []ccCampaign `json:"campaigns"`
	}{list}, pageOf(win, campaignCount)), nil
}

func callCampRecords(q *request) (any, *refusal) {
	picked, win, refused := q.lookup(q.people, "limit", 10, true)
	if refused != nil {
		return nil, refused
	}
	list := make([]ccRecord, 0, len(picked))
	for _, n := range picked {
		p := q.person(n)
		list = append(list, ccRecord{p.id, p.name(), p.first, p.last, p.email, p.phone, "US", "active",
			map[string]string{}, q.longAgo(), q.longAgo()})
	}
	return join(struct {
		Records []ccRecord `json:"records"`
	}{list}, pageOf(win, q.people)), nil
}

func callCampOrders(q *request) (any, *refusal) {
	number := -1
	for n := range campaignCount {
		if q.campaign(n).id == q.id {
			number = n
		}
	}
	if number < 0 {
		return nil, &refusal{http.StatusNotFound, "not_found", "Campaign not found"}
	}
	picked, win, refused := q.lookup(q.people, "limit", 10, true)
	if refused != nil {
		return nil, refused
	}
	list := make([]ccOrder, 0, len(picked))
	for _, n := range picked {
		p := q.person(n)
		list = append(list, ccOrder{q.orderID(number, n), q.id, "completed", 0.45, "USD", ccOrderedBy{p.id, p.name(), p.phone}})
	}
	return join(struct {
		Orders []ccOrder `json:"orders"`
	}{list}, pageOf(win, q.people)), nil
}
