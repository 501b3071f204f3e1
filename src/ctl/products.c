/*
 * products.c - plazactl products: a file into the product store, and the store into a file.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/ctl.h"
#include "ctl/products_export.h"
#include "ctl/products_import.h"

static const char usage[] =
    "usage: plazactl products [-f csv|ndjson] [-u URL] [-w SECONDS] import|export FILE\n"
    "  -f FORMAT   csv or ndjson (default: as the name of FILE ends, .csv or .ndjson)\n"
    "  -u URL      the server (default " API_SERVER ")\n"
    "  -w SECONDS  how long a request may take, until the server can be reached and has\n"
    "              time for it (default 60)\n"
    "FILE - is the standard input or output. See plazactl(1).\n";

static int
usage_error(void)
{
	fputs("plazactl products -h tells more\n", stderr);
	return CTL_USAGE;
}

static bool
ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* False when neither the option nor the name tells. */
static bool
find_format(const char *option, const char *file, enum rows_format *format)
{
	bool is_csv = option ? strcmp(option, "csv") == 0 : ends_in(file, ".csv");
	bool is_ndjson = option ? strcmp(option, "ndjson") == 0
				: ends_in(file, ".ndjson") || ends_in(file, ".jsonl");

	*format = is_csv ? ROWS_CSV : ROWS_NDJSON;
	return is_csv || is_ndjson;
}

/* The exit code when it ends here, else -1. */
static int
arguments_parse(int argc, char **argv, struct products_args *args, bool *is_import)
{
	const char *format = NULL, *wrong;
	uint64_t n;
	int c;

	while ((c = getopt(argc, argv, "+f:hu:w:")) != -1) {
		switch (c) {
		case 'f': format = optarg; break;
		case 'u':
			wrong = api_server_check(optarg);
			if (wrong) {
				fprintf(stderr, "plazactl: %s: %s\n", optarg, wrong);
				return usage_error();
			}
			args->server = optarg;
			break;
		case 'w':
			if (number_parse(optarg, 86400, &n)) {
				args->patience_ms = n * 1000;
				break;
			}
			fprintf(stderr, "plazactl: -w %s: accepted: seconds, 0 to 86400\n", optarg);
			return usage_error();
		case 'h': fputs(usage, stdout); return CTL_OK;
		default: return usage_error();
		}
	}
	if (argc - optind != 2 ||
	    (strcmp(argv[optind], "import") != 0 && strcmp(argv[optind], "export") != 0)) {
		fputs("plazactl: products takes import or export, and a file, behind the options\n",
		      stderr);
		return usage_error();
	}
	*is_import = strcmp(argv[optind], "import") == 0;
	args->file = argv[optind + 1];
	if (!find_format(format, args->file, &args->format)) {
		if (format)
			fprintf(stderr, "plazactl: -f %s: accepted: csv or ndjson\n", format);
		else
			fprintf(stderr,
				"plazactl: %s: its name does not tell the format; accepted: "
				"-f csv or -f ndjson, or a name that ends in .csv or .ndjson\n",
				args->file);
		return usage_error();
	}
	return -1;
}

int
products_command(int argc, char **argv)
{
	struct products_args args = {
	    .server = API_SERVER, .patience_ms = 60000, .has_terminal = isatty(STDERR_FILENO)};
	bool is_import = false;
	int code = arguments_parse(argc, argv, &args, &is_import);

	if (code >= 0)
		return code;
	return is_import ? products_import(&args) : products_export(&args);
}
