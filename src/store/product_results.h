/*
 * product_results.h - results of single products of a bulk that only the database refuses, in JSON.
 * They are part of SQL literals, too: no ' in them.
 */
#ifndef PLAZA_STORE_PRODUCT_RESULTS_H
#define PLAZA_STORE_PRODUCT_RESULTS_H

#define PRODUCT_REFUSED_TEXT                                                                     \
	"{\"status\":422,\"errors\":[{\"pointer\":\"\",\"detail\":\"the database refuses these " \
	"values: its table products has rules of its own\"}]}"
#define PRODUCT_TWICE_TEXT                                                                       \
	"{\"status\":409,\"errors\":[{\"pointer\":\"\",\"detail\":\"a unique constraint of the " \
	"table products refuses a second one\"}]}"

#endif
