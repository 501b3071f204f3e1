/*
 * products_import.c - rows of a file to POST /api/products, in requests of as many as it takes.
 *
 * Each request has an Idempotency-Key: however often it is sent, it acts once. A request that is
 * refused as a whole is sent in halves, each with a key of its own, until the rows are found that
 * are to blame.
 */
#include "ctl/products_import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/api.h"
#include "ctl/ctl.h"
#include "ctl/lines.h"
#include "ctl/progress.h"

/* What one request takes. */
#define ROWS_MAX       1000
#define CSV_BYTES_MAX  ((size_t)1 << 20)
#define JSON_BYTES_MAX ((size_t)64 << 10)
#define PATH           "/api/products"

struct batch_row {
	unsigned long line;
	size_t at, len; /* in batch.text */
};

struct batch {
	unsigned n;
	struct batch_row row[ROWS_MAX];
	struct buffer text; /* the rows as they are sent, one behind the other */
};

struct import {
	const struct products_args *args;
	const char *name; /* of the file, as errors call it */
	struct rows rows;
	struct batch batch;
	struct buffer body;
	struct api api;
	struct progress progress;
	char run[33]; /* what keys begin with: nobody else's do */
	unsigned long n_keys;
	uint64_t imported, refused;
	int exit;
};

static size_t
bytes_max(const struct import *import)
{
	return import->args->format == ROWS_CSV ? CSV_BYTES_MAX : JSON_BYTES_MAX;
}

/* --- what is told --- */

static void
refuse_row(struct import *import, unsigned long line, const char *why)
{
	progress_hide(&import->progress);
	fprintf(stderr, "%s:%lu: ", import->name, line);
	line_put(stderr, span_str(why));
	putc('\n', stderr);
	import->refused++;
}

static void
fail(struct import *import, const char *why)
{
	progress_hide(&import->progress);
	ctl_fail(&import->exit, "%s", why);
}

static void
tick_cb(void *ctx, const char *waiting)
{
	struct import *import = ctx;

	progress_show(&import->progress, waiting);
}

static const struct api_calls calls = {.tick = tick_cb};

/* --- the answer --- */

/* False when it is not what was agreed. */
static bool
take_results(struct import *import, const struct api_answer *answer, unsigned from, unsigned n)
{
	json_t *json =
	    json_loadb(answer->body.data ? answer->body.data : "", answer->body.len, 0, NULL);
	const json_t *results = json_object_get(json, "results"), *result;
	bool ok = json_array_size(results) == n;
	size_t i;

	if (ok) {
		json_array_foreach(results, i, result)
		{
			json_int_t status = json_integer_value(json_object_get(result, "status"));

			if (status >= 200 && status < 300) {
				import->imported++;
				continue;
			}
			refuse_row(import, import->batch.row[from + i].line,
				   api_problem_text(result, (int)status));
		}
	}
	json_decref(json);
	return ok;
}

/* --- the request --- */

static bool
build_body(struct import *import, unsigned from, unsigned n)
{
	const struct batch *batch = &import->batch;
	const bool is_csv = import->args->format == ROWS_CSV;
	struct buffer *body = &import->body;
	const size_t max = SIZE_MAX / 2;

	body->len = 0;
	if (!(is_csv ? buffer_append(body, ROWS_CSV_HEADER, strlen(ROWS_CSV_HEADER), max)
		     : buffer_append(body, "[", 1, max)))
		return false;
	for (unsigned i = from; i < from + n; i++) {
		if (!is_csv && i > from && !buffer_append(body, ",", 1, max))
			return false;
		if (!buffer_append(body, batch->text.data + batch->row[i].at, batch->row[i].len,
				   max))
			return false;
	}
	return is_csv || buffer_append(body, "]", 1, max);
}

/* The server could not take these rows as they are, though it can take others. */
static bool
is_about_the_rows(int status)
{
	return status == 400 || status == 409 || status == 413 || status == 422;
}

