/*
 * jobs.c - plazactl jobs: the table of its verbs, and those that are about one job.
 */
#include <ctype.h>
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
#include "ctl/jobs_queues.h"
#include "ctl/json_text.h"

#define OPTIONS  "+:a:hk:n:p:q:r:s:t:u:U:w:"
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
    "  wait [-t TIMEOUT] [QUEUE]\n"
    "                     until it is empty (default: default), and no longer than 30s, 10m, 2h\n"
    "  queues             how full they are, a line each\n"
    "  pause QUEUE...     what waits in it stays\n"
    "  resume QUEUE...    until it may go on\n"
    "  limit QUEUE [concurrency=N] [depth=N]\n"
    "                     so many run at a time, so many wait; N is conf for plaza.conf's\n"
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
	ctl_say("the arguments of the job are no JSON: %s (byte %d)", error.text, error.position);
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
		bool ok = job_send(api, "PUT", path, buffer_span(&body), &answer, &json);
		if (ok && !job_id_check(job_text(json, "id"))) {
			job_misunderstood(api, path, &answer);
			ok = false;
		}
		/* with its unique key it may be another one, which is there already */
		if (ok)
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
			json_text_line(stdout, buffer_span(&answer.body));
			putchar('\n');
		}
		const bool goes_on = answer.status != 0 && (!ferror(stdout) || ctl_flush(exit));
		json_decref(json);
		api_answer_fini(&answer);
		if (!goes_on)
			return;
	}
}

/* --- arguments --- */

enum takes { TAKES_NOTHING, TAKES_IDS, TAKES_KIND, TAKES_QUEUES, TAKES_LIMITS };

struct verb {
	const char *name, *options; /* besides u, w and h */
	int min, max;               /* arguments; max -1: any number */
	enum takes takes;
	const char *accepted;
	void (*run)(struct api *api, const struct jobs_args *args, int *exit);
	const char *states; /* of -s; NULL: all */
};

