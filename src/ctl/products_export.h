/*
 * products_export.h - the product store into a file.
 */
#ifndef PLAZA_CTL_PRODUCTS_EXPORT_H
#define PLAZA_CTL_PRODUCTS_EXPORT_H

#include "ctl/products_args.h"

/* Returns an enum ctl_exit. */
int products_export(const struct products_args *args);

#endif
