/*
 * products_import.h - a file into the product store.
 */
#ifndef PLAZA_CTL_PRODUCTS_IMPORT_H
#define PLAZA_CTL_PRODUCTS_IMPORT_H

#include "ctl/products_args.h"

/* Returns an enum ctl_exit. */
int products_import(const struct products_args *args);

#endif
