/* node/explain.c - the rules, each with what it takes to be one:
 *
 *   nobody is connected           the tracker's fault when it has not answered
 *   pieces are nowhere            the end cannot be reached, however fast it goes
 *   choked                        fewer than a third of those who have something let us download
 *   silent                        a third of those who let us owe us blocks for long
 *   disk                          peers waited for it a fifth of the time
 *   one peer                      gives four fifths or more, though there are others
 *   few sources                   one or two have what is missing */
#include "node/explain.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

struct verdict {
	struct explain_finding *out;
	uint32_t n;
};

static void find(struct verdict *v, enum explain_cause cause, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct verdict *v, enum explain_cause cause, const char *fmt, ...)
{
	struct explain_finding *f = &v->out[v->n];
	va_list ap;

	if (v->n == EXPLAIN_FINDINGS_MAX)
		return;
	f->cause = cause;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	v->n++;
}

const char *explain_word(enum explain_cause c)
{
	static const char *const words[] = {"limit",	  "not_downloading", "tracker", "no_peers",
					    "incomplete", "choked",	     "silent",	"disk",
					    "one_peer",	  "few_sources",     "peers"};

	return words[c];
}

static const char *s_of(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static bool not_downloading(struct verdict *v, const struct explain_facts *f)
{
	char done[32], total[32];

	switch (f->phase) {
	case TRANSFER_CHECKING:
		find(v, EXPLAIN_NOT_DOWNLOADING, "what is on disk is being checked first");
		return true;
	case TRANSFER_FINISHING:
		find(v, EXPLAIN_NOT_DOWNLOADING, "all is here; the disk is writing the last of it");
		return true;
	case TRANSFER_SEEDING:
		if (f->done_bytes < f->total_bytes)
			find(v, EXPLAIN_NOT_DOWNLOADING,
			     "%s of %s is served to others: the rest was changed on disk",
			     text_size(done, sizeof(done), f->done_bytes),
			     text_size(total, sizeof(total), f->total_bytes));
		else
			find(v, EXPLAIN_NOT_DOWNLOADING, "it is complete, and served to others");
		return true;
	case TRANSFER_STALLED:
		find(v, EXPLAIN_DISK, "paused by the disk: %.160s", f->why);
		return true;
	case TRANSFER_FAILED:
		find(v, EXPLAIN_NOT_DOWNLOADING, "it failed with %s of %s: %.160s",
		     text_size(done, sizeof(done), f->done_bytes),
		     text_size(total, sizeof(total), f->total_bytes), f->why);
		return true;
	case TRANSFER_DOWNLOADING:
		break;
	}
	return false;
}

static void judge_company(struct verdict *v, const struct explain_facts *f)
{
	bool trouble = f->tracker_error[0] != '\0';

	if (trouble && f->tracker_ok == 0)
		find(v, EXPLAIN_TRACKER, "no tracker has answered (%u announce%s failed): %.120s",
		     f->tracker_failed, s_of(f->tracker_failed), f->tracker_error);
	else if (trouble && f->useful <= 2)
		find(v, EXPLAIN_TRACKER, "the tracker does not answer now: %.120s",
		     f->tracker_error);
	if (f->peers == 0 && f->sources > 0)
		find(v, EXPLAIN_FEW_SOURCES, "few sources: no peer is connected, %u web server%s",
		     f->sources, f->sources == 1 ? " brings it" : "s bring it");
	else if (f->peers == 0 && f->dialing > 0)
		find(v, EXPLAIN_NO_PEERS, "no peer is connected yet; %u %s being called",
		     f->dialing, f->dialing == 1 ? "is" : "are");
	else if (f->peers == 0)
		find(v, EXPLAIN_NO_PEERS, "no peer is connected, of %u that %s known", f->addresses,
		     f->addresses == 1 ? "is" : "are");
}

static void judge_choking(struct verdict *v, const struct explain_facts *f)
{
	if (f->useful > 0 && f->unchoked * 3 < f->useful)
		find(v, EXPLAIN_CHOKED,
		     "choked: of %u peer%s with something that is missing %u let%s us download now",
		     f->useful, s_of(f->useful), f->unchoked, f->unchoked == 1 ? "s" : "");
	if (f->snubbed > 0 && f->snubbed * 3 >= f->unchoked)
		find(
		    v, EXPLAIN_SILENT,
		    "%u of the %u peer%s that let us download owe us blocks for long (%u are asked "
		    "for)",
		    f->snubbed, f->unchoked, s_of(f->unchoked), f->requests);
}

static void judge_sources(struct verdict *v, const struct explain_facts *f)
{
	char rate[32];

	if (f->useful > 1 && f->down_bps > 0 && f->best_bps * 5 >= f->down_bps * 4)
		find(v, EXPLAIN_ONE_PEER,
		     "one peer sends %u %% of it: %s, with a round trip of %u.%u ms",
		     (unsigned)(f->best_bps >= f->down_bps ? 100 : f->best_bps * 100 / f->down_bps),
		     text_rate(rate, sizeof(rate), f->best_bps), f->best_rtt_us / 1000,
		     f->best_rtt_us % 1000 / 100);
	if (f->useful == 1 || f->useful == 2)
		find(v, EXPLAIN_FEW_SOURCES,
		     "few sources: %u connected peer%s %s what is missing; the fastest sends %s",
		     f->useful, s_of(f->useful), f->useful == 1 ? "has" : "have",
		     text_rate(rate, sizeof(rate), f->best_bps));
}

uint32_t explain_judge(const struct explain_facts *f,
		       struct explain_finding out[EXPLAIN_FINDINGS_MAX])
{
	struct verdict v = {.out = out};
	char rate[32];

	if (not_downloading(&v, f))
		return v.n;
	if (f->limit_bps > 0)
		find(&v, EXPLAIN_LIMIT, "the limit: %s is allowed %s",
		     text_rate(rate, sizeof(rate), f->limit_bps),
		     f->limit_own ? "for this one" : "for all together");
	judge_company(&v, f);
	if (f->peers > 0 && f->nowhere > 0)
		find(&v, EXPLAIN_INCOMPLETE,
		     "%u piece%s of what is missing %s at no connected peer", f->nowhere,
		     s_of(f->nowhere), f->nowhere == 1 ? "is" : "are");
	judge_choking(&v, f);
	if (f->run_ms > 0 && f->disk_wait_ms * 5 >= f->run_ms)
		find(&v, EXPLAIN_DISK,
		     "the disk: peers waited for it %u %% of the time (%u.%u s of %u.%u s)",
		     (unsigned)(f->disk_wait_ms * 100 / f->run_ms),
		     (unsigned)(f->disk_wait_ms / 1000), (unsigned)(f->disk_wait_ms % 1000 / 100),
		     (unsigned)(f->run_ms / 1000), (unsigned)(f->run_ms % 1000 / 100));
	judge_sources(&v, f);
	if (v.n == 0)
		find(&v, EXPLAIN_PEERS,
		     "nothing is in the way: %u peers send %s together, %u blocks are on their way",
		     f->unchoked, text_rate(rate, sizeof(rate), f->down_bps), f->requests);
	return v.n;
}
