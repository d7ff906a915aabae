package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

func newGaps(a *app) *cobra.Command {
	var source, cursor string
	var limit int
	c := &cobra.Command{
		Use:   "gaps",
		Short: "List every part that is not stored, and why",
		Long: `Gaps lists every part of a call that should be in the archive and is not: pending parts with
their next try, lost ones with the reason. It exits with 3 while any of them is pending, or lost and not
acknowledged, or while a source has never been read completely.`,
		Example: `  callsyncd gaps --source crm
  callsyncd gaps ack crm/7f3d8e00-a1b2-4c3d-9e4f-567890abcdef recording \
    --reason "vendor confirmed that it was never recorded"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("limit") && limit < 1 {
				return usageError("", "--limit: %d is less than 1", limit)
			}
			return a.with(c.Context(), everySource, func(r *archive) error {
				return a.gaps(c.Context(), r, call.SourceID(source), limit, cursor)
			})
		},
	}
	c.Flags().StringVar(&source, "source", "", "only of this `source`")
	c.Flags().IntVar(&limit, "limit", 0, "most rows in one answer, up to 200 (default 25)")
	c.Flags().StringVar(&cursor, "cursor", "", "go on after an earlier answer, whose next_cursor this is")
	a.jsonFlag(c)
	c.AddCommand(newGapsAck(a))
	return c
}

func (a *app) gaps(ctx context.Context, r *archive, source call.SourceID, limit int, cursor string) error {
	page, err := r.Gaps(ctx, source, limit, cursor)
	if err != nil {
		return err
	}
	now, err := r.Status(ctx)
	if err != nil {
		return err
	}
	var chosen []call.SourceID
	if source != "" {
		chosen = []call.SourceID{source}
	}
	never := unread(&now.Value, chosen)
	if a.json {
		if err := a.printJSON(page.Body); err != nil {
			return err
		}
	} else {
		a.printGaps(&page.Value)
		a.printDoubts(&now.Value, source)
		a.noteUnread(never)
	}
	if len(never) > 0 {
		return exitWith(exitPartial)
	}
	open, err := anyOpen(ctx, r, source, &page.Value, cursor != "")
	if err == nil && open {
		return exitWith(exitPartial)
	}
	return err
}

// printDoubts says what may be missing although it is no gap, such as calls
// that a vendor counts and does not list.
func (a *app) printDoubts(now *call.StatusReport, source call.SourceID) {
	for i := range now.Sources {
		s := &now.Sources[i]
		if source == "" || source == s.Name {
			a.printProblems(s.Name, doubtsOf(s))
		}
	}
}

// anyOpen looks for a part that is pending, or lost and not acknowledged, beyond the page where it has to.
func anyOpen(ctx context.Context, r *archive, source call.SourceID, page *client.Page[call.Gap], fromStart bool) (bool, error) {
	next := page.Pagination.NextCursor
	if fromStart {
		next = new(string)
	}
	for {
		for i := range page.Data {
			if x := &page.Data[i]; x.State == call.Pending || x.Acknowledged == nil {
				return true, nil
			}
		}
		if next == nil {
			return false, nil
		}
		more, err := r.Gaps(ctx, source, 200, *next)
		if err != nil {
			return false, err
		}
		page, next = &more.Value, more.Value.Pagination.NextCursor
	}
}

func (a *app) printGaps(page *client.Page[call.Gap]) {
	if len(page.Data) == 0 {
		a.say("no gaps: nothing of any known call is open")
		return
	}
	g := newGrid("part", "state", "reason", "next try (UTC)", "deadline (UTC)", ">attempts", "acknowledged", "key")
	for i := range page.Data {
		x := &page.Data[i]
		ack := "-"
		if x.Acknowledged != nil {
			ack = clip(safe(x.Acknowledged.Reason), 40)
		}
		g.row(safe(string(x.Part)), safe(string(x.State)), or(x.Reason, "-"), momentOr(x.NextTry, "-"), momentOr(x.Deadline, "-"), x.Attempts, ack, safe(x.Key.String()))
	}
	g.print(a.stdout)
	a.explainReasons(page.Data)
	a.say("%s of %s", count(len(page.Data)), plural(page.Pagination.Total, "gap"))
	a.more(page.Pagination)
}

func newGapsAck(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "ack KEY PART",
		Short: "Accept the loss of a part, with a reason that is kept",
		Long: `Ack accepts that a part is lost. A part that is still pending can be accepted once its late horizon
has passed (it has no deadline any more); it then counts as lost, and is tried again only when the
vendor shows the call changed, or lists it again after it was gone.`,
		Example: `  callsyncd gaps ack crm/7f3d8e00-a1b2-4c3d-9e4f-567890abcdef recording \
    --reason "vendor confirmed that it was never recorded"`,
		Args: wants("KEY", "PART"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := call.ParseKey(args[0])
			if err != nil {
				return usageError("", "%v", err)
			}
			part := call.PartName(args[1])
			if !knownPart(part) {
				return usageError("", "%q is not a part: say %s", args[1], partList())
			}
			if strings.TrimSpace(reason) == "" {
				return usageError(`add --reason "why this loss is accepted"`, "gaps ack wants a reason")
			}
			return a.with(c.Context(), everySource, func(r *archive) error {
				return a.acknowledge(c.Context(), r, client.Loss{Key: key, Part: part, Reason: reason})
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why the loss is accepted; kept with the call")
	a.jsonFlag(c)
	return c
}

func (a *app) acknowledge(ctx context.Context, r *archive, loss client.Loss) error {
	done, err := r.Acknowledge(ctx, loss)
	switch {
	case exitCode(err) == exitNotFound:
		return &fault{exitNotFound, fmt.Errorf("acknowledge %s of %s: there is no such call in the archive", loss.Part, loss.Key), "list keys with `callsyncd gaps`"}
	case err != nil:
		return fmt.Errorf("acknowledge %s of %s: %w", loss.Part, loss.Key, err)
	case a.json:
		return a.printJSON(done.Body)
	}
	a.say("acknowledged: %s of %s is lost", loss.Part, safe(loss.Key.String()))
	return nil
}

func knownPart(part call.PartName) bool {
	for _, p := range call.PartNames {
		if p == part {
			return true
		}
	}
	return false
}

func partList() string {
	var list []string
	for _, p := range call.PartNames {
		list = append(list, string(p))
	}
	return strings.Join(list, ", ")
}
