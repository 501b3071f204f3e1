/*
 * replay.c - main for a fuzz target without libFuzzer: every file of a corpus, then deterministic
 * mutations of it. `make check` runs it, so that what fuzzing once found stays found.
 *
 *	fuzz_x [-n MUTATIONS] [CORPUS_FILE_OR_FOLDER...]
 *
 * Without an operand: $srcdir/tests/fuzz/corpus/x.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* longer inputs are libFuzzer's business */
#define INPUT_MAX (64 * 1024)

static uint64_t random_state = 0x9e3779b97f4a7c15;
static unsigned long mutations = 200;
static unsigned long runs;

/* xorshift64*: the same inputs in every run, so that a failure comes again */
static uint64_t
random_next(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1d;
}

static size_t
random_below(size_t n)
{
	return n ? (size_t)((random_next() >> 11) % n) : 0;
}

static void
run(const uint8_t *data, size_t size)
{
	/* a block of its own and exactly as long, so that a sanitizer sees reads past the end */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	runs++;
}

static size_t
mutate(uint8_t *data, size_t size, size_t max)
{
	static const uint8_t edges[] = {0,   '\n', '\r', ' ',  ':',  '%',
					'"', '0',  '9',  0x7f, 0x80, 0xff};
	const size_t at = random_below(size);
	size_t n = random_below(16) + 1;

	switch (random_below(5)) {
	case 0: /* a bit */
		if (size)
			data[at] ^= (uint8_t)(1u << random_below(8));
		return size;
	case 1: /* a byte that means something to somebody */
		if (size)
			data[at] = edges[random_below(sizeof(edges))];
		return size;
	case 2: /* fewer bytes */
		n = n < size - at ? n : size - at;
		memmove(data + at, data + at + n, size - at - n);
		return size - n;
	case 3: /* a piece twice */
		n = n < size - at ? n : size - at;
		if (size + n > max)
			return size;
		memmove(data + at + n, data + at, size - at);
		return size + n;
	default: /* an end */ return at;
	}
}

static int
replay_file(const char *path)
{
	static uint8_t input[INPUT_MAX], mutant[INPUT_MAX];
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return -1;
	}
	const size_t size = fread(input, 1, sizeof(input), f);
	fclose(f);
	run(input, size);
	for (unsigned long i = 0; i < mutations; i++) {
		size_t mutant_size = size;

		memcpy(mutant, input, size);
		for (size_t steps = random_below(4) + 1; steps; steps--)
			mutant_size = mutate(mutant, mutant_size, sizeof(mutant));
		run(mutant, mutant_size);
	}
	return 0;
}

static int
replay(const char *path)
{
	struct stat st;
	struct dirent **entries;
	int status = 0;

	if (stat(path, &st) < 0) {
		perror(path);
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return replay_file(path);
	/* sorted, or the mutations would differ from machine to machine */
	const int n = scandir(path, &entries, NULL, alphasort);
	if (n < 0) {
		perror(path);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
			if (replay(file) < 0)
				status = -1;
		}
		free(entries[i]);
	}
	free(entries);
	return status;
}

/* The corpus of fuzz_x is the folder x. */
static int
replay_own(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;
	const char *srcdir = getenv("srcdir");
	char folder[4096];

	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name);
	return replay(folder);
}

int
main(int argc, char **argv)
{
	int opt, status = 0;

	while ((opt = getopt(argc, argv, "n:")) != -1) {
		if (opt != 'n')
			return 2;
		mutations = strtoul(optarg, NULL, 10);
	}
	run((const uint8_t *)"", 0);
	if (optind == argc && replay_own(argv[0]) < 0)
		status = 1;
	for (int i = optind; i < argc; i++) {
		if (replay(argv[i]) < 0)
			status = 1;
	}
	printf("%lu inputs\n", runs);
	return status;
}
