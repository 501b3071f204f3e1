/*
 * main.c - plazad's arguments. What it does with them: check (-t), show (-T, -S), tell versions
 * (-V), or become the master.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <libwebsockets.h>
#include <openssl/crypto.h>
#include <pg_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "master.h"
#include "preflight.h"
#include "proc/exit_codes.h"
#include "proc/process.h"

enum action { ACTION_RUN, ACTION_TEST, ACTION_DUMP, ACTION_SCHEMA, ACTION_VERSION, ACTION_HELP };

struct arguments {
	enum action action;
	const char *file;
	bool file_given;
	char **overrides;
	size_t n_overrides;
};

static const char usage[] =
    "usage: plazad [-c FILE] [-o section.key=value]... [-t] [-T] [-S] [-V] [-h]\n";

static const char help[] = "\n"
			   "  -c, --config FILE   read FILE, not " PLAZA_CONF "\n"
			   "  -o, --option section.key=value\n"
			   "                      override the file; may be given several times\n"
			   "  -t, --test          check the configuration and exit\n"
			   "  -T, --dump          print the effective configuration and exit\n"
			   "  -S, --schema        print the SQL of the database schema and exit\n"
			   "  -V, --version       print versions and exit\n"
			   "  -h, --help          print this and exit\n"
			   "\n"
			   "plazad stays in the foreground, logs to stderr and, if log.access is\n"
			   "set, requests to stdout; see plazad(8).\n";

/*
 * Copies, because the arguments' memory becomes the process title while a reload still reads the
 * file and the overrides.
 */
static char *
copy(const char *text)
{
	char *copied = strdup(text);

	if (!copied) {
		log_error("out of memory");
		exit(EXIT_CODE_OS);
	}
	return copied;
}

static void
add_override(struct arguments *args, const char *text)
{
	char **grown = reallocarray(args->overrides, args->n_overrides + 1, sizeof(*grown));

	if (!grown) {
		log_error("out of memory");
		exit(EXIT_CODE_OS);
	}
	args->overrides = grown;
	args->overrides[args->n_overrides++] = copy(text);
}

static void
usage_exit(void)
{
	fprintf(stderr, "%splazad -h tells more\n", usage);
	exit(EXIT_CODE_USAGE);
}

/* -h and -V win over the rest, then -S, -T and -t. */
static void
arguments_parse(struct arguments *args, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'}, {"option", required_argument, NULL, 'o'},
	    {"test", no_argument, NULL, 't'},         {"dump", no_argument, NULL, 'T'},
	    {"schema", no_argument, NULL, 'S'},       {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	int c;

	*args = (struct arguments){.file = PLAZA_CONF};
	while ((c = getopt_long(argc, argv, "c:o:tTSVh", longs, NULL)) != -1) {
		enum action action = ACTION_RUN;

		switch (c) {
		case 'c':
			args->file = copy(optarg);
			args->file_given = true;
			break;
		case 'o': add_override(args, optarg); break;
		case 't': action = ACTION_TEST; break;
		case 'T': action = ACTION_DUMP; break;
		case 'S': action = ACTION_SCHEMA; break;
		case 'V': action = ACTION_VERSION; break;
		case 'h': action = ACTION_HELP; break;
		default: usage_exit();
		}
		if (action > args->action)
			args->action = action;
	}
	if (optind < argc) {
		fprintf(
		    stderr,
		    "plazad: %s is no option; a file is given with -c, an option of it with -o\n",
		    argv[optind]);
		usage_exit();
	}
}

/* What was asked for and could not be said was not done. */
static int
printed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_CODE_OK;
	fprintf(stderr, "plazad: cannot write to standard output: %s\n", strerror(errno));
	return EXIT_CODE_OS;
}

static int
print_versions(void)
{
	printf("plazad " PLAZA_VERSION "\n");
	printf("libevent %s (built with %s)\n", event_get_version(), LIBEVENT_VERSION);
	printf("libwebsockets %s (built with %s)\n", lws_get_library_version(),
	       LWS_LIBRARY_VERSION);
	printf("libpq %d.%d (built with " PG_VERSION ")\n", PQlibVersion() / 10000,
	       PQlibVersion() % 10000);
	printf("jansson %s (built with " JANSSON_VERSION ")\n", jansson_version_str());
	printf("libini_config (does not tell its version)\n");
	printf("zlib %s (built with " ZLIB_VERSION ")\n", zlibVersion());
	printf("OpenSSL %s (built with " OPENSSL_VERSION_STR ")\n",
	       OpenSSL_version(OPENSSL_VERSION_STRING));
	return printed();
}

/* Plain lines, without time and level: they are for whoever edits the file. */
static int
report_errors(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		fprintf(stderr, "%s\n", errors->line[i]);
	if (errors->n == 0)
		fprintf(stderr, "plazad: out of memory\n");
	config_errors_fini(errors);
	return EXIT_CODE_CONFIG;
}

static int
dump(const struct config *config)
{
	if (!config->file)
		printf("# there is no %s\n", PLAZA_CONF);
	config_dump(config, stdout);
	return printed();
}

static int
test(const struct config *config)
{
	if (config->file)
		printf("%s: configuration OK\n", config->file);
	else
		printf("there is no %s; the defaults and -o are OK\n", PLAZA_CONF);
	return printed();
}

static int
run(struct config *config, const struct arguments *args, uint64_t started_us)
{
	const struct master_args master = {
	    .config = config,
	    .file = args->file,
	    .file_required = args->file_given,
	    .overrides = args->overrides,
	    .n_overrides = args->n_overrides,
	    .started_us = started_us,
	};

	log_open((enum log_format)config->log_format, (enum log_level)config->log_level);
	log_set_process("master");
	/* first, so that nothing but SQL is printed when it fails */
	if (!preflight_schema(config)) {
		config_free(&config);
		return EXIT_CODE_CONFIG;
	}
	if (!config->file)
		log_info("there is no %s: running on defaults%s", args->file,
			 args->n_overrides ? " and -o" : "");
	return master_run(&master);
}

int
main(int argc, char **argv, char **envp)
{
	uint64_t started_us = clock_monotonic_us();
	struct config_errors errors = {0};
	static struct arguments args; /* as long as the process: a reload reads them again */
	int code;

	process_title_init(argc, argv, envp);
	arguments_parse(&args, argc, argv);
	if (args.action == ACTION_HELP) {
		printf("%s%s", usage, help);
		return printed();
	}
	if (args.action == ACTION_VERSION)
		return print_versions();

	struct config *config =
	    config_load(args.file, args.file_given, args.overrides, args.n_overrides, &errors);
	if (!config)
		return report_errors(&errors);
	if (args.action == ACTION_DUMP) {
		code = dump(config);
	} else if (args.action == ACTION_SCHEMA) {
		code = preflight_print_schema(config) ? printed() : EXIT_CODE_OS;
	} else if (!preflight_check(config, &errors)) {
		code = report_errors(&errors);
	} else if (args.action == ACTION_RUN) {
		return run(config, &args, started_us);
	} else {
		code = test(config);
	}
	config_free(&config);
	return code;
}
