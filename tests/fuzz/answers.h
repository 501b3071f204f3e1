/*
 * answers.h - a stream of HTTP/1.1 answers read as strictly as a client could, and held against the
 * requests that caused it.
 */
#ifndef PLAZA_TESTS_FUZZ_ANSWERS_H
#define PLAZA_TESTS_FUZZ_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct answer_view {
	int status;
	struct span head; /* status line and fields, with the empty line */
	struct span body; /* with the chunked coding, if it has one */
	bool is_closing;  /* Connection: close */
	bool is_chunked;
};

enum answer_status { ANSWER_WHOLE, ANSWER_CUT, ANSWER_BAD };

/*
 * Takes the next answer off `stream`. `is_head`: it is one to HEAD. CUT: the stream ends within it;
 * BAD: *why says what no answer looks like.
 */
enum answer_status answer_take(struct span *stream, bool is_head, struct answer_view *answer,
			       const char **why);

/* Where a stream of answers may end although more was asked. */
enum answers_end {
	ANSWERS_ALL,      /* nowhere */
	ANSWERS_SOME,     /* between two answers: a drain that began within the one before */
	ANSWERS_UNTIL_NOW /* anywhere, and anywhere there may be a 408: time has gone by */
};

/*
 * Whether `answers` is what a server may answer to the requests in `sent`: an answer for each
 * request, in order, interim ones before it; nothing after Connection: close; the connection goes
 * on otherwise, so that an end (`is_ended`) has to have been said. NULL, or what is wrong.
 */
const char *answers_check(struct span sent, struct span answers, bool is_ended,
			  enum answers_end end);

/*
 * Whether two streams of answers to the same bytes say the same. What may differ is the value of
 * Date, and interim answers: 100 is left out when the body is there with its head (RFC 9110
 * 10.1.1). Of an answer that its handler cuts, nothing is compared.
 */
bool answers_agree(struct span sent, struct span a, struct span b);

#endif
