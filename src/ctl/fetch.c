/*
 * fetch.c - plazactl fetch: its arguments, and what of them goes into each job.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/ctl.h"
#include "ctl/fetch_run.h"

#define NAMES_MAX 64

static const char usage[] =
    "usage: plazactl fetch [-bj] [-d BODY] [-e NAME=/POINTER]... [-H 'NAME: VALUE']...\n"
    "                      [-m METHOD] [-t TIMEOUT] [-u SERVER] [-w SECONDS] URL...\n"
    "  -b                do not wait for the end: print the ids of the jobs\n"
    "  -d BODY           what is sent (with POST, unless -m says otherwise)\n"
    "  -e NAME=/POINTER  of an answer in JSON also this value, by its JSON pointer\n"
    "  -H 'NAME: VALUE'  a header\n"
    "  -j                the result as JSON\n"
    "  -m METHOD         GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS\n"
    "  -t TIMEOUT        of each URL: 500ms, 15s, 1m\n"
    "  -u SERVER         default " API_SERVER "\n"
    "  -w SECONDS        how long a request to the server may take, until it can be reached\n"
    "                    and has time for it (default 60)\n"
    "URL - stands for URLs from the standard input, a line each. See plazactl(1).\n";

/* What the options add to the args of each job. */
struct options {
	json_t *args, *headers, *extract;
	const char *name[NAMES_MAX];
	size_t n_names;
};

static int
usage_error(void)
{
	fputs("plazactl fetch -h tells more\n", stderr);
	return CTL_USAGE;
}

static bool
set_text(json_t *object, const char *name, const char *value)
{
	return json_object_set_new(object, name, json_string(value)) == 0;
}

static bool
out_of_memory_or_not_utf8(int c, const char *value)
{
	json_t *json = json_string(value);

	ctl_say("-%c: %s", c, json ? "out of memory" : "is not UTF-8");
	json_decref(json);
	return false;
}

/* NAME=/POINTER. False, told, when it is none. */
static bool
take_value(struct options *options, char *text)
{
	char *pointer = strchr(text, '=');

	if (!pointer || pointer == text || (pointer[1] && pointer[1] != '/')) {
		ctl_say("-e %s: accepted: NAME=/POINTER, as in stars=/stargazers_count", text);
		return false;
	}
	*pointer++ = '\0';
	if (json_object_get(options->extract, text)) {
		ctl_say("-e %s: is there twice", text);
		return false;
	}
	if (options->n_names == NAMES_MAX) {
		ctl_say("-e %s: accepted: %d of them", text, NAMES_MAX);
		return false;
	}
	options->name[options->n_names++] = text;
	return set_text(options->extract, text, pointer) || out_of_memory_or_not_utf8('e', text);
}

/* 'Name: value'. False, told, when it is none. */
static bool
take_header(struct options *options, char *text)
{
	char *value = strchr(text, ':');
	size_t len;

	if (!value || value == text) {
		ctl_say("-H %s: accepted: 'NAME: VALUE'", text);
		return false;
	}
	*value++ = '\0';
	value += strspn(value, " \t");
	len = strlen(value);
	while (len && strchr(" \t", value[len - 1]))
		value[--len] = '\0';
	if (json_object_get(options->headers, text)) {
		ctl_say("-H %s: is there twice", text);
		return false;
	}
	return set_text(options->headers, text, value) || out_of_memory_or_not_utf8('H', text);
}

