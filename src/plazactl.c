/*
 * plazactl.c - the client: a table of commands. What they do is in ctl/.
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
};

static const struct command commands[] = {
    {"chat", chat_command,
     "ROOM   talk in a room, and come back to it when the connection is lost"},
    {"fetch", fetch_command, "URL...   URLs fetched by the server, as a job of its queue"},
    {"jobs", jobs_command,
     "list|put|show|cancel|retry   the jobs of the server\n"
     "       wait|queues|pause|resume|limit   and its queues"},
    {"products", products_command,
     "import|export FILE   a file into the product store, or the store into a file"},
    {"ws", ws_command, "URL   lines to messages and messages to lines, over a WebSocket"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
print_usage(FILE *out)
{
	fputs("usage: plazactl COMMAND [options] [arguments]\n"
	      "       plazactl -h | -V\n",
	      out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %s %s\n", commands[i].name, commands[i].text);
	fputs("plazactl COMMAND -h tells more of one; see plazactl(1).\n", out);
}

static bool
is_either(const char *word, const char *brief, const char *full)
{
	return strcmp(word, brief) == 0 || strcmp(word, full) == 0;
}

/*
 * A standard descriptor that was closed would be given to the next socket. Now the input is empty,
 * and writing fails as it should.
 */
static void
open_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int
main(int argc, char **argv)
{
	open_standard_fds();
	if (argc < 2) {
		print_usage(stderr);
		return CTL_USAGE;
	}
	if (is_either(argv[1], "-h", "--help")) {
		print_usage(stdout);
		return CTL_OK;
	}
	if (is_either(argv[1], "-V", "--version")) {
		printf("plazactl " PLAZA_VERSION "\n");
		printf("libwebsockets %s (built with %s)\n", lws_get_library_version(),
		       LWS_LIBRARY_VERSION);
		printf("libcurl %s (built with " LIBCURL_VERSION ")\n",
		       curl_version_info(CURLVERSION_NOW)->version);
		return CTL_OK;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	ctl_say("%s is no command", argv[1]);
	print_usage(stderr);
	return CTL_USAGE;
}
