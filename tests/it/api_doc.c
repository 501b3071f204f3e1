/*
 * api_doc.c - the document read line by line, as it is written: no client of these tests needs a
 * parser of JSON for it. it_openapi.c reads it with one.
 */
#include "api_doc.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness.h"

#define OPERATIONS_MAX 64
#define STATUSES_MAX   40

struct operation {
	char path[80], method[12];
	int status[STATUSES_MAX];
	unsigned n;
};

static struct operation operations[OPERATIONS_MAX];
static unsigned n_operations;

/* The key of a line that is indented by just so many tabs: out is "" for any other line. */
static void
key_at(const char *line, size_t tabs, char *out, size_t size)
{
	size_t len;

	out[0] = '\0';
	if (strspn(line, "\t") != tabs || line[tabs] != '"')
		return;
	line += tabs + 1;
	len = strcspn(line, "\"\n");
	ck_assert_uint_lt(len, size);
	memcpy(out, line, len);
	out[len] = '\0';
}

static void
read_document(void)
{
	char *file = it_printf("%s/src/openapi/openapi.json", it_srcdir());
	char *text = it_read_file(file);
	char path[80] = "", key[80];
	struct operation *at = NULL;

	ck_assert_msg(text != NULL, "%s cannot be read", file);
	for (const char *line = strstr(text, "\n\t\"paths\""); line; line = strchr(line, '\n')) {
		line++;
		if (strncmp(line, "\t}", 2) == 0)
			break;
		key_at(line, 2, key, sizeof(key));
		if (key[0])
			snprintf(path, sizeof(path), "%s", key);
		key_at(line, 3, key, sizeof(key));
		if (key[0]) {
			ck_assert_uint_lt(n_operations, OPERATIONS_MAX);
			at = &operations[n_operations++];
			snprintf(at->path, sizeof(at->path), "%s", path);
			snprintf(at->method, sizeof(at->method), "%.11s", key);
		}
		key_at(line, 5, key, sizeof(key));
		/* only keys of "responses" are numbers */
		if (key[0] >= '1' && key[0] <= '5') {
			ck_assert(at && at->n < STATUSES_MAX);
			at->status[at->n++] = atoi(key);
		}
	}
	free(text);
	free(file);
	ck_assert_uint_gt(n_operations, 0);
}

unsigned
api_doc_operations(void)
{
	if (n_operations == 0)
		read_document();
	return n_operations;
}

/* How well a path matches: 0 not at all; the more of it is literal, the better. */
static unsigned
match(const char *pattern, const char *path)
{
	unsigned rank = 1;

	for (;;) {
		size_t p = strcspn(pattern, "/"), t = strcspn(path, "/?");

		if (pattern[0] == '{' && t > 0)
			rank *= 2;
		else if (p == t && memcmp(pattern, path, t) == 0)
			rank = rank * 2 + 1;
		else
			return 0;
		pattern += p;
		path += t;
		if (*pattern != '/' || *path != '/')
			return *pattern == '\0' && (*path == '\0' || *path == '?') ? rank : 0;
		pattern++;
		path++;
	}
}

void
api_doc_check(const char *method, const char *target, int status)
{
	const struct operation *best = NULL;
	unsigned best_rank = 0;
	/* HEAD is answered wherever GET is */
	const char *name = strcmp(method, "HEAD") == 0 ? "get" : method;

	if (api_doc_operations() == 0 || target[0] != '/')
		return;
	for (unsigned i = 0; i < n_operations; i++) {
		unsigned rank = match(operations[i].path + 1, target + 1);

		/* the methods of a path that lost count for nothing */
		if (rank > best_rank) {
			best_rank = rank;
			best = NULL;
		}
		if (rank == best_rank && rank && strcasecmp(operations[i].method, name) == 0)
			best = &operations[i];
	}
	if (!best || status == 405)
		return;
	for (unsigned i = 0; i < best->n; i++)
		if (best->status[i] == status)
			return;
	ck_abort_msg("%s %s: %d is not among the statuses of %s in src/openapi/openapi.json",
		     method, target, status, best->path);
}