static const struct verb verbs[] = {
    {"list", "qskn", 0, 0, TAKES_NOTHING, "options and no argument", jobs_list, NULL},
    {"put", "qpraU", 1, 2, TAKES_KIND, "KIND and maybe ARGS, in JSON", jobs_put, NULL},
    {"show", "", 1, -1, TAKES_IDS, "ID...", jobs_show, NULL},
    {"cancel", "qsk", 1, -1, TAKES_IDS, "ID..., or -s STATE and no ID", jobs_cancel,
     "queued, scheduled or running"},
    {"retry", "qsk", 1, -1, TAKES_IDS, "ID..., or -s STATE and no ID", jobs_retry,
     "failed, dead or cancelled"},
    {"wait", "qt", 0, 1, TAKES_QUEUES, "the name of one QUEUE, or none", jobs_wait, NULL},
    {"queues", "", 0, 0, TAKES_NOTHING, "no argument", jobs_queues, NULL},
    {"pause", "", 1, -1, TAKES_QUEUES, "QUEUE...", jobs_pause, NULL},
    {"resume", "", 1, -1, TAKES_QUEUES, "QUEUE...", jobs_resume, NULL},
    {"limit", "", 2, 3, TAKES_LIMITS, "QUEUE and concurrency=N, depth=N or both", jobs_limit, NULL},
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
	uint64_t n;

	switch (c) {
	case 'a':
		if (!number_parse(value, 100, &n) || n < 1)
			return "a number from 1 to 100";
		args->max_attempts = (int)n;
		return NULL;
	case 'k': args->kind = value; return job_name_check(value) ? NULL : JOB_NAME_ACCEPTED;
	case 'n':
		args->has_count = true;
		return number_parse(value, UINT32_MAX, &args->count) ? NULL : "a number; 0 is all";
	case 'p':
		if (!number_parse(value, 9, &n))
			return "a number from 0, which is first, to 9";
		args->priority = (int)n;
		return NULL;
	case 'q': args->queue = value; return job_name_check(value) ? NULL : JOB_NAME_ACCEPTED;
	case 'r':
		args->run_at = value;
		return *value ? NULL : "a time as in 2026-11-23T07:30:00Z (RFC 3339)";
	case 's':
		args->state = value;
		return is_state(value) ? NULL
				       : "queued, scheduled, running, done, failed, dead or "
					 "cancelled";
	case 't':
		args->timeout = value;
		return time_parse(value, &args->timeout_ms) ? NULL : TIME_ACCEPTED;
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
			ctl_say(c == '?' ? "jobs has no option -%c" : "-%c takes a value", optopt);
			return usage_error();
		}
		wrong = c == 'u' ? api_server_check(optarg) : NULL;
		if (wrong) {
			ctl_say("%s: %s", optarg, wrong);
			return usage_error();
		}
		wrong = take_option(c, optarg, args);
		if (wrong) {
			ctl_say("-%c %s: accepted: %s", c, optarg, wrong);
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

/* What stands behind the options, one by one. False, told, when it is none of that. */
static bool
check_argument(const struct verb *verb, int i, const char *text)
{
	const bool is_name = verb->takes == TAKES_QUEUES || i == 0;

	if (verb->takes == TAKES_IDS) {
		if (job_id_check(text))
			return true;
		ctl_say("%s is no id of a job, which is a UUID", text);
	} else if (verb->takes == TAKES_LIMITS && i > 0) {
		if (jobs_limit_check(text))
			return true;
		ctl_say("%s: accepted: concurrency=N or depth=N, where N is a number from 1, or "
			"conf for what plaza.conf has",
			text);
	} else {
		if (!is_name || job_name_check(text))
			return true;
		ctl_say("%s is no name of a %s; accepted: " JOB_NAME_ACCEPTED, text,
			verb->takes == TAKES_KIND ? "kind" : "queue");
	}
	return false;
}

/* False, told, when something is wrong. */
static bool
check_arguments(const struct verb *verb, const struct jobs_args *args, const char *given)
{
	const bool is_by_state = verb->takes == TAKES_IDS && args->state;
	const int n = args->argc;

	for (const char *c = given; *c; c++) {
		if (!strchr(verb->options, *c)) {
			ctl_say("jobs %s has no option -%c", verb->name, *c);
			return false;
		}
	}
	for (int i = 0; i < n; i++) {
		/* but the arguments of a job may be a negative number */
		if (args->argv[i][0] == '-' && isalpha((unsigned char)args->argv[i][1])) {
			ctl_say("%s: options stand before the arguments", args->argv[i]);
			return false;
		}
	}
	if (is_by_state ? n != 0 : n < verb->min || (verb->max >= 0 && n > verb->max)) {
		ctl_say("jobs %s takes %s", verb->name, verb->accepted);
		return false;
	}
	if (verb->takes == TAKES_IDS && !args->state && (args->queue || args->kind)) {
		ctl_say("jobs %s takes -q and -k with -s STATE only", verb->name);
		return false;
	}
	if (verb->states && args->state && !strstr(verb->states, args->state)) {
		ctl_say("jobs %s -s %s: accepted: %s", verb->name, args->state, verb->states);
		return false;
	}
	if (verb->run == jobs_wait && n && args->queue) {
		ctl_say("jobs wait takes a QUEUE once");
		return false;
	}
	for (int i = 0; i < n; i++)
		if (!check_argument(verb, i, args->argv[i]))
			return false;
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
			ctl_say("jobs has no verb %s; accepted: list, put, show, cancel, retry, "
				"wait, queues, pause, resume or limit",
				argv[optind]);
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
		ctl_say("out of memory");
		return CTL_FAILED;
	}
	if (verb->run != jobs_put)
		api_take_interrupts();
	verb->run(&api, &args, &exit);
	ctl_flush(&exit);
	api_fini(&api);
	return exit;
}
