/*
 * api_doc.h - src/openapi/openapi.json beside what a test is answered: a status that the document
 * does not have for a path and method that it has fails the test.
 */
#ifndef PLAZA_TESTS_IT_API_DOC_H
#define PLAZA_TESTS_IT_API_DOC_H

/* `target` as in a request line. What the document does not describe at all is passed over. */
void api_doc_check(const char *method, const char *target, int status);

/* How many paths with their methods the document has. */
unsigned api_doc_operations(void);

#endif
