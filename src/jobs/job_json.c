/*
 * job_json.c - written by hand: what was stored as JSON goes out as it came in.
 */
#include "jobs/job_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "http/json_string.h"
#include "http/json_text.h"
#include "jobs/kinds.h"

static bool
put_text(struct buffer *out, struct span s)
{
	return buffer_append(out, s.ptr, s.len, JOB_REPLY_MAX);
}

static bool
put_string(struct buffer *out, struct span s)
{
	return json_string_append(out, s, JOB_REPLY_MAX);
}

bool
job_time_json(struct buffer *out, int64_t ms)
{
	const time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return put_text(out, SPAN_LIT("null"));
	return buffer_printf(out, JOB_REPLY_MAX, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"",
			     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			     tm.tm_sec, (int)(ms % 1000));
}

static bool
put_time(struct buffer *out, struct span before, int64_t ms)
{
	return ms == 0 || (put_text(out, before) && job_time_json(out, ms));
}

/* With what its kind shows nobody masked. */
static bool
put_args(struct buffer *out, const struct job_row *row)
{
	static const struct json_text_rules rules = {
	    .what = "args", .max = SIZE_MAX, .allows_nul = true, .is_stored = true};
	const struct job_kind *kind = job_kind_find(row->kind);
	struct json_text_error error;

	if (!kind || !kind->show)
		return put_text(out, row->args);
	json_t *args = json_text_load(row->args, &rules, &error);
	/* what cannot be read cannot be masked: it is not shown at all */
	if (!args)
		return error.status != 503 && put_text(out, SPAN_LIT("null"));
	kind->show(args);
	char *shown = json_dumps(args, JSON_COMPACT | JSON_ENCODE_ANY);
	const bool ok = shown && put_text(out, span_str(shown));
	json_decref(args);
	free(shown);
	return ok;
}

/* All but the closing brace. */
static bool
put_head(struct buffer *out, const struct job_row *row)
{
	char id[UUID_TEXT_SIZE];

	uuid_print(&row->id, id);
	return buffer_printf(out, JOB_REPLY_MAX, "{\"id\":\"%s\",\"kind\":", id) &&
	       put_string(out, row->kind) && put_text(out, SPAN_LIT(",\"queue\":")) &&
	       put_string(out, row->queue) &&
	       buffer_printf(out, JOB_REPLY_MAX,
			     ",\"state\":\"%s\",\"priority\":%u,\"attempt\":%u,\"max_attempts\":%u",
			     job_state_name(row->state), row->priority, row->attempt,
			     row->max_attempts) &&
	       put_time(out, SPAN_LIT(",\"created_at\":"), row->created_ms) &&
	       put_time(out, SPAN_LIT(",\"run_at\":"), row->run_at_ms) &&
	       put_time(out, SPAN_LIT(",\"ended_at\":"), row->ended_ms) &&
	       (row->progress < 0 ||
		buffer_printf(out, JOB_REPLY_MAX, ",\"progress\":{\"pct\":%d}", row->progress)) &&
	       (!row->is_cancelling || put_text(out, SPAN_LIT(",\"cancelling\":true"))) &&
	       (!row->unique.ptr ||
		(put_text(out, SPAN_LIT(",\"unique\":")) && put_string(out, row->unique)));
}

bool
job_json_brief(struct buffer *out, const struct job_row *row)
{
	return put_head(out, row) && put_text(out, SPAN_LIT("}"));
}

bool
job_json(struct buffer *out, const struct job_row *row)
{
	return put_head(out, row) &&
	       (!row->args.len || (put_text(out, SPAN_LIT(",\"args\":")) && put_args(out, row))) &&
	       (!row->result.len ||
		(put_text(out, SPAN_LIT(",\"result\":")) && put_text(out, row->result))) &&
	       (!row->errors.len ||
		(put_text(out, SPAN_LIT(",\"errors\":")) && put_text(out, row->errors))) &&
	       put_text(out, SPAN_LIT("}"));
}

/* A limit, and whose it is: the queue's own one if it is below the conf's, which is its ceiling. */
static bool
put_limit(struct buffer *out, const char *name, int64_t own, uint64_t conf)
{
	const bool is_own = own >= 0 && (uint64_t)own < conf;

	return buffer_printf(out, JOB_REPLY_MAX, "\"%s\":{\"value\":%" PRIu64 ",\"source\":\"%s\"}",
			     name, is_own ? (uint64_t)own : conf, is_own ? "queue" : "conf");
}

bool
job_queue_json(struct buffer *out, const struct queue_row *row, const struct config *config,
	       uint64_t drained_per_s)
{
	return put_text(out, SPAN_LIT("{\"queue\":")) && put_string(out, row->name) &&
	       buffer_printf(out, JOB_REPLY_MAX,
			     ",\"depth\":%" PRId64 ",\"running\":%" PRId64 ",\"ready\":%" PRId64
			     ",\"scheduled\":%" PRId64 ",\"oldest_age_s\":%.3f,"
			     "\"drained_per_s\":%.1f,\"paused\":%s,\"limits\":{",
			     row->ready + row->later, row->running, row->ready, row->later,
			     (double)row->oldest_ms / 1000, (double)drained_per_s / 1000,
			     row->is_paused ? "true" : "false") &&
	       put_limit(out, "concurrency", row->concurrency, config->jobs_queue_concurrency) &&
	       put_text(out, SPAN_LIT(",")) &&
	       put_limit(out, "depth", row->depth, config->jobs_queue_depth) &&
	       put_text(out, SPAN_LIT("}}"));
}
