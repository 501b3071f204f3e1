/*
 * products_export.c - GET /api/products/export into a file, which has its name only when it is
 * whole.
 */
#include "ctl/products_export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"

#define PATH "/api/products"

struct export
{
	const struct products_args *args;
	struct api api;
	struct progress progress;
	int fd;
	char path[PATH_MAX];           /* of the file that is to be; empty: `fd` is it already */
	char temporary[PATH_MAX + 16]; /* its name until then */
	bool has_written;              /* to what cannot be taken back */
	bool is_quoted;                /* in a field of CSV */
	int write_errno;
	int exit;
};

/* --- the answer as it comes --- */

static void
count_rows(struct export *export, struct span piece)
{
	const bool is_csv = export->args->format == ROWS_CSV;

	for (size_t i = 0; i < piece.len; i++) {
		if (is_csv && piece.ptr[i] == '"')
			export->is_quoted = !export->is_quoted;
		if (piece.ptr[i] == '\n' && !export->is_quoted)
			export->progress.count++;
	}
	export->progress.done = export->progress.count;
}

/* How many products came; the first line of CSV is none. */
static uint64_t
n_rows(const struct export *export)
{
	const uint64_t lines = export->progress.count;

	return export->args->format == ROWS_CSV && lines ? lines - 1 : lines;
}

static bool
piece_cb(void *ctx, struct span piece)
{
	struct export *export = ctx;

	count_rows(export, piece);
	while (piece.len) {
		ssize_t n = write(export->fd, piece.ptr, piece.len);

		if (n < 0 && errno == EINTR && !api_is_interrupted())
			continue;
		if (n < 0) {
			export->write_errno = errno;
			return false;
		}
		export->has_written = true;
		piece = span_from(piece.ptr + n, piece.len - (size_t)n);
	}
	return true;
}

/* What came is thrown away if it can be: it was not all. */
static bool
again_cb(void *ctx)
{
	struct export *export = ctx;

	if (!export->has_written)
		return true;
	if (!export->path[0] || ftruncate(export->fd, 0) != 0 ||
	    lseek(export->fd, 0, SEEK_SET) != 0)
		return false;
	export->progress.count = export->progress.done = 0;
	export->has_written = export->is_quoted = false;
	return true;
}

static void
tick_cb(void *ctx, const char *waiting)
{
	struct export *export = ctx;

	progress_show(&export->progress, waiting);
}

/* --- the file --- */

/*
 * Opens what is written to: a new file beside the one that is to be, or, if that is no file but a
 * device or a pipe, itself.
 */
static bool
open_output(struct export *export)
{
	const char *file = export->args->file;
	struct stat info;
	mode_t mask;

	if (strcmp(file, "-") == 0) {
		export->fd = STDOUT_FILENO;
		return true;
	}
	if (stat(file, &info) == 0 && !S_ISREG(info.st_mode)) {
		export->fd = open(file, O_WRONLY | O_CLOEXEC);
		return export->fd >= 0;
	}
	/* a name that is a link goes on being one */
	if (!realpath(file, export->path)) {
		if (strlen(file) >= sizeof(export->path)) {
			errno = ENAMETOOLONG;
			return false;
		}
		snprintf(export->path, sizeof(export->path), "%s", file);
	}
	snprintf(export->temporary, sizeof(export->temporary), "%s.XXXXXX", export->path);
	export->fd = mkostemp(export->temporary, O_CLOEXEC);
	if (export->fd < 0) {
		export->path[0] = export->temporary[0] = '\0';
		return false;
	}
	mask = umask(0);
	umask(mask);
	/* as open(2) would have made it */
	return fchmod(export->fd, 0666 & ~mask) == 0;
}

/* It is whole: from here on it has its name, also after a power cut. */
static bool
finish_output(struct export *export)
{
	if (!export->path[0])
		return export->fd == STDOUT_FILENO || close(export->fd) == 0;
	bool ok = fsync(export->fd) == 0;
	ok = close(export->fd) == 0 && ok;
	export->fd = -1;
	if (!ok || rename(export->temporary, export->path) != 0)
		return false;
	export->temporary[0] = '\0';
	return true;
}

/* --- the request --- */

/* How many there are, as far as the statistics of the database know; only for the progress. */
static void
ask_count(struct export *export)
{
	struct api_answer answer;

	if (!export->args->has_terminal)
		return;
	api_send(&export->api,
		 &(struct api_request){.path = PATH "?limit=1&count=estimated",
				       .accept = "application/json"},
		 &answer);
	if (answer.status == 200 && answer.body.len) {
		json_t *json = json_loadb(answer.body.data, answer.body.len, 0, NULL);
		json_int_t count = json_integer_value(json_object_get(json, "count"));

		export->progress.all = count > 0 ? (uint64_t)count : 0;
		json_decref(json);
	}
	api_answer_fini(&answer);
}

static bool
fetch(struct export *export)
{
	const bool is_csv = export->args->format == ROWS_CSV;
	struct api_answer answer;

	api_send(&export->api,
		 &(struct api_request){
		     .path = is_csv ? PATH "/export?format=csv" : PATH "/export?format=ndjson",
		     .accept = is_csv ? "text/csv" : "application/x-ndjson",
		 },
		 &answer);
	progress_hide(&export->progress);
	if (answer.status != 200 && export->write_errno == EPIPE)
		export->exit = CTL_FAILED; /* whoever read our output has seen enough */
	else if (answer.status != 200 && export->write_errno)
		ctl_fail(&export->exit, "%s: %s", export->args->file,
			 strerror(export->write_errno));
	else if (answer.status != 200)
		api_fail(&export->api, PATH "/export", &answer, &export->exit);
	bool ok = answer.status == 200;
	api_answer_fini(&answer);
	return ok;
}

int
products_export(const struct products_args *args)
{
	static const struct api_calls counting = {.tick = tick_cb};
	static const struct api_calls taking = {piece_cb, again_cb, tick_cb};
	struct export *export = calloc(1, sizeof(*export));

	if (!export ||
	    !api_init(&export->api, args->server, args->patience_ms, &counting, export)) {
		free(export);
		fputs("plazactl: out of memory\n", stderr);
		return CTL_FAILED;
	}
	export->args = args;
	export->fd = -1;
	progress_init(&export->progress, stderr, args->has_terminal, "exporting", "rows");
	export->api.shows_waiting = args->has_terminal;
	api_take_interrupts();
	if (!open_output(export)) {
		ctl_fail(&export->exit, "%s: %s", args->file, strerror(errno));
	} else {
		ask_count(export);
		export->api.calls = &taking;
		if (fetch(export)) {
			if (!finish_output(export))
				ctl_fail(&export->exit, "%s: %s", args->file, strerror(errno));
			else if (export->path[0])
				printf("%" PRIu64 " exported\n", n_rows(export));
		}
		ctl_flush(&export->exit);
	}
	if (export->temporary[0])
		unlink(export->temporary);
	if (export->fd > STDERR_FILENO)
		close(export->fd);
	api_fini(&export->api);
	int code = export->exit;
	free(export);
	return code;
}