/* False, told, when it is not what is accepted. */
static bool
take_option(int c, char *value, struct options *options, struct fetch_args *args)
{
	const char *wrong;
	uint64_t n;

	switch (c) {
	case 'b': args->is_brief = true; return true;
	case 'd':
		return set_text(options->args, "body", value) ||
		       out_of_memory_or_not_utf8(c, value);
	case 'e': return take_value(options, value);
	case 'H': return take_header(options, value);
	case 'j': args->form.is_json = true; return true;
	case 'm':
		return set_text(options->args, "method", value) ||
		       out_of_memory_or_not_utf8(c, value);
	case 't':
		if (time_parse(value, &n))
			return set_text(options->args, "timeout", value) ||
			       out_of_memory_or_not_utf8(c, value);
		ctl_say("-t %s: accepted: " TIME_ACCEPTED, value);
		return false;
	case 'u':
		args->server = value;
		wrong = api_server_check(value);
		if (wrong)
			ctl_say("%s: %s", value, wrong);
		return !wrong;
	default:
		args->patience_ms = number_parse(value, 86400, &n) ? n * 1000 : UINT64_MAX;
		if (args->patience_ms == UINT64_MAX)
			ctl_say("-w %s: accepted: seconds, 0 to 86400", value);
		return args->patience_ms != UINT64_MAX;
	}
}

/* The URLs behind the options. False, told, when they cannot be read. */
static bool
take_urls(int argc, char **argv, struct fetch_list *list, int *exit)
{
	char why[200];

	for (int i = optind; i < argc; i++) {
		if (strcmp(argv[i], "-") == 0) {
			if (fetch_list_read(list, STDIN_FILENO, why))
				continue;
			ctl_fail(exit, "standard input: %s", why);
			return false;
		}
		if (!fetch_list_add(list, span_str(argv[i]))) {
			ctl_fail(exit, "out of memory");
			return false;
		}
	}
	/* a list that was not made is not the same as one that is done */
	if (list->n == 0)
		ctl_fail(exit, "standard input: there are no URLs; accepted: one on each line");
	return list->n > 0;
}

/* The members of args as a text that goes behind others; the caller frees. */
static char *
write_more(struct options *options)
{
	json_t *args = options->args;

	if (json_object_get(args, "body") && !json_object_get(args, "method") &&
	    !set_text(args, "method", "POST"))
		return NULL;
	if (json_object_size(options->headers) &&
	    json_object_set(args, "headers", options->headers) != 0)
		return NULL;
	if (json_object_size(options->extract) &&
	    json_object_set(args, "extract", options->extract) != 0)
		return NULL;
	char *text = json_dumps(args, JSON_COMPACT);
	if (!text)
		return NULL;
	/* {"a":1} -> ,"a":1 */
	text[0] = ',';
	text[strlen(text) - 1] = '\0';
	if (!text[1])
		text[0] = '\0';
	return text;
}

/* The exit code when it ends here, else -1. */
static int
options_parse(int argc, char **argv, struct options *options, struct fetch_args *args)
{
	int c;

	while ((c = getopt(argc, argv, "+:bd:e:H:hjm:t:u:w:")) != -1) {
		switch (c) {
		case 'h': fputs(usage, stdout); return CTL_OK;
		case '?': ctl_say("fetch has no option -%c", optopt); return usage_error();
		case ':': ctl_say("-%c takes a value", optopt); return usage_error();
		default:
			if (!take_option(c, optarg, options, args))
				return usage_error();
		}
	}
	for (int i = optind; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1]) {
			ctl_say("%s: options stand before the URLs", argv[i]);
			return usage_error();
		}
	}
	if (optind < argc)
		return -1;
	ctl_say("fetch takes URLs, or - for those from the standard input");
	return usage_error();
}

int
fetch_command(int argc, char **argv)
{
	struct fetch_args args = {
	    .server = API_SERVER, .patience_ms = 60000, .has_terminal = isatty(STDERR_FILENO)};
	struct options options = {
	    .args = json_object(), .headers = json_object(), .extract = json_object()};
	struct fetch_list list = {0};
	char *more = NULL;
	int exit = CTL_OK, code = options_parse(argc, argv, &options, &args);

	if (code < 0) {
		more = write_more(&options);
		args.more = more;
		args.form.name = options.name;
		args.form.n_names = options.n_names;
		if (!more)
			ctl_fail(&exit, "out of memory");
		else if (take_urls(argc, argv, &list, &exit))
			exit = fetch_run(&args, &list);
		code = exit;
	}
	free(more);
	fetch_list_fini(&list);
	json_decref(options.args);
	json_decref(options.headers);
	json_decref(options.extract);
	return code;
}
