/*
 * problem.h - an error answer, as those who answer it say it: what is wrong, and what to do about
 * it. How it looks is for the client to ask: application/problem+json (RFC 9457) or text/plain.
 */
#ifndef PLAZA_HTTP_PROBLEM_H
#define PLAZA_HTTP_PROBLEM_H

#include <stddef.h>

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

/* One sentence for whoever has curl in hand; never NULL. */
const char *problem_hint(int status);

#endif
