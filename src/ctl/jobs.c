/*
 * jobs.c - plazactl jobs: the table of its verbs, and those that are about one job or queue.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/ctl.h"
#include "ctl/job_api.h"
#include "ctl/jobs_args.h"
#include "ctl/jobs_list.h"
#include "ctl/json_text.h"
#include "ctl/progress.h"

#define OPTIONS  "+:a:hk:n:p:q:r:s:u:U:w:"
#define ARGS_MAX ((size_t)1 << 20)
#define NO_BODY  span_from(NULL, 0)

static const char usage[] =
    "usage: plazactl jobs [-u SERVER] [-w SECONDS] [VERB] [options] [arguments]\n"
    "  list [-q QUEUE] [-s STATE] [-k KIND] [-n COUNT]\n"
    "                     jobs, the newest first, a line each (this is the default)\n"
    "  put [-q QUEUE] [-p PRIORITY] [-r TIME] [-a ATTEMPTS] [-U KEY] KIND [ARGS]\n"
    "                     puts one; ARGS is JSON, - reads it from the standard input\n"
    "  show ID...         all of these, as JSON\n"
    "  cancel ID... | -s STATE [-q QUEUE] [-k KIND]\n"
    "  retry ID... | -s STATE [-q QUEUE] [-k KIND]\n"
    "                     these, or all that are in the state\n"
    "  wait [QUEUE]       until it is empty (default: default)\n"
    "  queues             how full they are, a line each\n"
    "  -u SERVER   default " API_SERVER "\n"
    "  -w SECONDS  how long a request may take, until the server can be reached and has\n"
    "              time for it (default 60)\n"
    "See plazactl(1).\n";

static int
usage_error(void)
{
	fputs("plazactl jobs -h tells more\n", stderr);
	return CTL_USAGE;
}

/* --- put --- */

/* Of what is there, as the options and KIND say. */
static bool
write_job(const struct jobs_args *args, struct span job_args, struct buffer *out)
{
	json_t *head = json_pack("{s:s}", "kind", args->argv[0]);
	char *text;
	bool ok = head != NULL;

	if (args->queue)
		ok = ok && json_object_set_new(head, "queue", json_string(args->queue)) == 0;
	if (args->priority >= 0)
		ok = ok && json_object_set_new(head, "priority", json_integer(args->priority)) == 0;
	if (args->max_attempts >= 0)
		ok = ok && json_object_set_new(head, "max_attempts",
					       json_integer(args->max_attempts)) == 0;
	if (args->run_at)
		ok = ok && json_object_set_new(head, "run_at", json_string(args->run_at)) == 0;
	if (args->unique)
		ok = ok && json_object_set_new(head, "unique", json_string(args->unique)) == 0;
	text = ok ? json_dumps(head, JSON_COMPACT) : NULL;
	json_decref(head);
	if (!text)
		return false;
	/* its args as they were written, behind all but the brace that ends the rest */
	ok = buffer_append(out, text, strlen(text) - 1, SIZE_MAX / 2) &&
	     (!job_args.len || (buffer_append(out, ",\"args\":", 8, SIZE_MAX / 2) &&
				buffer_append(out, job_args.ptr, job_args.len, SIZE_MAX / 2))) &&
	     buffer_append(out, "}", 1, SIZE_MAX / 2);
	free(text);
	return ok;
}

static bool
read_input(struct buffer *out, int *exit)
{
	char piece[16384];
	ssize_t n;

	while ((n = read(STDIN_FILENO, piece, sizeof(piece))) > 0) {
		if (!buffer_append(out, piece, (size_t)n, ARGS_MAX)) {
			ctl_fail(exit, "the standard input is too long; accepted: 32 KiB of JSON");
			return false;
		}
	}
	if (n < 0)
		ctl_fail(exit, "standard input: %s", strerror(errno));
	return n == 0;
}

