/*
 * api_check.h - whether an answer is one that GET /api/openapi.json describes.
 */
#ifndef PLAZA_TESTS_IT_API_CHECK_H
#define PLAZA_TESTS_IT_API_CHECK_H

#include <jansson.h>

#include "daemon.h"
#include "http_client.h"

#define API_DOCUMENT "/api/openapi.json"

/* A body as JSON. */
json_t *api_load(const struct http_answer *a);
/* The document, as the daemon gives it; the caller lets go of it. */
json_t *api_document(struct daemon *d);

/* The value behind a path of keys, ended by NULL; NULL when there is none. */
const json_t *api_at(const json_t *json, ...) __attribute__((sentinel));
/* What a "$ref" stands for, or itself. */
const json_t *api_resolve(const json_t *doc, const json_t *json);

/* A request, and the status that it gets. */
struct api_asked {
	const char *method, *path; /* as the document has it */
	const char *target, *fields, *body;
	int status;
};

/*
 * Fails the test unless the answer is one that is described: its status, its type, the body by its
 * schema, and the fields that the description has of headers that are ours alone.
 */
void api_expect(const json_t *doc, const struct api_asked *asked, const struct http_answer *a);

#endif
