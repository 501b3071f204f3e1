/*
 * problem.h - an error answer, as those who answer it say it: what is wrong, and what to do about
 * it. How it looks is for the client to ask: application/problem+json (RFC 9457) or text/plain.
 */
#ifndef PLAZA_HTTP_PROBLEM_H
#define PLAZA_HTTP_PROBLEM_H

#include <stddef.h>

#include "http/negotiate.h"
#include "http/reply.h"

/* One of the "errors": why, and of what, if it can be said; else both are NULL. */
struct problem_error {
	const char *pointer;   /* a JSON pointer into the body */
	const char *parameter; /* the name of one in the query */
	const char *detail;
};

/* What is NULL or 0 is left out, but for what the comment says. */
struct problem {
	int status;
	const char *type;   /* "validation" is /problems/validation; NULL: about:blank */
	const char *title;  /* the same for every problem of the type; NULL: the status's phrase */
	const char *detail; /* what is wrong here, and what is accepted */
	const char *hint;   /* what to do about it; NULL: problem_hint(status) */
	const struct problem_error *errors;
	size_t n_errors;
	const char *const *routes; /* what could be asked for instead: "GET /health" */
	size_t n_routes;
	const char *fields; /* as in struct reply, at most PROBLEM_FIELDS_MAX bytes */
};

#define PROBLEM_FIELDS_MAX 400

/* Of "precondition-failed", which the front door and those who write both answer. */
#define PROBLEM_TITLE_412 "There is another version"

/*
 * RFC 9110 12.5.5: some errors may be kept by caches (404, 405, 414, 501), and Accept has chosen
 * the form of this one.
 */
#define PROBLEM_VARY "Vary: Accept\r\n"

/* More than any error has to say. */
#define PROBLEM_TEXT_MAX 8192

/* An error in one of its forms. */
struct problem_answer {
	struct reply reply; /* points into the rest */
	char fields[sizeof(PROBLEM_VARY) + PROBLEM_FIELDS_MAX];
	char text[PROBLEM_TEXT_MAX];
	char *json;
};

/* Until problem_answer_fini it must not move. */
void problem_answer_init(struct problem_answer *answer, const struct problem *problem,
			 enum error_form form);
void problem_answer_fini(struct problem_answer *answer);

/* One sentence for whoever has curl in hand; never NULL. */
const char *problem_hint(int status);

#endif