/* False, told, when they are no JSON. */
static bool
read_args(const struct jobs_args *args, struct buffer *out, int *exit)
{
	json_error_t error;

	if (args->argc < 2)
		return true;
	if (strcmp(args->argv[1], "-") == 0) {
		if (!read_input(out, exit))
			return false;
	} else if (!buffer_append(out, args->argv[1], strlen(args->argv[1]), SIZE_MAX / 2)) {
		ctl_fail(exit, "out of memory");
		return false;
	}
	json_t *json = json_loadb(out->data ? out->data : "", out->len,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	json_decref(json);
	if (json)
		return true;
	fprintf(stderr, "plazactl: the arguments of the job are no JSON: %s (byte %d)\n",
		error.text, error.position);
	*exit = usage_error();
	return false;
}

static void
jobs_put(struct api *api, const struct jobs_args *args, int *exit)
{
	struct buffer job_args = {0}, body = {0};
	char path[JOB_PATH_SIZE], id[UUID_TEXT_SIZE];
	struct api_answer answer;
	json_t *json;

	if (!read_args(args, &job_args, exit)) {
		buffer_fini(&job_args);
		return;
	}
	if (!write_job(args, buffer_span(&job_args), &body) || !job_id_make(id)) {
		ctl_fail(exit, "out of memory");
	} else {
		api_take_interrupts();
		job_path(path, id, "");
		/* with its unique key it may be another one, which is there already */
		if (job_send(api, "PUT", path, buffer_span(&body), &answer, &json))
			printf("%s\n", job_text(json, "id"));
		else
			api_fail(api, JOBS_PATH, &answer, exit);
		json_decref(json);
		api_answer_fini(&answer);
	}
	buffer_fini(&job_args);
	buffer_fini(&body);
}

/* --- show --- */

static void
jobs_show(struct api *api, const struct jobs_args *args, int *exit)
{
	const bool is_terminal = isatty(STDOUT_FILENO);

	for (int i = 0; i < args->argc; i++) {
		char path[JOB_PATH_SIZE];
		struct api_answer answer;
		int failed = CTL_OK;
		json_t *json;

		job_path(path, args->argv[i], "");
		if (!job_send(api, "GET", path, NO_BODY, &answer, &json)) {
			api_fail(api, path, &answer, &failed);
			*exit = failed;
		} else if (is_terminal) {
			json_text_indent(stdout, buffer_span(&answer.body));
		} else {
			fwrite(answer.body.data, 1, answer.body.len, stdout);
			putchar('\n');
		}
		const bool goes_on = answer.status != 0;
		json_decref(json);
		api_answer_fini(&answer);
		if (!goes_on)
			return;
	}
}

/* --- wait --- */

struct wait {
	struct progress progress;
	bool is_paused;
};

static void
tick_cb(void *ctx, const char *waiting)
{
	struct wait *wait = ctx;

	progress_show(&wait->progress, waiting || !wait->is_paused ? waiting : "it is paused");
}

static bool
is_empty(const json_t *queue, void *ctx)
{
	struct wait *wait = ctx;
	struct progress *progress = &wait->progress;
	const json_int_t left = json_integer_value(json_object_get(queue, "depth")) +
				json_integer_value(json_object_get(queue, "running"));

	if (left > 0 && (uint64_t)left > progress->all)
		progress->all = (uint64_t)left;
	progress->done = progress->count = progress->all - (uint64_t)(left > 0 ? left : 0);
	wait->is_paused = json_is_true(json_object_get(queue, "paused"));
	tick_cb(wait, NULL);
	return left <= 0;
}

static void
jobs_wait(struct api *api, const struct jobs_args *args, int *exit)
{
	static const struct api_calls calls = {.tick = tick_cb};
	const char *queue = args->argc ? args->argv[0] : args->queue ? args->queue : "default";
	const bool is_terminal = isatty(STDERR_FILENO);
	struct api_answer answer;
	struct wait wait = {0};
	char path[160];
	json_t *json;

	progress_init(&wait.progress, stderr, is_terminal, "waiting", "jobs ended");
	api->calls = &calls;
	api->ctx = &wait;
	snprintf(path, sizeof(path), QUEUES_PATH "/%s?until=empty&wait=%d", queue,
		 is_terminal ? JOB_WATCH_S : JOB_WAIT_S);
	const bool ok = job_await(api, path, is_empty, &wait, &answer, &json);
	progress_hide(&wait.progress);
	if (ok)
		jobs_queue_line(json);
	/* a queue is forgotten some time after its last job */
	else if (answer.status == 404)
		fprintf(stderr, "plazactl: there is no queue %s, so there is nothing in it\n",
			queue);
	else
		api_fail(api, path, &answer, exit);
	json_decref(json);
	api_answer_fini(&answer);
}

/* --- arguments --- */

struct verb {
	const char *name, *options; /* besides u, w and h */
	int min, max;               /* arguments; max -1: any number */
	bool takes_ids;
	const char *takes;
	void (*run)(struct api *api, const struct jobs_args *args, int *exit);
};

static const struct verb verbs[] = {
    {"list", "qskn", 0, 0, false, "options and no argument", jobs_list},
    {"put", "qpraU", 1, 2, false, "KIND and maybe ARGS, in JSON", jobs_put},
    {"show", "", 1, -1, true, "ID...", jobs_show},
    {"cancel", "qsk", 1, -1, true, "ID..., or -s STATE and no ID", jobs_cancel},
    {"retry", "qsk", 1, -1, true, "ID..., or -s STATE and no ID", jobs_retry},
    {"wait", "q", 0, 1, false, "the name of one QUEUE, or none", jobs_wait},
    {"queues", "", 0, 0, false, "no argument", jobs_queues},
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static bool
is_state(const char *text)
{
	static const char *const states[] = {"queued", "scheduled", "running",  "done",
					     "failed", "dead",      "cancelled"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(text, states[i]) == 0)
			return true;
	return false;
}

/* NULL, or what is accepted. */
static const char *
take_option(int c, const char *value, struct jobs_args *args)
{
	static const char name[] = "1 to 64 of the characters A-Z a-z 0-9 . _ -";
	uint64_t n;

	switch (c) {
	case 'a':
		if (!number_parse(value, 100, &n) || n < 1)
			return "a number from 1 to 100";
		args->max_attempts = (int)n;
		return NULL;
	case 'k': args->kind = value; return job_name_check(value) ? NULL : name;
	case 'n':
		args->has_count = true;
		return number_parse(value, UINT32_MAX, &args->count) ? NULL : "a number; 0 is all";
	case 'p':
		if (!number_parse(value, 9, &n))
			return "a number from 0, which is first, to 9";
		args->priority = (int)n;
		return NULL;
	case 'q': args->queue = value; return job_name_check(value) ? NULL : name;
	case 'r':
		args->run_at = value;
		return *value ? NULL : "a time as in 2026-11-23T07:30:00Z (RFC 3339)";
	case 's':
		args->state = value;
		return is_state(value) ? NULL
				       : "queued, scheduled, running, done, failed, dead or "
					 "cancelled";
	case 'u': args->server = value; return NULL;
	case 'U': args->unique = value; return *value ? NULL : "1 to 255 bytes";
	default:
		if (!number_parse(value, 86400, &n))
			return "seconds, 0 to 86400";
		args->patience_ms = n * 1000;
		return NULL;
	}
}

/* Those up to the first argument; which of them were given goes into `given`. The exit code when it
 * ends here, else -1. */
static int
options_parse(int argc, char **argv, struct jobs_args *args, char *given, size_t size)
{
	const char *wrong;
	int c;

	while ((c = getopt(argc, argv, OPTIONS)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return CTL_OK;
		}
		if (c == '?' || c == ':') {
			fprintf(stderr,
				c == '?' ? "plazactl: jobs has no option -%c\n"
					 : "plazactl: -%c takes a value\n",
				optopt);
			return usage_error();
		}
		wrong = c == 'u' ? api_server_check(optarg) : NULL;
		if (wrong) {
			fprintf(stderr, "plazactl: %s: %s\n", optarg, wrong);
			return usage_error();
		}
		wrong = take_option(c, optarg, args);
		if (wrong) {
			fprintf(stderr, "plazactl: -%c %s: accepted: %s\n", c, optarg, wrong);
			return usage_error();
		}
		const size_t len = strlen(given);
		if (len + 1 < size && !strchr("uw", c) && !strchr(given, c)) {
			given[len] = (char)c;
			given[len + 1] = '\0';
		}
	}
	return -1;
}

/* NULL, or what is wrong, as a text that is told. */
static bool
check_arguments(const struct verb *verb, const struct jobs_args *args, const char *given)
{
	const bool is_by_state = verb->takes_ids && args->state;
	const int n = args->argc;

	for (const char *c = given; *c; c++) {
		if (!strchr(verb->options, *c)) {
			fprintf(stderr, "plazactl: jobs %s has no option -%c\n", verb->name, *c);
			return false;
		}
	}
	if (is_by_state ? n != 0 : n < verb->min || (verb->max >= 0 && n > verb->max)) {
		fprintf(stderr, "plazactl: jobs %s takes %s\n", verb->name, verb->takes);
		return false;
	}
	if (verb->takes_ids && !args->state && (args->queue || args->kind)) {
		fprintf(stderr, "plazactl: jobs %s takes -q and -k with -s STATE only\n",
			verb->name);
		return false;
	}
	for (int i = 0; verb->takes_ids && i < n; i++) {
		if (!job_id_check(args->argv[i])) {
			fprintf(stderr, "plazactl: %s is no id of a job, which is a UUID\n",
				args->argv[i]);
			return false;
		}
	}
	if (!verb->takes_ids && n && !job_name_check(args->argv[0])) {
		fprintf(stderr,
			"plazactl: %s is no name of a %s; accepted: 1 to 64 of the characters "
			"A-Z a-z 0-9 . _ -\n",
			args->argv[0], verb->run == jobs_put ? "kind" : "queue");
		return false;
	}
	return true;
}

/* The exit code when it ends here, else -1. */
static int
arguments_parse(int argc, char **argv, struct jobs_args *args, const struct verb **verb)
{
	char given[16] = "";
	int code = options_parse(argc, argv, args, given, sizeof(given));

	*verb = &verbs[0];
	if (code >= 0)
		return code;
	if (optind < argc) {
		*verb = find_verb(argv[optind]);
		if (!*verb) {
			fprintf(stderr, "plazactl: jobs has no verb %s\n", argv[optind]);
			return usage_error();
		}
		optind++;
		code = options_parse(argc, argv, args, given, sizeof(given));
		if (code >= 0)
			return code;
	}
	args->argc = argc - optind;
	args->argv = argv + optind;
	return check_arguments(*verb, args, given) ? -1 : usage_error();
}

int
jobs_command(int argc, char **argv)
{
	static const struct api_calls calls = {0};
	struct jobs_args args = {
	    .server = API_SERVER, .patience_ms = 60000, .priority = -1, .max_attempts = -1};
	const struct verb *verb;
	struct api api;
	int code = arguments_parse(argc, argv, &args, &verb), exit = CTL_OK;

	if (code >= 0)
		return code;
	if (!api_init(&api, args.server, args.patience_ms, &calls, NULL)) {
		fputs("plazactl: out of memory\n", stderr);
		return CTL_FAILED;
	}
	if (verb->run != jobs_put)
		api_take_interrupts();
	verb->run(&api, &args, &exit);
	ctl_flush(&exit);
	api_fini(&api);
	return exit;
}
