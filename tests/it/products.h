/*
 * products.h - a daemon with a database of its own, and what tests of writes ask of both.
 */
#ifndef PLAZA_TESTS_IT_PRODUCTS_H
#define PLAZA_TESTS_IT_PRODUCTS_H

#include "daemon.h"
#include "http_client.h"

#define JSON     "Content-Type: application/json\r\n"
#define PATCH    "Content-Type: application/merge-patch+json\r\n"
#define CSV      "Content-Type: text/csv\r\n"
#define PRODUCTS "/api/products"

/* With two options more, or NULL; its schema is there. */
struct daemon *products_start_with(const char *first, const char *second);
struct daemon *products_start(void);
/* One worker, on a table that was there before: SQL that makes it. */
struct daemon *products_start_on(const char *table);

/* The table's rows as "id name price;" in order. */
void products_expect(const char *want);
/* The first value that a query gives. */
long products_ask(const char *sql);

/* A problem of this type, with just these pointers in order: "/name /price"; "." is "". */
void problem_expect(const struct http_answer *a, int status, const char *type, const char *pointers,
		    const char *what);
/* The answer to a request is one. */
void problem_request(struct daemon *d, const char *method, const char *target, const char *fields,
		     const char *body, int status, const char *type, const char *pointers);

#endif
