/*
 * job_api.c - requests about jobs.
 */
#include "ctl/job_api.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define NAME_MAX_BYTES 64
/* A server that answers before its time, as one that is about to stop does, is asked again so
 * late. */
#define PAUSE_MS 200

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

	return len >= 1 && len <= NAME_MAX_BYTES &&
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

/* --- calls --- */

void
job_path(char path[JOB_PATH_SIZE], const char *id, const char *rest)
{
	snprintf(path, JOB_PATH_SIZE, JOBS_PATH "/%s%s", id, rest);
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
	answer->status = 0;
	snprintf(answer->why, sizeof(answer->why),
		 "%s%s: the answer is not what this program understands", api->server, path);
	return false;
}

bool
job_await(struct api *api, const char *path, bool (*is_over)(const json_t *json, void *ctx),
	  void *ctx, struct api_answer *answer, json_t **json)
{
	for (;;) {
		const uint64_t begun = clock_monotonic_ms();

		if (!job_send(api, "GET", path, span_from(NULL, 0), answer, json))
			return false;
		if (is_over(*json, ctx))
			return true;
		json_decref(*json);
		*json = NULL;
		api_answer_fini(answer);
		if (clock_monotonic_ms() - begun < PAUSE_MS)
			api_pause(api, PAUSE_MS);
	}
}
