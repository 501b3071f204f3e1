/*
 * job_api.c - requests about jobs.
 */
#include "ctl/job_api.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/lines.h"

#define NAME_MAX_BYTES 64
/* A server that answers before its time, as one that is about to stop does, is asked again so
 * late. */
#define PAUSE_MS 200
/* The last look may take so long beyond what is waited. */
#define GRACE_MS 2000

bool
job_id_make(char id[UUID_TEXT_SIZE])
{
	struct uuid uuid;

	if (!uuid_make(&uuid))
		return false;
	uuid_print(&uuid, id);
	return true;
}

bool
job_id_check(const char *text)
{
	struct uuid uuid;

	return uuid_parse(span_from(text, strlen(text)), &uuid);
}

bool
job_name_check(const char *text)
{
	const size_t len = strlen(text);

	/* these two mean something else in a path */
	return len >= 1 && len <= NAME_MAX_BYTES && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0 &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		   len;
}

bool
job_state_is_final(const char *state)
{
	static const char *const final[] = {"done", "failed", "dead", "cancelled"};

	for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++)
		if (strcmp(state, final[i]) == 0)
			return true;
	return false;
}

const char *
job_text(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text ? text : "";
}

const char *
job_cell(char cell[JOB_CELL_SIZE], const char *text)
{
	text_show(cell, JOB_CELL_SIZE, span_str(*text ? text : "-"));
	return cell;
}

/* --- calls --- */

void
job_path(char path[JOB_PATH_SIZE], const char *id, const char *rest)
{
	snprintf(path, JOB_PATH_SIZE, JOBS_PATH "/%s%s", id, rest);
}

void
job_misunderstood(const struct api *api, const char *path, struct api_answer *answer)
{
	answer->status = 0;
	snprintf(answer->why, sizeof(answer->why),
		 "%s%.150s: the answer is not what this program understands", api->server, path);
}

bool
job_send(struct api *api, const char *method, const char *path, struct span body,
	 struct api_answer *answer, json_t **json)
{
	const struct api_request request = {
	    .method = method,
	    .path = path,
	    .type = body.len ? "application/json" : NULL,
	    .accept = "application/json",
	    .body = body,
	};

	*json = NULL;
	api_send(api, &request, answer);
	if (answer->status < 200 || answer->status > 299)
		return false;
	if (answer->body.len)
		*json = json_loadb(answer->body.data, answer->body.len, JSON_ALLOW_NUL, NULL);
	if (*json)
		return true;
	job_misunderstood(api, path, answer);
	return false;
}

/* UINT64_MAX: as long as it takes */
static uint64_t
left_ms(const struct job_wish *wish)
{
	const uint64_t now = clock_monotonic_ms();

	if (!wish->until_ms)
		return UINT64_MAX;
	return wish->until_ms > now ? wish->until_ms - now : 0;
}

/* One answer. */
static enum job_await
look(struct api *api, const struct job_wish *wish, struct api_answer *answer, json_t **json)
{
	const uint64_t left = left_ms(wish);
	/* an answer takes a moment, too */
	const uint64_t wait_s = left < PAUSE_MS ? 0 : (left - PAUSE_MS) / 1000;
	char path[200];

	snprintf(path, sizeof(path), "%swait=%d", wish->path,
		 wait_s < (uint64_t)wish->wait_s ? (int)wait_s : wish->wait_s);
	if (!job_send(api, "GET", path, span_from(NULL, 0), answer, json))
		return JOB_AWAIT_FAILED;
	return wish->is_over(*json, wish->ctx) ? JOB_AWAIT_OVER : JOB_AWAIT_LATE;
}

enum job_await
job_await(struct api *api, const struct job_wish *wish, struct api_answer *answer, json_t **json)
{
	enum job_await is;

	api->deadline_ms = wish->until_ms ? wish->until_ms + GRACE_MS : 0;
	for (;;) {
		const uint64_t begun = clock_monotonic_ms();

		is = look(api, wish, answer, json);
		if (is != JOB_AWAIT_LATE)
			break;
		const uint64_t left = left_ms(wish);
		if (left <= PAUSE_MS || clock_monotonic_ms() - begun < PAUSE_MS)
			api_pause(api, left < PAUSE_MS ? left : PAUSE_MS);
		if (left <= PAUSE_MS && !api_is_interrupted())
			break;
		json_decref(*json);
		*json = NULL;
		api_answer_fini(answer);
	}
	api->deadline_ms = 0;
	return is;
}
