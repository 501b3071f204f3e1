/* links: src/config/config.c src/config/errors.c
 *        src/config/option.c src/config/ini_file.c src/config/syntax.c
 * src/config/conninfo.c src/config/address.c src/config/network.c src/base/buffer.c
 * -lini_config -lbasicobjects -lref_array -lcollection -lpq */
/*
 * fuzz_config.c - configuration files: every file is either taken, and then its dump is taken too
 * and gives the same, or refused with lines that begin with its name.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -I/usr/include/postgresql \
 *		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o fuzz_config \
 *		tests/fuzz/fuzz_config.c src/config/[a-z]*.c src/base/buffer.c \
 *		-lini_config -lbasicobjects -lref_array -lcollection -lpq
 *	./fuzz_config -max_len=2048 -dict=tests/fuzz/config.dict tests/fuzz/corpus/config
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "config/conninfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* NULL when it was refused. The file is memory with a name below /proc. */
static struct config *
load(const void *data, size_t size)
{
	struct config_errors errors = {0};
	char path[32];
	int fd = memfd_create("plaza.conf", MFD_CLOEXEC);

	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct config *config = config_load(path, true, NULL, 0, &errors);
	check((config == NULL) == (errors.n > 0));
	for (size_t i = 0; i < errors.n; i++)
		check(strncmp(errors.line[i], path, strlen(path)) == 0);
	config_errors_fini(&errors);
	close(fd);
	return config;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = load(data, size);
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (!config)
		return 0;
	out = open_memstream(&text, &len);
	check(out != NULL);
	config_dump(config, out);
	check(fclose(out) == 0);
	/* a secret is dumped as ***, which is refused */
	char *masked = config_mask_conninfo(config->store_database);
	check(masked != NULL);
	struct config *again = load(text, len);
	check(again != NULL || strcmp(masked, config->store_database) != 0);
	for (unsigned i = 0; again && i < OPTION_COUNT; i++)
		check(strcmp(config->text[i], again->text[i]) == 0);
	config_free(&again);
	config_free(&config);
	free(masked);
	free(text);
	return 0;
}