/* Rows [from, from + n) of the batch; false when it cannot go on. */
static bool
send_rows(struct import *import, unsigned from, unsigned n)
{
	struct api_answer answer;
	char key[80], why[800];
	bool ok = false;

	if (!build_body(import, from, n)) {
		fail(import, "out of memory");
		return false;
	}
	snprintf(key, sizeof(key), "plazactl-%s-%lu", import->run, ++import->n_keys);
	api_send(&import->api,
		 &(struct api_request){
		     .path = PATH,
		     .type = import->args->format == ROWS_CSV ? "text/csv" : "application/json",
		     .accept = "application/json",
		     .key = key,
		     .body = buffer_span(&import->body),
		 },
		 &answer);
	if (answer.status == 200) {
		ok = take_results(import, &answer, from, n);
		if (!ok)
			fail(import, "the server's answer is not what this program understands");
	} else if (is_about_the_rows(answer.status) && n > 1) {
		ok = send_rows(import, from, n / 2) && send_rows(import, from + n / 2, n - n / 2);
	} else if (is_about_the_rows(answer.status)) {
		refuse_row(import, import->batch.row[from].line, api_problem(&answer));
		ok = true;
	} else if (answer.status) {
		progress_hide(&import->progress);
		api_fail(&import->api, PATH, &answer, &import->exit);
	} else {
		snprintf(why, sizeof(why), "line %lu: %s", import->batch.row[from].line,
			 answer.why);
		fail(import, why);
	}
	api_answer_fini(&answer);
	return ok;
}

static bool
send_batch(struct import *import)
{
	struct batch *batch = &import->batch;
	bool ok = batch->n == 0 || send_rows(import, 0, batch->n);

	batch->n = 0;
	batch->text.len = 0;
	import->progress.done = import->rows.bytes;
	import->progress.count = import->imported;
	progress_show(&import->progress, NULL);
	return ok;
}

/* --- all of it --- */

/* False when it cannot go on. */
static bool
add_row(struct import *import, unsigned long line)
{
	struct batch *batch = &import->batch;
	const struct span row = buffer_span(&import->rows.row);
	/* the header line, or brackets and commas */
	const size_t around = sizeof(ROWS_CSV_HEADER) + batch->n + 2;

	if (batch->n &&
	    (batch->n == ROWS_MAX || batch->text.len + row.len + around > bytes_max(import)) &&
	    !send_batch(import))
		return false;
	if (!buffer_append(&batch->text, row.ptr, row.len, SIZE_MAX / 2)) {
		fail(import, "out of memory");
		return false;
	}
	batch->row[batch->n++] =
	    (struct batch_row){.line = line, .at = batch->text.len - row.len, .len = row.len};
	return true;
}

static void
run(struct import *import)
{
	unsigned long line = 0;
	char why[400];

	for (;;) {
		enum rows_next next = rows_next(&import->rows, &line);

		if (api_is_interrupted()) {
			fail(import, "interrupted");
			return;
		}
		switch (next) {
		case ROWS_ROW:
			if (!add_row(import, line))
				return;
			break;
		case ROWS_BAD: refuse_row(import, line, import->rows.why); break;
		case ROWS_END: send_batch(import); return;
		case ROWS_FAILED:
			/* what came before it is as good as ever */
			snprintf(why, sizeof(why), "%s: %s", import->name, import->rows.why);
			if (send_batch(import))
				fail(import, why);
			return;
		}
	}
}

static bool
make_run(char run[33])
{
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(run + 2 * i, 3, "%02x", random[i]);
	return true;
}

int
products_import(const struct products_args *args)
{
	const bool is_stdin = strcmp(args->file, "-") == 0;
	struct import *import = calloc(1, sizeof(*import));
	struct stat info;

	if (!import || !make_run(import->run)) {
		free(import);
		fputs("plazactl: out of memory\n", stderr);
		return CTL_FAILED;
	}
	import->args = args;
	import->name = is_stdin ? "standard input" : args->file;
	int fd = is_stdin ? STDIN_FILENO : open(args->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !api_init(&import->api, args->server, args->patience_ms, &calls, import)) {
		ctl_fail(&import->exit, "%s: %s", args->file,
			 fd < 0 ? strerror(errno) : "out of memory");
	} else {
		rows_init(&import->rows, fd, args->format);
		progress_init(&import->progress, stderr, args->has_terminal, "importing", "rows");
		if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
			import->progress.all = (uint64_t)info.st_size;
		import->api.shows_waiting = args->has_terminal;
		api_take_interrupts();
		run(import);
		progress_hide(&import->progress);
		printf("%" PRIu64 " imported, %" PRIu64 " refused\n", import->imported,
		       import->refused);
		ctl_flush(&import->exit);
		if (import->refused && import->exit == CTL_OK)
			import->exit = CTL_FAILED;
		api_fini(&import->api);
		rows_fini(&import->rows);
	}
	if (fd >= 0 && !is_stdin)
		close(fd);
	buffer_fini(&import->batch.text);
	buffer_fini(&import->body);
	int code = import->exit;
	free(import);
	return code;
}
